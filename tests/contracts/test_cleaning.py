"""What every cleaning step promises; a new kind is tested as soon as it is in the union and has an example here."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, NamedTuple, get_args

import pyarrow as pa
import pytest
from pydantic import TypeAdapter, ValidationError
from tests.stages.data.engines import tabled

from tenure.core.errors import StageError
from tenure.spec.base import config_of, effects_of
from tenure.stages.data.cleaning import Step
from tenure.stages.data.engine import Engine

KINDS = get_args(get_args(Step)[0])
BEFORE = pa.table({"n": [3, 1, 1, None, 9, 1], "y": ["a", "b", "b", None, "a", "c"]})


class Example(NamedTuple):
    """The fields of a step, the columns it finds, those it leaves, and how many cells it changes."""

    fields: dict[str, Any]
    after: dict[str, list[Any]]
    cells: int = 0
    before: pa.Table = BEFORE


def _day(day: int) -> datetime:
    return datetime(2026, 1, day)  # noqa: DTZ001 - as Arrow gives them


EXAMPLES: dict[str, Example] = {
    "drop_duplicates": Example({}, {"n": [3, 1, None, 9, 1], "y": ["a", "b", None, "a", "c"]}),
    "drop_null_target": Example({}, {"n": [3, 1, 1, 9, 1], "y": ["a", "b", "b", "a", "c"]}),
    "drop_nulls": Example({"columns": ["n"]}, {"n": [3, 1, 1, 9, 1], "y": ["a", "b", "b", "a", "c"]}),
    "drop_rows": Example(
        {"condition": "n > 1 AND y = 'a'"}, {"n": [1, 1, None, 1], "y": ["b", "b", None, "c"]}
    ),
    "drop_columns": Example({"columns": ["x"]}, {"y": ["a"]}, before=pa.table({"x": [1], "y": ["a"]})),
    "rename": Example(
        {"columns": {"x": "z", "z": "x"}},
        {"z": [1], "x": [2], "y": ["a"]},
        before=pa.table({"x": [1], "z": [2], "y": ["a"]}),
    ),
    "clip": Example(
        {"column": "n", "low": 2, "high": 5},
        {"n": [3, 2, 2, None, 5, 2], "y": ["a", "b", "b", None, "a", "c"]},
        4,
    ),
    "winsorize": Example(
        {"columns": ["n"], "lower": 0.2, "upper": 0.8},
        {"n": [2, 2, 3, 4, 5, 6, 7, 8, 8, 8, None]},
        3,
        pa.table({"n": [1, 2, 3, 4, 5, 6, 7, 8, 9, 100, None]}),
    ),
    "cast": Example(
        {"columns": ["n", "m"], "to": "integer", "on_error": "missing"},
        {"n": [7, -2, None, None, None], "m": [1, 2, None, None, 3]},
        4,
        pa.table({"n": [" 7", "-2", "3.5", "x", None], "m": [1.0, 2.0, 2.5, None, 3.0]}),
    ),
    "parse_number": Example(
        {"columns": ["n"], "on_error": "missing"},
        {"n": [1234567.5, -12.0, 0.15, 3.0, None, None, None]},
        6,
        pa.table({"n": ["1,234,567.50", "\u20ac -12", "15 %", "3", "1,23", "about 4", None]}),
    ),
    "parse_datetime": Example(
        {"columns": ["d"], "formats": ["%Y-%m-%d", "%d.%m.%Y", "%b %d, %Y"], "on_error": "missing"},
        {"d": [_day(5), _day(6), _day(7), None, None]},
        4,
        pa.table({"d": ["2026-01-05", "06.01.2026", "Jan 07, 2026", "soon", None]}),
    ),
    "set_null": Example(
        {"values": ["?", -999]},
        {"n": [None, 5], "t": [None, "-999"], "b": [True, None]},
        2,
        pa.table({"n": [-999, 5], "t": ["?", "-999"], "b": [True, None]}),
    ),
    "fill": Example(
        {"columns": ["n"], "value": 0}, {"n": [3, 1, 1, 0, 9, 1], "y": ["a", "b", "b", None, "a", "c"]}, 1
    ),
    "map_values": Example(
        {"column": "y", "values": {"a": "x", "b": None}},
        {"n": [3, 1, 1, None, 9, 1], "y": ["x", None, None, None, "x", "c"]},
        4,
    ),
    "normalize_text": Example(
        {"columns": ["t"], "case": "lower"},
        {"t": ["new york", "rome", None, None]},
        2,
        pa.table({"t": ["  New   York ", "rome", "  ", None]}),
    ),
}


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


def _name(kind: Any) -> str:
    (name,) = get_args(kind.model_fields["type"].annotation)
    assert isinstance(name, str)
    return name


def _step(kind: Any) -> Any:
    return TypeAdapter(Step).validate_python({"type": _name(kind)} | EXAMPLES[_name(kind)].fields)


def test_is_called_like_its_file(kind: Any) -> None:
    assert kind.__module__.rsplit(".", 1)[1] == _name(kind)


def test_every_field_has_a_cost_and_survives_the_state(kind: Any) -> None:
    step = _step(kind)
    assert "type" in effects_of(step)
    assert TypeAdapter(Step).validate_python(json.loads(json.dumps(config_of(step)))) == step


def test_cleans_and_counts(kind: Any, engine: Engine) -> None:
    example = EXAMPLES[_name(kind)]
    table, changed = _step(kind).clean(tabled(engine, example.before), "y", ("data", "cleaning", 0))
    assert table.arrow().to_pydict() == example.after
    assert changed == example.cells


def test_a_second_time_changes_nothing(kind: Any, engine: Engine) -> None:
    if _name(kind) in ("rename", "drop_columns"):
        pytest.skip("the columns it names are gone")
    once, _ = _step(kind).clean(tabled(engine, EXAMPLES[_name(kind)].before), "y", ())
    twice, cells = _step(kind).clean(once, "y", ())
    assert twice.arrow().equals(once.arrow())
    assert cells == 0


def test_no_rows_are_no_problem(kind: Any, engine: Engine) -> None:
    table, cells = _step(kind).clean(tabled(engine, EXAMPLES[_name(kind)].before.slice(0, 0)), "y", ())
    assert (table.rows, cells) == (0, 0)


def test_columns_without_a_value_are_no_problem(kind: Any, engine: Engine) -> None:
    before = EXAMPLES[_name(kind)].before
    nothing = pa.table([pa.nulls(2, column.type) for column in before.columns], names=before.column_names)
    table, cells = _step(kind).clean(tabled(engine, nothing), "y", ())
    assert cells == (2 if _name(kind) == "fill" else 0)
    assert table.rows <= 2


def test_unknown_columns_point_into_the_spec(kind: Any, engine: Engine) -> None:
    fields = {"column", "columns"} & set(EXAMPLES[_name(kind)].fields)
    if not fields:
        pytest.skip("its example names no column")
    with pytest.raises(StageError) as caught:
        _step(kind).clean(tabled(engine, pa.table({"other": [1]})), "y", ("data", "cleaning", 3))
    assert caught.value.summary == "unknown column"
    assert caught.value.path[:4] == ("data", "cleaning", 3, *fields)


def test_drop_duplicates_in_some_columns_keeps_the_first(engine: Engine) -> None:
    step = TypeAdapter(Step).validate_python({"type": "drop_duplicates", "columns": ["n"]})
    assert step.clean(tabled(engine, BEFORE), "y", ())[0].arrow(["y"])["y"].to_pylist() == [
        "a",
        "b",
        None,
        "a",
    ]


@pytest.mark.parametrize("fields", [{"low": 5, "high": 2}, {}, {"low": float("inf")}])
def test_clip_needs_a_range(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Step).validate_python({"type": "clip", "column": "n"} | fields)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"column": "y", "low": 0}, "column"),
        ({"column": "n", "low": 0.5}, "low"),
        ({"column": "m", "low": 0}, "column"),
    ],
)
def test_clip_that_does_not_fit_the_column(fields: dict[str, Any], path: str, engine: Engine) -> None:
    with pytest.raises(StageError) as caught:
        TypeAdapter(Step).validate_python({"type": "clip"} | fields).clean(
            tabled(engine, BEFORE), "y", ("data", "cleaning", 2)
        )
    assert caught.value.path == ("data", "cleaning", 2, path)


def _clean(engine: Engine, fields: dict[str, Any], rows: pa.Table) -> Any:
    return TypeAdapter(Step).validate_python(fields).clean(tabled(engine, rows), "y", ("data", "cleaning", 0))


@pytest.mark.parametrize(
    ("fields", "rows", "path", "detail"),
    [
        (
            {"type": "cast", "columns": ["n"], "to": "integer"},
            {"n": ["1", "2.5", "x", "x"]},
            ("columns", 0),
            "3 of 4 rows of column 'n' cannot be read as a whole number: '2.5', 'x'",
        ),
        (
            {"type": "cast", "columns": ["n"], "to": "number"},
            {"n": ["1", "inf"]},
            ("columns", 0),
            "1 of 2 rows of column 'n' cannot be read as a number: 'inf'",
        ),
        (
            {"type": "cast", "columns": ["d"], "to": "number"},
            {"d": [_day(1)]},
            ("columns", 0),
            "is a timestamp",
        ),
        (
            {"type": "parse_number", "columns": ["n"]},
            {"n": ["1.234,5", "7"]},
            ("columns", 0),
            "1 of 2 rows of column 'n' cannot be read as a number: '1.234,5'",
        ),
        (
            {"type": "parse_datetime", "columns": ["d"], "formats": ["%d.%m.%Y"]},
            {"d": ["31.01.2026", "31.02.2026"]},
            ("columns", 0),
            "1 of 2 rows of column 'd' cannot be read as a date in any of the formats: '31.02.2026'",
        ),
        ({"type": "parse_datetime", "columns": ["d"], "formats": ["%Q"]}, {"d": ["x"]}, ("formats",), "%"),
        ({"type": "fill", "columns": ["n"], "value": "none"}, {"n": [1, None]}, ("value",), "a whole number"),
        ({"type": "set_null", "values": ["?"]}, {"n": [1]}, ("values",), "fits the type of none"),
        (
            {"type": "map_values", "column": "t", "values": {"a": "b"}, "others": "fail"},
            {"t": ["a", "b", "c", None]},
            ("values",),
            "1 of 4 rows of column 't'",
        ),
        ({"type": "rename", "columns": {"n": "t"}}, {"n": [1], "t": ["a"]}, ("columns",), "called t"),
        ({"type": "drop_rows", "condition": "n"}, {"n": [1]}, ("condition",), "true or false"),
    ],
)
def test_what_cannot_be_cleaned(
    fields: dict[str, Any], rows: dict[str, Any], path: tuple[Any, ...], detail: str, engine: Engine
) -> None:
    with pytest.raises(StageError) as caught:
        _clean(engine, fields, pa.table(rows))
    assert caught.value.path == ("data", "cleaning", 0, *path)
    assert detail in caught.value.detail


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "winsorize", "columns": ["n"]},
        {"type": "winsorize", "columns": ["n"], "lower": 0.9, "upper": 0.1},
        {"type": "parse_number", "columns": ["n"], "decimal": ","},
        {"type": "normalize_text", "trim": False, "empty_as_missing": False},
        {"type": "rename", "columns": {}},
        {"type": "map_values", "column": "t", "values": {}},
    ],
)
def test_steps_that_say_nothing_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Step).validate_python(fields)


def test_numbers_as_other_countries_write_them(engine: Engine) -> None:
    fields = {"type": "parse_number", "columns": ["n"], "thousands": ".", "decimal": ",", "strip": ["EUR"]}
    table, cells = _clean(engine, fields, pa.table({"n": ["1.234,50 EUR", "0,5", "-7", None, "1e3"]}))
    assert table.arrow()["n"].to_pylist() == [1234.5, 0.5, -7.0, None, 1000.0]
    assert cells == 4


def test_cast_to_text_writes_whole_numbers_without_decimals(engine: Engine) -> None:
    fields = {"type": "cast", "columns": ["n", "b", "d"], "to": "string"}
    rows = pa.table({"n": [1.0, 2.5, None], "b": [True, False, None], "d": [_day(1), None, None]})
    assert _clean(engine, fields, rows)[0].arrow().to_pydict() == {
        "n": ["1", "2.5", None],
        "b": ["true", "false", None],
        "d": ["2026-01-01 00:00:00", None, None],
    }


def test_cast_to_boolean(engine: Engine) -> None:
    fields = {"type": "cast", "columns": ["b"], "to": "boolean", "on_error": "missing"}
    rows = pa.table({"b": ["true", "False", "1", "0", "maybe"]})
    assert _clean(engine, fields, rows)[0].arrow()["b"].to_pylist() == [True, False, True, False, None]


def test_map_values_can_make_the_rest_missing(engine: Engine) -> None:
    fields = {"type": "map_values", "column": "t", "values": {"a": "b"}, "others": "missing"}
    assert _clean(engine, fields, pa.table({"t": ["a", "b", "c"]}))[0].arrow()["t"].to_pylist() == [
        "b",
        "b",
        None,
    ]


def test_normalize_text_leaves_the_target_alone(engine: Engine) -> None:
    table, cells = _clean(
        engine, {"type": "normalize_text", "case": "upper"}, pa.table({"y": ["a "], "t": ["a "], "n": [1]})
    )
    assert (table.arrow().to_pydict(), cells) == ({"y": ["a "], "t": ["A"], "n": [1]}, 1)
