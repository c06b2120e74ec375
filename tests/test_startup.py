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

RUN_TENURE = "import sys; sys.argv = ['tenure', {argument!r}]; from tenure.cli.main import main; main()"


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
        RUN_TENURE.format(argument="--version"),
        RUN_TENURE.format(argument="--help"),
        "import tenure.lifecycle, tenure.rules",
    ],
    ids=["import", "version", "tenure --version", "tenure --help", "the whole vocabulary"],
)
def test_nothing_heavy_is_loaded(statement: str) -> None:
    assert heavy_modules_loaded_by(statement) == set()


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
