"""The snapshot: what is in it, that it is the same twice, and what each kind of bad data is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.stages.data.engines import tabled

from tenure.core.errors import StageBlocked, StageError
from tenure.stages.data.engine import Engine

Rows = Callable[..., str]


def failure(call: Callable[[], Any]) -> StageError:
    with pytest.raises(StageError) as caught:
        call()
    return caught.value


def test_snapshot_holds_typed_rows_and_their_parts(project: Any, rows: Rows) -> None:
    output = project.csv(
        rows(20), timestamp_column="seen_at", split={"type": "random", "test": 0.25, "seed": 3}
    )
    table = project.table(output)
    assert output.value["columns"] == [
        {"name": "x", "type": "integer", "nullable": False},
        {"name": "y", "type": "string", "nullable": False},
        {"name": "z", "type": "number", "nullable": False},
        {"name": "seen_at", "type": "timestamp", "nullable": False},
    ]
    assert table["x"].to_pylist() == list(range(20))
    assert output.value["split"] == {"train": 15, "test": 5}
    assert table["__split__"].to_pylist().count("test") == 5
    assert (output.value["task"], output.value["classes"]) == ("binary", ["a", "b"])
    assert output.value["time_range"] == ["2026-01-01T00:00:00Z", "2026-01-20T00:00:00Z"]
    assert {c.name: c.distinct for c in project.profile(output).columns} == {
        "x": 20,
        "y": 2,
        "z": 20,
        "seen_at": 20,
    }


def test_same_input_same_digest_and_same_bytes(project: Any, rows: Rows) -> None:
    first, second = project.csv(rows(50)), project.csv(rows(50))
    assert (first.digest, first.artifacts) == (second.digest, second.artifacts)
    assert project.csv(rows(51)).digest != first.digest


def test_edits_that_change_no_row_keep_the_digest(project: Any, rows: Rows) -> None:
    plain = project.csv(rows(20))
    edited = project.csv(
        rows(20),
        checks=[{"type": "not_null", "columns": ["x"]}],
        cleaning=[{"type": "drop_duplicates"}],
        filter="x >= 0",
    )
    assert edited.digest == plain.digest


def test_another_meaning_of_the_same_rows_is_another_digest(project: Any, rows: Rows) -> None:
    assert project.csv(rows(20), target="x").digest != project.csv(rows(20), target="z").digest
    assert project.csv(rows(20)).digest != project.csv(rows(20), positive_class="a").digest


def test_the_positive_class_comes_last(project: Any, rows: Rows) -> None:
    assert project.csv(rows(20), positive_class="a").value["classes"] == ["b", "a"]


@pytest.mark.parametrize(
    ("block", "kind"),
    [
        ({"target": "y"}, "stratified"),
        ({"target": "z"}, "random"),
        ({"target": "y", "timestamp_column": "seen_at"}, "datetime"),
    ],
)
def test_the_default_split_follows_the_data(
    project: Any, rows: Rows, block: dict[str, Any], kind: str
) -> None:
    output = project.csv(rows(20), **block)
    assert output.value["split_type"] == kind
    assert output.value["split"]["test"] == 4


def test_datetime_split_tests_on_the_latest_rows_and_leaves_the_gap_out(project: Any, rows: Rows) -> None:
    split = {"type": "datetime", "test": 0.2, "validation": 0.2, "gap": "2d"}
    output = project.csv(rows(20), timestamp_column="seen_at", split=split)
    parts = {part: [] for part in ("train", "validation", "test")}
    for row in project.table(output).select(["x", "__split__"]).to_pylist():
        parts[row["__split__"]].append(row["x"])
    assert parts["test"] == [16, 17, 18, 19]
    assert max(parts["train"]) < min(parts["validation"]) - 1
    assert output.value["rows"] == sum(map(len, parts.values())) < 20
    assert any("gap" in note for note in output.value["notes"])


def test_columns_keep_the_target_and_the_timestamp(project: Any, rows: Rows) -> None:
    output = project.csv(rows(20), columns=["z"], timestamp_column="seen_at", filter="x >= 10")
    assert project.table(output).column_names == ["y", "z", "seen_at", "__split__"]
    assert output.value["rows"] == 10


@pytest.mark.parametrize(
    ("condition", "rest"),
    [
        ("x >= 15", 5),
        ("y = 'a' AND z < 1", 2),
        ("seen_at > TIMESTAMP '2026-01-19'", 1),
        ("x IN (1, 2) -- two", 2),
    ],
)
def test_filter_keeps_the_rows_for_which_it_is_true(
    project: Any, rows: Rows, condition: str, rest: int, engine: Engine
) -> None:
    from tenure.stages.data import filtering

    table = project.table(project.csv(rows(20), timestamp_column="seen_at"))
    assert filtering.apply(tabled(engine, table), condition).rows == rest


@pytest.mark.parametrize(
    "condition",
    ["x", "x > 1; DROP TABLE rows", "x > (SELECT 1)", "x > 1, y = 'a'", "random() > 0.5", "x >"],
)
def test_filter_is_one_condition_over_one_row(project: Any, rows: Rows, condition: str) -> None:
    error = failure(lambda: project.csv(rows(20), filter=condition))
    assert (error.summary, error.path) == ("the filter cannot be used", ("data", "filter"))
    assert "derived" not in error.detail


def test_filter_reaches_no_file(project: Any, rows: Rows) -> None:
    error = failure(lambda: project.csv(rows(20), filter="x > length(read_text('rows.csv'))"))
    assert error.path == ("data", "filter")


def test_filter_without_rows_or_with_a_wrong_name(project: Any, rows: Rows) -> None:
    assert failure(lambda: project.csv(rows(20), filter="x > 99")).summary == "the filter keeps no row"
    error = failure(lambda: project.csv(rows(20), filter="zz > 99"))
    assert (error.summary, error.hint) == ("unknown column", "did you mean 'z'?")


# ---- data that cannot be used --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("block", "path", "hint"),
    [
        ({"target_column": "yy"}, ("data", "target_column"), "did you mean 'y'?"),
        ({"timestamp_column": "Seen_at"}, ("data", "timestamp_column"), "did you mean 'seen_at'?"),
        ({"columns": ["x", "zed"]}, ("data", "columns", 1), "check the name, or data.columns"),
        (
            {"checks": [{"type": "unique", "columns": ["xx"]}]},
            ("data", "checks", 0, "columns", 0),
            "did you mean 'x'?",
        ),
        (
            {"cleaning": [{"type": "clip", "column": "zz", "low": 0}]},
            ("data", "cleaning", 0, "column"),
            "did you mean 'z'?",
        ),
    ],
)
def test_unknown_column(
    project: Any, rows: Rows, block: dict[str, Any], path: tuple[Any, ...], hint: str
) -> None:
    error = failure(lambda: project.csv(rows(20), **block))
    assert (error.summary, error.path, error.hint) == ("unknown column", path, hint)


def test_missing_file_and_the_nearest_name(project: Any, rows: Rows) -> None:
    project.write("observations.csv", rows(20))
    block = {"sources": {"o": {"type": "csv", "path": "observation.csv"}}, "target_column": "y"}
    error = failure(lambda: project.take(block))
    assert (error.summary, error.path) == ("a source file is missing", ("data", "sources", "o", "path"))
    assert error.hint == "did you mean 'observations.csv' in the same folder?"


def test_a_file_that_vanishes_between_plan_and_apply(project: Any, rows: Rows) -> None:
    from tenure.stages.data import section

    name = project.write("rows.csv", rows(20))
    block = {"sources": {"rows": {"type": "csv", "path": name}}, "target_column": "y"}
    assert section.observe_inputs(project.resource(block), project.root, None).missing == ()
    (project.root / name).unlink()
    assert section.observe_inputs(project.resource(block), project.root, None).missing == (
        "rows (no file rows.csv)",
    )
    assert failure(lambda: project.take(block)).summary == "a source file is missing"


def test_a_folder_instead_of_a_file(project: Any) -> None:
    (project.root / "data").mkdir()
    block = {"sources": {"rows": {"type": "csv", "path": "data"}}, "target_column": "y"}
    error = failure(lambda: project.take(block))
    assert (error.summary, error.hint) == (
        "a source is a folder",
        "name the files in it with a glob, such as data/*.csv",
    )


def test_a_file_without_permission(project: Any, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    name = project.write("rows.csv", rows(20))
    block = {"sources": {"rows": {"type": "csv", "path": name}}, "target_column": "y"}
    real = Path.open

    def refuse(self: Path, *arguments: Any, **options: Any) -> Any:
        if self.name == name:  # The superuser, who may run the tests, can read any file.
            raise PermissionError(13, "Permission denied")
        return real(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    error = failure(lambda: project.take(block))
    assert (error.summary, error.path) == (
        "a source file may not be read",
        ("data", "sources", "rows", "path"),
    )


@pytest.mark.parametrize("content", ["", "x,y\n"])
def test_no_rows(project: Any, content: str) -> None:
    error = failure(lambda: project.csv(content))
    assert error.summary == ("a source has no rows" if content else "a source file is empty")


def test_one_row(project: Any) -> None:
    assert failure(lambda: project.csv("x,y\n1,a\n")).summary == "the target has one class only"
    assert failure(lambda: project.csv("x,y\n1,2.5\n")).summary in (
        "the test part is empty",
        "the train part is empty",
    )


def test_a_target_with_a_class_for_every_row(project: Any) -> None:
    error = failure(lambda: project.csv("x,y\n" + "".join(f"{i},t{i}\n" for i in range(40))))
    assert (error.summary, error.path) == ("no class has a second row", ("data", "target_column"))


def test_values_instead_of_a_header(project: Any) -> None:
    error = failure(lambda: project.csv("1.5,a\n2.5,b\n"))
    assert error.summary == "unknown column"
    assert error.hint.startswith("the first line of a file is taken for the names of the columns")


def test_one_class_only(project: Any) -> None:
    error = failure(lambda: project.csv("x,y\n" + "1,a\n" * 30))
    assert (error.summary, error.path) == ("the target has one class only", ("data", "target_column"))


def test_target_with_nulls_and_the_way_out(project: Any) -> None:
    text = "x,y\n" + "1,a\n2,b\n" * 20 + "3,\n"
    error = failure(lambda: project.csv(text))
    assert error.summary == "the target has missing values"
    assert error.detail.startswith("1 of 41 rows")
    assert error.hint == "add to data.cleaning: - {type: drop_null_target}"
    output = project.csv(text, cleaning=[{"type": "drop_null_target"}])
    assert output.value["rows"] == 40
    assert output.value["cleaning"] == [{"type": "drop_null_target", "rows": 1, "cells": 0}]


def test_all_null_target_is_refused_even_if_its_rows_would_be_dropped(project: Any) -> None:
    text = "x,y\n" + "1,\n" * 20
    error = failure(lambda: project.csv(text, cleaning=[{"type": "drop_null_target"}]))
    assert error.summary == "the target has no values"


def test_all_null_column_is_allowed_and_noted(project: Any) -> None:
    output = project.csv("x,y,e\n" + "1,a,\n2,b,\n" * 20)
    assert output.value["columns"][2] == {
        "name": "e",
        "type": "string",
        "nullable": True,
        "empty": True,
    }
    assert output.value["notes"] == ["column e has no value in any row"]


def test_infinities_become_missing_and_are_counted(project: Any) -> None:
    output = project.csv("x,y\ninf,a\n-Infinity,b\n" + "1.5,a\n2,b\n" * 20)
    assert project.table(output)["x"].null_count == 2
    assert output.value["notes"] == ["2 infinite value(s) of rows.x are treated as missing"]


def test_many_categories(project: Any) -> None:
    output = project.csv("x,y\n" + "".join(f"v{i},{'ab'[i % 2]}\n" for i in range(200_000)))
    x = project.profile(output).columns[0]
    assert (x.distinct, len(x.top), x.top[0].rows) == (200_000, 20, 1)
    assert len(project.store.get(output.artifacts["profile"])) < 10_000


def test_failing_checks_are_listed_together(project: Any, rows: Rows) -> None:
    checks = [
        {"type": "between", "column": "x", "min": 0, "max": 17},
        {"type": "row_count", "min": 100},
        {"type": "not_null", "columns": ["x"]},
        {"type": "unique", "columns": ["y"], "severity": "warn"},
    ]
    error = failure(lambda: project.csv(rows(20), checks=checks))
    assert isinstance(error, StageBlocked)
    assert (error.summary, error.path, error.exit_code) == (
        "2 data check(s) failed",
        ("data", "checks", 0),
        3,
    )
    assert error.detail.splitlines() == [
        "between: x at least 0 and at most 17: 2 violation(s): 18, 19",
        "row_count: at least 100 rows: 80 violation(s): 20",
    ]
    output = project.csv(rows(20), checks=checks[2:])
    assert [(check["type"], check["passed"]) for check in output.value["checks"]] == [
        ("not_null", True),
        ("unique", False),
    ]


def test_stratified_split_of_a_regression(project: Any, rows: Rows) -> None:
    error = failure(lambda: project.csv(rows(20), target="z", split={"type": "stratified"}))
    assert error.path == ("data", "split", "type")


def test_columns_of_unusable_types_can_be_left_out(project: Any) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"x": list(range(20)), "y": ["a", "b"] * 10, "l": [[1]] * 20})
    pq.write_table(table, project.root / "rows.parquet")
    block: dict[str, Any] = {
        "sources": {"rows": {"type": "parquet", "path": "rows.parquet"}},
        "target_column": "y",
    }
    error = failure(lambda: project.take(block))
    assert "l (list<" in error.detail
    assert project.take(block | {"columns": ["x"]}).value["rows"] == 20


def test_timestamps_as_text_are_read(project: Any) -> None:
    source = {"types": {"seen_at": "string"}}
    text = "x,y,seen_at\n" + "".join(
        f"{i},{'ab'[i % 2]},2026-01-{i + 1:02d}T10:00:00+02:00\n" for i in range(20)
    )
    output = project.csv(text, timestamp_column="seen_at", source=source)
    assert output.value["time_range"][0] == "2026-01-01T08:00:00Z"
    error = failure(lambda: project.csv(text.replace("2026-01-05", "spring"), timestamp_column="seen_at"))
    assert error.path == ("data", "timestamp_column")
    assert "spring" in error.detail
