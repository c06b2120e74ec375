"""What the section declares, and what a look at its sources tells the plan."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from tenure.core.effect import Effect
from tenure.stages.data import section
from tenure.stages.data.section import Data

BLOCK: dict[str, Any] = {"sources": {"rows": {"type": "csv", "path": "rows.csv"}}, "target_column": "y"}


def test_one_resource_with_the_paths_of_the_spec(project: Any) -> None:
    declared = project.resource(BLOCK)
    assert (declared.address, declared.needs, declared.triggers) == ("m/data/snapshot", (), ("retrain",))
    assert declared.effects["data.sources.rows.path"] is Effect.RETRAIN
    assert declared.effects["data.target_column"] is Effect.BREAKING


@pytest.mark.parametrize(
    ("refresh", "triggers"),
    [("on_retrain", ("retrain",)), ("on_change", ("retrain", "new_data")), ("pinned", ())],
)
def test_refresh_decides_the_triggers_and_nothing_else(project: Any, refresh: str, triggers: Any) -> None:
    plain, edited = project.resource(BLOCK), project.resource(BLOCK | {"refresh": refresh})
    assert edited.triggers == triggers
    assert edited.content == plain.content
    assert (edited.metadata == plain.metadata) is (refresh == "on_retrain")


def test_order_of_keys_and_spelled_out_defaults_change_nothing(project: Any) -> None:
    spelled = {
        "target_column": "y",
        "sources": {"rows": {"path": "rows.csv", "encoding": "UTF8", "type": "csv"}},
    }
    assert project.resource(spelled | {"checks": []}).content == project.resource(BLOCK).content


@pytest.mark.parametrize(
    ("block", "at"),
    [
        ({"split": {"type": "datetime"}}, "split"),
        ({"task": "regression", "positive_class": "a"}, "positive_class"),
        ({"sources": {}}, "sources"),
        ({"split": {"type": "random", "test": 0.7, "validation": 0.4}}, "split"),
        ({"split": {"type": "random", "test": 0}}, "test"),
        (
            {
                "sources": {"q": {"type": "sql", "connection": "sqlite:///x", "query": "SELECT 1"}},
                "refresh": "on_change",
            },
            "refresh",
        ),
    ],
)
def test_blocks_that_contradict_themselves(block: dict[str, Any], at: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Data.model_validate(BLOCK | block)
    error = caught.value.errors()[0]
    cause = error.get("ctx", {}).get("error")
    assert at in (*error["loc"], *getattr(cause, "at", ()))


def test_the_plan_hears_about_new_rows(project: Any, rows: Any) -> None:
    project.write("rows.csv", rows(20))
    record = project.record(BLOCK, project.take(BLOCK))
    declared = project.resource(BLOCK)

    unchanged = section.observe_inputs(declared, project.root, record)
    assert (unchanged.changed, unchanged.sentences) == (False, ())

    project.write("rows.csv", rows(51))
    grown = section.observe_inputs(declared, project.root, record)
    assert grown.changed is True
    assert grown.sentences == ("rows: 31 new row(s) (20 -> 51) since the snapshot of 03 May 2026.",)
    assert grown.seen != unchanged.seen

    (project.root / "rows.csv").unlink()
    gone = section.observe_inputs(declared, project.root, record)
    assert (gone.changed, gone.sentences, gone.missing) == (None, (), ("rows (no file rows.csv)",))


def test_a_touched_file_is_hashed_and_found_unchanged(project: Any, rows: Any) -> None:
    project.write("rows.csv", rows(20))
    record = project.record(BLOCK, project.take(BLOCK))
    os.utime(project.root / "rows.csv", ns=(1, 1))
    assert section.observe_inputs(project.resource(BLOCK), project.root, record).changed is False


def test_a_file_of_unchanged_size_and_time_is_not_opened(project: Any, rows: Any, monkeypatch: Any) -> None:
    from pathlib import Path

    project.write("rows.csv", rows(20))
    record = project.record(BLOCK, project.take(BLOCK))

    def refuse(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("opened")

    monkeypatch.setattr(Path, "open", refuse)
    assert section.observe_inputs(project.resource(BLOCK), project.root, record).changed is False


def test_edited_content_of_the_same_size(project: Any, rows: Any) -> None:
    project.write("rows.csv", rows(20))
    record = project.record(BLOCK, project.take(BLOCK))
    project.write("rows.csv", rows(20).replace("0,a", "0,b", 1))
    os.utime(project.root / "rows.csv", ns=(1, 1))
    looked = section.observe_inputs(project.resource(BLOCK), project.root, record)
    assert looked.sentences == ("rows: other content in the same 20 rows since the snapshot of 03 May 2026.",)


def test_looking_at_sources_loads_no_numerical_library(project: Any, rows: Any) -> None:
    project.write("rows.csv", rows(20))
    script = (
        "import sys; from pathlib import Path; from tenure.spec.base import SpecModel\n"
        "from tenure.stages.base import Identity; from tenure.stages.data import section\n"
        f"data = section.Data.model_validate({BLOCK!r})\n"
        "(declared,) = section.declare(Identity('m', 'active', SpecModel()), data)\n"
        "assert section.observe_inputs(declared, Path('.'), None).seen['rows']\n"
        "heavy = {'duckdb', 'numpy', 'pandas', 'pyarrow', 'sklearn', 'sqlalchemy'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=project.root, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
