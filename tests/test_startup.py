"""The command line starts fast because nothing heavy is loaded before a verb needs it."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import tenure

PYPROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())

# The libraries that ruff keeps out of module level are those that must not be loaded here.
HEAVY = frozenset(PYPROJECT["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-module-level-imports"])

SPEC = """\
apiVersion: tenure/v1
kind: Model
metadata: {name: tiny, owner: tests}
data:
  sources:
    rows: {type: csv, path: data/rows.csv}
  target_column: y
training:
  algorithms:
    xgboost: {}
    logistic_regression: {}
evaluation:
  gates:
    - {metric: accuracy, min: 0.1}
deployment:
  target: {type: http}
"""


def running(*arguments: str) -> str:
    """Python code that runs the command line in this interpreter."""
    return f"import sys; sys.argv = {['tenure', *arguments]!r}; from tenure.cli.main import main; main()"


def heavy_modules_loaded_by(statement: str) -> set[str]:
    """Heavy top-level packages in `sys.modules` when an interpreter that ran `statement` exits."""
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print('LOADED', *{name.partition('.')[0] for name in sys.modules}, file=sys.stderr))\n"
        f"{statement}\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    loaded = next(line for line in run.stderr.splitlines() if line.startswith("LOADED")).split()[1:]
    assert "sys" in loaded
    return HEAVY.intersection(loaded)


@pytest.mark.parametrize(
    "statement",
    [
        "import tenure",
        "import tenure; tenure.__version__",
        running("--version"),
        running("--help"),
        "import tenure.lifecycle, tenure.rules",
    ],
    ids=["import", "version", "tenure --version", "tenure --help", "the whole vocabulary"],
)
def test_nothing_heavy_is_loaded(statement: str) -> None:
    assert heavy_modules_loaded_by(statement) == set()


@pytest.mark.parametrize("verb", ["validate", "plan"])
def test_validating_and_planning_load_nothing_heavy(verb: str, tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "tiny.yaml").write_text(SPEC)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rows.csv").write_text("x,y\n1,a\n2,b\n")
    assert heavy_modules_loaded_by(running("-C", str(tmp_path), verb)) == set()


def test_plans_and_states_are_values_without_pydantic() -> None:
    """What answers a plan with nothing to do must not pay for the machinery that reads specs."""
    code = "import sys, tenure.plan.diff, tenure.state.opening, tenure.stages.base; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert {"pydantic", "yaml", "click", "sqlalchemy"}.isdisjoint(run.stdout.split())


def test_a_plan_that_is_remembered_reads_no_spec(tmp_path: Path) -> None:
    """A project whose only model is live; the second plan of it loads neither pydantic nor the YAML parser."""
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "tiny.yaml").write_text(SPEC.replace("    xgboost: {}\n", ""))
    (tmp_path / "data").mkdir()
    rows = "".join(f"{x},{'a' if x % 2 else 'b'}\n" for x in range(60))
    (tmp_path / "data" / "rows.csv").write_text(f"x,y\n{rows}")
    for verb in (["apply", "--auto-approve"], ["plan"]):
        command = [sys.executable, "-c", running("-C", str(tmp_path), *verb)]
        subprocess.run(command, capture_output=True, timeout=120, check=True)
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print('LOADED', *sys.modules, file=sys.stderr))\n"
        f"{running('-C', str(tmp_path), 'plan')}\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "Nothing to do" in run.stdout
    assert {"pydantic", "yaml", "sqlalchemy", "rich", "tenure.lifecycle"}.isdisjoint(run.stderr.split())


def test_validating_loads_only_what_reads_specs(tmp_path: Path) -> None:
    """Neither what plans and applies, nor what talks to databases and servers."""
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "tiny.yaml").write_text(SPEC)
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print('LOADED', *sys.modules, file=sys.stderr))\n"
        f"{running('-C', str(tmp_path), 'validate', 'specs/tiny.yaml')}\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout == "1 spec is valid.\n"
    loaded = set(run.stderr.split())
    assert "tenure.lifecycle" in loaded
    assert loaded.isdisjoint(
        {"tenure.engine.project", "tenure.engine.applying", "sqlite3", "urllib.request", "concurrent.futures"}
    )


def test_the_list_covers_what_is_slow_to_load() -> None:
    assert {"pandas", "sklearn", "xgboost", "optuna", "duckdb", "starlette", "numpy", "pyarrow"} <= HEAVY
    assert {"sqlalchemy", "hydra"} <= HEAVY


def test_the_probe_sees_a_heavy_module() -> None:
    assert "numpy" in heavy_modules_loaded_by("import numpy")


def test_one_version_everywhere() -> None:
    assert importlib.metadata.version("tenure") == tenure.__version__
    script = Path(sys.executable).with_name("tenure")
    printed = subprocess.run([script, "--version"], capture_output=True, text=True, check=True).stdout
    assert tenure.__version__ in printed


def test_public_names_load_on_first_use() -> None:
    from tenure.engine.project import Project
    from tenure.plan.change import Plan

    assert tenure.Project is Project
    assert tenure.Plan is Plan
    assert {"Project", "Plan", "__version__"} <= set(dir(tenure))
    with pytest.raises(AttributeError, match=re.escape("module 'tenure' has no attribute 'Porject'")):
        tenure.Porject  # noqa: B018
