"""What the data must keep to: contract, maturity of labels, leakage between parts, columns of the last snapshot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from tenure.core.errors import StageBlocked, StageError
from tenure.stages.data import section
from tenure.stages.data.section import Data

Rows = Callable[..., str]
FILE = {"sources": {"rows": {"type": "csv", "path": "rows.csv"}}, "target_column": "y"}


def blocked(call: Callable[[], Any]) -> StageBlocked:
    with pytest.raises(StageBlocked) as caught:
        call()
    return caught.value


def people(count: int = 40, **columns: Callable[[int], Any]) -> str:
    """CSV text of people: each column a function of the row."""
    given: dict[str, Callable[[int], Any]] = {
        "id": lambda i: i,
        "age": lambda i: 20 + i % 50,
        "y": lambda i: "ab"[i % 2],
    }
    given |= columns
    lines = [",".join(str(make(i)) for make in given.values()) for i in range(count)]
    return "\n".join([",".join(given), *lines]) + "\n"


# ---- contract ------------------------------------------------------------------------------------------------------


def test_a_contract_that_holds_marks_its_columns(project: Any) -> None:
    columns = {
        "age": {"type": "number", "nullable": False, "min": 0, "max": 120, "sensitive": True},
        "id": {"pii": True},
        "y": {"values": ["a", "b"]},
    }
    output = project.csv(people(), contract={"columns": columns, "license": "CC0-1.0"})
    assert output.value["columns"] == [
        {"name": "id", "type": "integer", "nullable": False, "pii": True},
        {"name": "age", "type": "integer", "nullable": False, "sensitive": True},
        {"name": "y", "type": "string", "nullable": False},
    ]


def test_every_breach_of_the_contract_is_told_and_no_personal_value(project: Any) -> None:
    columns = {
        "age": {"type": "integer", "nullable": False, "max": 60},
        "id": {"min": 5, "pii": True},
        "y": {"values": ["a"]},
        "town": {"type": "string"},
        "AGE": {},
    }
    text = people(age=lambda i: "" if i == 0 else 20 + i % 50)
    error = blocked(lambda: project.csv(text, contract={"columns": columns}))
    assert (error.summary, error.exit_code) == ("the data break their contract", 3)
    assert error.path == ("data", "contract", "columns", "age", "nullable")
    assert error.detail.splitlines() == [
        "age: 1 of 40 rows have a missing value",
        "id: 5 of 40 rows have a value below 5",
        "y: 20 of 40 rows have a value other than a, such as b",
        "town is gone",
        "AGE is gone; there is age",
    ]
    error = blocked(lambda: project.csv(people(), contract={"columns": {"y": {"type": "integer"}}}))
    assert (error.detail, error.path[-1]) == ("y is string, not integer", "type")


def test_a_contract_may_refuse_columns_it_does_not_list(project: Any) -> None:
    error = blocked(
        lambda: project.csv(people(), contract={"columns": {"age": {}, "y": {}}, "others": "refuse"})
    )
    assert error.detail == "id is not listed"


def test_words_about_the_data_do_not_read_them_again(project: Any) -> None:
    block = FILE | {"contract": {"columns": {"age": {"min": 0}}}}
    words = FILE | {
        "contract": {
            "columns": {"age": {"min": 0, "description": "in years"}},
            "license": "CC0-1.0",
            "legal_basis": "consent",
        }
    }
    assert project.resource(block).content == project.resource(words).content
    assert project.resource(block).metadata != project.resource(words).metadata


# ---- what differs from the last snapshot ---------------------------------------------------------------------------


def test_a_column_that_vanishes_blocks_until_somebody_says_so(project: Any) -> None:
    project.write("rows.csv", people())
    record = project.record(FILE, project.take(FILE))
    project.write("rows.csv", people().replace("age", "years").replace("a\n", "a\n"))
    error = blocked(lambda: project.take(FILE, record))
    assert (error.summary, error.path) == ("the columns of the data have changed", ("data", "sources"))
    assert error.detail == "since the last snapshot of m/data/snapshot: age is gone"
    accepted = FILE | {"changed_columns": "accept"}
    assert project.take(accepted, record).value["rows"] == 40
    assert project.take(FILE | {"columns": ["id"]}, record).value["rows"] == 40


def test_a_column_that_changes_its_type_blocks(project: Any) -> None:
    project.write("rows.csv", people())
    record = project.record(FILE, project.take(FILE))
    project.write("rows.csv", people(age=lambda i: "old" if i > 3 else "young"))
    assert blocked(lambda: project.take(FILE, record)).detail.endswith("age was integer and is string")
    project.write("rows.csv", people(age=lambda i: i + 0.5))
    assert project.take(FILE, record).value["rows"] == 40
    project.write("rows.csv", people(age=lambda i: ""))
    assert project.take(FILE, record).value["rows"] == 40


# ---- maturity of labels --------------------------------------------------------------------------------------------


def test_rows_too_young_to_have_a_label_are_left_out_and_counted(project: Any, rows: Rows) -> None:
    project.write("rows.csv", rows(20))  # one row a day from the first of January
    block = FILE | {"timestamp_column": "seen_at", "label": {"delay": "10d"}}
    context = replace(project.context(), now=datetime(2026, 1, 25, tzinfo=UTC))
    output = section.realise(project.resource(block), None, context)
    assert output.value["time_range"][1] == "2026-01-15T00:00:00Z"
    assert output.value["label"] == {"delay": "10d", "as_of": "2026-01-25T00:00:00Z", "immature": 5}
    assert "5 row(s) are too young to have a label and are left out" in output.value["notes"]


def test_a_given_moment_makes_the_same_snapshot_at_any_time(project: Any, rows: Rows) -> None:
    project.write("rows.csv", rows(20))
    block = FILE | {"timestamp_column": "seen_at", "label": {"delay": "10d", "as_of": "2026-01-25"}}
    moments = (datetime(2026, 1, 26, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    outputs = [
        section.realise(project.resource(block), None, replace(project.context(), now=moment))
        for moment in moments
    ]
    assert outputs[0].digest == outputs[1].digest
    assert outputs[0].value == outputs[1].value


def test_no_row_is_old_enough(project: Any, rows: Rows) -> None:
    with pytest.raises(StageError) as caught:
        project.csv(rows(20), timestamp_column="seen_at", label={"delay": "10y"})
    assert (caught.value.summary, caught.value.path) == ("no label is known yet", ("data", "label", "delay"))


def test_the_gap_of_a_split_by_time_covers_the_delay_of_labels(project: Any, rows: Rows) -> None:
    output = project.csv(rows(20), timestamp_column="seen_at", label={"delay": "3d"})
    assert output.value["split"] == {"train": 14, "test": 4}
    assert "2 row(s) in the gap between the parts are left out" in output.value["notes"]


# ---- leakage between the parts -------------------------------------------------------------------------------------


def kinds(output: Any) -> dict[str, tuple[int, bool]]:
    return {item["kind"]: (item["rows"], item["blocks"]) for item in output.value["leakage"]}


def test_copies_of_rows_across_the_split_block(project: Any) -> None:
    text = people(200, x=lambda i: (i * 7919 % 997) / 10)
    head, *lines = text.splitlines()
    doubled = "\n".join([head, *lines, *lines]) + "\n"
    output = project.csv(doubled)
    rows, blocks = kinds(output)["duplicate_rows"]
    assert blocks
    assert rows > 50
    assert "duplicate_rows" not in kinds(project.csv(doubled, cleaning=[{"type": "drop_duplicates"}]))


def test_rows_that_agree_by_chance_are_reported_and_do_not_block(project: Any) -> None:
    text = people(400, id=lambda i: i % 2, age=lambda i: i % 3)
    output = project.csv(text)
    assert kinds(output)["duplicate_rows"] == (80, False)
    assert output.value["notes"] == []


def test_one_thing_in_both_parts_blocks_for_rows_dealt_out_by_chance(project: Any) -> None:
    text = people(100, who=lambda i: i // 4)
    output = project.csv(text, entities=["who"])
    rows, blocks = kinds(output)["entities"]
    assert blocks
    assert rows > 10
    assert kinds(project.csv(text, entities=["who"], split={"type": "group"})) == {}
    assert kinds(project.csv(text, entities=["who"], split={"type": "hash"})) == {}


def test_test_rows_older_than_training_rows_are_reported(project: Any, rows: Rows) -> None:
    output = project.csv(rows(28), timestamp_column="seen_at", split={"type": "random"})
    assert not kinds(output)["time_travel"][1]
    assert "time_travel" not in kinds(project.csv(rows(28), timestamp_column="seen_at"))


# ---- bad input -----------------------------------------------------------------------------------------------------


def test_failing_warnings_are_noted_and_rows_are_named_by_their_keys(project: Any) -> None:
    checks = [{"type": "between", "column": "age", "max": 60, "severity": "warn"}]
    output = project.csv(people(60), checks=checks, entities=["id"])
    assert output.value["notes"] == [
        "between: age at most 60: 9 violation(s): 61, 62, 63, 64, 65 (rows: id 41; id 42; id 43)"
    ]
    assert output.value["checks"][0]["rows"] == ["id 41", "id 42", "id 43"]


@pytest.mark.parametrize(
    ("block", "summary", "path"),
    [
        (
            {"cleaning": [{"type": "drop_columns", "columns": ["y"]}]},
            "a column is needed later",
            ("cleaning", 0),
        ),
        (
            {"cleaning": [{"type": "rename", "columns": {"id": "key"}}], "entities": ["id"]},
            "a column is needed later",
            ("cleaning", 0),
        ),
        ({"cleaning": [{"type": "drop_rows", "condition": "age > 0"}]}, "no row is left", ("cleaning", 0)),
        ({"entities": ["who"]}, "unknown column", ("entities", 0)),
        ({"split": {"type": "group", "column": "idd"}}, "unknown column", ("split", "column")),
        ({"split": {"type": "group", "column": "y"}}, "too few groups to split", ("split",)),
        (
            {"checks": [{"type": "references", "column": "id", "source": "rows", "key": "iid"}]},
            "unknown column",
            None,
        ),
    ],
)
def test_blocks_that_do_not_fit_the_data(
    project: Any, block: dict[str, Any], summary: str, path: tuple[Any, ...] | None
) -> None:
    text = people()
    if block.get("split", {}).get("column") == "y":
        block = {"split": {"type": "group", "column": "y", "validation": 0.1}}
    with pytest.raises(StageError) as caught:
        project.csv(text, **block)
    assert caught.value.summary == summary
    assert caught.value.path[1:] == (path or ("checks", 0, "key"))


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ({"label": {"delay": "3d"}}, "the age of a row is told by a column with times"),
        ({"checks": [{"type": "references", "column": "x", "source": "other"}]}, "'other' is no source"),
        ({"contract": {"columns": {"x": {"min": 2, "max": 1}}}}, "min \\(2\\) is above max \\(1\\)"),
    ],
)
def test_blocks_that_contradict_themselves_are_refused(block: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Data.model_validate(FILE | block)


def test_a_class_with_one_row_stays_in_training(project: Any) -> None:
    output = project.csv(people(41, y=lambda i: "c" if i == 40 else "ab"[i % 2]))
    table = project.table(output).to_pylist()
    assert [row["__split__"] for row in table if row["y"] == "c"] == ["train"]


def test_a_class_only_in_the_test_part_is_noted(project: Any) -> None:
    text = people(
        40, y=lambda i: "c" if i > 35 else "ab"[i % 2], part=lambda i: "test" if i > 30 else "train"
    )
    output = project.csv(text, split={"type": "fixed", "column": "part"})
    assert "the training part has no row of class c, which the test part has" in output.value["notes"]
    assert "part" not in project.table(output).column_names


def test_dates_in_three_formats_become_the_timestamp(project: Any) -> None:
    forms = ("2026-01-{:02d}", "{:02d}.01.2026", "Jan {:02d} 2026")
    text = people(27, seen_at=lambda i: forms[i % 3].format(i + 1))
    with pytest.raises(StageError, match="the timestamp column holds no times"):
        project.csv(text, timestamp_column="seen_at")
    step = {"type": "parse_datetime", "columns": ["seen_at"], "formats": ["%Y-%m-%d", "%d.%m.%Y", "%b %d %Y"]}
    output = project.csv(text, timestamp_column="seen_at", cleaning=[step])
    assert output.value["time_range"] == ["2026-01-01T00:00:00Z", "2026-01-27T00:00:00Z"]


def test_a_check_of_keys_against_a_joined_source(project: Any) -> None:
    project.write("rows.csv", people(town=lambda i: f"t{i % 4}"))
    project.write("towns.csv", "town,size\nt0,1\nt1,2\nt2,3\n")
    block = {
        "sources": {name: {"type": "csv", "path": f"{name}.csv"} for name in ("rows", "towns")},
        "join": [{"left": "rows", "right": "towns", "on": "town"}],
        "target_column": "y",
        "checks": [{"type": "references", "column": "town", "source": "towns"}],
    }
    assert blocked(lambda: project.take(block)).detail == (
        "references: town is in town of towns: 10 violation(s): t3"
    )
