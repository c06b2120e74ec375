"""What every check promises; a new kind is tested as soon as it is in the union and has an example here."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, get_args

import pyarrow as pa
import pytest
from pydantic import TypeAdapter, ValidationError
from tests.stages.data.engines import tabled

from tenure.core.errors import StageError
from tenure.spec.base import config_of, effects_of
from tenure.stages.data.checks import Check
from tenure.stages.data.checks.rule import Looked
from tenure.stages.data.engine import Engine

KINDS = get_args(get_args(Check)[0])
NOW = datetime(2026, 1, 10, tzinfo=UTC)


def _days(*days: int | None) -> pa.Array:
    return pa.array([None if day is None else datetime(2026, 1, day) for day in days], pa.timestamp("us"))  # noqa: DTZ001


GOOD = pa.table({"n": [1, 2, 3], "t": ["a", "b", "a"], "d": _days(8, 9, 10)})
OTHER = pa.table({"known": ["a", "b", None]})

# Kind -> fields; a table that breaks the rule; how many violations; the examples shown.
EXAMPLES: dict[str, tuple[dict[str, Any], pa.Table, int, tuple[Any, ...]]] = {
    "not_null": (
        {"columns": ["n", "t"]},
        pa.table({"n": [1, None, None], "t": ["a", None, "b"]}),
        3,
        ("n: 2", "t: 1"),
    ),
    "between": (
        {"column": "n", "min": 1, "max": 3},
        pa.table({"n": [0, 1, 3, 4, 4, None], "t": ["a"] * 6}),
        3,
        (0, 4),
    ),
    "in_set": (
        {"column": "t", "values": ["a", "b"]},
        pa.table({"n": [1] * 5, "t": ["a", "c", None, "c", "b"]}),
        2,
        ("c",),
    ),
    "unique": (
        {"columns": ["n"]},
        pa.table({"n": [1, 1, 1, 2, None, None], "t": ["a"] * 6}),
        2,
        ("1 (3 times)",),
    ),
    "row_count": ({"min": 3, "max": 5}, pa.table({"n": [1], "t": ["a"]}), 2, (1,)),
    "null_share": (
        {"columns": ["n", "t"], "max": 0.25},
        pa.table({"n": [1, None, None, 4], "t": [None, "a", "b", "c"]}),
        2,
        ("n: 50.0%",),
    ),
    "regex": (
        {"column": "t", "pattern": "[ab]"},
        pa.table({"t": ["a", "ab", None, "B", "B", "b"]}),
        3,
        ("ab", "B"),
    ),
    "distinct_count": (
        {"column": "t", "min": 2, "max": 3},
        pa.table({"t": ["a", "b", "c", "d", None]}),
        1,
        (4,),
    ),
    "freshness": (
        {"column": "d", "max_age": "2d"},
        pa.table({"d": _days(1, 7, None)}),
        1,
        ("newest is 2026-01-07T00:00:00Z",),
    ),
    "statistic": (
        {"column": "n", "statistic": "mean", "min": 1, "max": 3},
        pa.table({"n": [4, 5, 6, None]}),
        1,
        ("it is 5",),
    ),
    "monotonic": (
        {"column": "n", "by": "d"},
        pa.table({"n": [5, 3, None, 4, 4], "d": _days(2, 1, 3, 4, 5)}),
        1,
        (4,),
    ),
    "references": (
        {"column": "t", "source": "other", "key": "known"},
        pa.table({"t": ["a", "x", None, "x", "y"]}),
        3,
        ("x", "y"),
    ),
    "expression": (
        {"condition": "n < 3 OR t = 'a'"},
        pa.table({"n": [1, 3, None], "t": ["b", "b", "b"]}),
        1,
        (),
    ),
    "schema": (
        {"columns": {"n": "number", "t": "string"}},
        pa.table({"t": [1, 2]}),
        2,
        ("n is missing", "t is integer, not string"),
    ),
}


def _looked(engine: Engine, rows: pa.Table, **more: Any) -> Looked:
    return Looked(tabled(engine, rows), NOW, sources={"other": tabled(engine, OTHER)}, **more)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


def _name(kind: Any) -> str:
    (name,) = get_args(kind.model_fields["type"].annotation)
    assert isinstance(name, str)
    return name


def _check(kind: Any) -> Any:
    return TypeAdapter(Check).validate_python({"type": _name(kind)} | EXAMPLES[_name(kind)][0])


def test_is_called_like_its_file(kind: Any) -> None:
    assert kind.__module__.rsplit(".", 1)[1] == _name(kind)


def test_every_field_has_a_cost_and_survives_the_state(kind: Any) -> None:
    check = _check(kind)
    assert {"type", "severity"} <= set(effects_of(check))
    assert TypeAdapter(Check).validate_python(json.loads(json.dumps(config_of(check)))) == check


def test_holds_for_good_rows(kind: Any, engine: Engine) -> None:
    finding = _check(kind).check(_looked(engine, GOOD), ("data", "checks", 0))
    assert (finding.violations, finding.examples) == (0, ())
    assert finding.sentence


def test_counts_and_shows_violations(kind: Any, engine: Engine) -> None:
    _, table, violations, examples = EXAMPLES[_name(kind)]
    finding = _check(kind).check(_looked(engine, table), ("data", "checks", 0))
    assert (finding.violations, finding.examples) == (violations, examples)
    json.dumps(finding.examples)


def test_shows_few_examples_of_many_violations(kind: Any, engine: Engine) -> None:
    table = pa.table(
        {
            "n": [*range(1000, 100, -1), *range(1000, 100, -1)],
            "t": [f"v{i % 700}" for i in range(1800)],
            "d": _days(*[i % 28 + 1 for i in range(1800)]),
        }
    )
    assert len(_check(kind).check(_looked(engine, table), ("data", "checks", 0)).examples) <= 5


def test_unknown_columns_point_into_the_spec(kind: Any, engine: Engine) -> None:
    if _name(kind) in ("row_count", "schema"):
        pytest.skip("it requires no column")
    with pytest.raises(StageError) as caught:
        _check(kind).check(_looked(engine, pa.table({"other": [1]})), ("data", "checks", 4))
    assert caught.value.summary == "unknown column"
    assert caught.value.path[:3] == ("data", "checks", 4)
    assert caught.value.path[3] in kind.model_fields


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "between", "column": "n"},
        {"type": "between", "column": "n", "min": 3, "max": 1},
        {"type": "row_count"},
        {"type": "row_count", "min": 5, "max": 1},
        {"type": "not_null", "columns": []},
        {"type": "in_set", "column": "n", "values": []},
        {"type": "between", "column": "n", "min": 1, "severity": "fatal"},
        {"type": "between", "column": "n", "min": 1, "tolerance": 2},
        {"type": "regex", "column": "t", "pattern": "["},
        {"type": "freshness", "column": "d", "max_age": "soon"},
        {"type": "distinct_count", "column": "t"},
        {"type": "statistic", "column": "n", "min": 2, "max": 1},
        {"type": "schema", "columns": {}},
        {"type": "expression", "condition": ""},
    ],
)
def test_rules_that_say_nothing_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Check).validate_python(fields)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"type": "between", "column": "t", "min": 1}, ("column",)),
        ({"type": "in_set", "column": "n", "values": ["one"]}, ("values",)),
        ({"type": "regex", "column": "n", "pattern": "1"}, ("column",)),
        ({"type": "regex", "column": "t", "pattern": "(?=a)a"}, ("pattern",)),
        ({"type": "freshness", "column": "t", "max_age": "1d"}, ("column",)),
        ({"type": "freshness", "max_age": "1d"}, ()),
        ({"type": "statistic", "column": "t", "min": 1}, ("column",)),
        ({"type": "references", "column": "n", "source": "other", "key": "known"}, ("column",)),
        ({"type": "expression", "condition": "n + 1"}, ("condition",)),
        ({"type": "expression", "condition": "n > (SELECT 1)"}, ("condition",)),
    ],
)
def test_rules_that_do_not_fit_the_column(
    fields: dict[str, Any], path: tuple[str, ...], engine: Engine
) -> None:
    with pytest.raises(StageError) as caught:
        TypeAdapter(Check).validate_python(fields).check(_looked(engine, GOOD), ())
    assert caught.value.path == path


def test_between_looks_at_whole_numbers_exactly(engine: Engine) -> None:
    check = TypeAdapter(Check).validate_python({"type": "between", "column": "n", "max": 2.5})
    assert check.check(_looked(engine, pa.table({"n": [2, 3]})), ()).examples == (3,)


def test_in_set_compares_whole_and_floating_numbers(engine: Engine) -> None:
    check = TypeAdapter(Check).validate_python({"type": "in_set", "column": "n", "values": [1, 2]})
    assert check.check(_looked(engine, pa.table({"n": [1.0, 2.0, 2.5]})), ()).examples == (2.5,)


def _checked(engine: Engine, fields: dict[str, Any], rows: pa.Table, **more: Any) -> Any:
    return TypeAdapter(Check).validate_python(fields).check(_looked(engine, rows, **more), ())


def test_a_tolerance_lets_some_rows_break_the_rule(engine: Engine) -> None:
    rows = pa.table({"n": [*range(98), 500, 501], "t": [None, None, *["a"] * 98]})
    fields = {"type": "between", "column": "n", "max": 100}
    assert not _checked(engine, fields | {"tolerance": 0.01}, rows).passed
    assert _checked(engine, fields | {"tolerance": 0.02}, rows).passed
    assert _checked(engine, {"type": "not_null", "columns": ["t"], "tolerance": 0.02}, rows).passed
    assert not _checked(engine, {"type": "not_null", "columns": ["t"], "tolerance": 0.01}, rows).passed


def test_rows_are_named_by_their_keys_and_personal_values_are_not_shown(engine: Engine) -> None:
    rows = pa.table({"id": ["p", "q", "r", "s"], "age": [-1, 5, -2, -3], "name": ["Ann", "Bo", "Cy", "Di"]})
    fields = {"type": "between", "column": "age", "min": 0}
    assert _checked(engine, fields, rows, keys=("id",)).rows == ("id p", "id r", "id s")
    hidden = _checked(engine, fields, rows, keys=("id", "name"), hidden=frozenset({"name", "age"}))
    assert hidden.rows[0] == "id p, name (hidden)"
    assert hidden.examples == ("(hidden)",)
    unique = {"type": "unique", "columns": ["name"]}
    twice = pa.table({"name": ["Ann", "Ann"]})
    assert _checked(engine, unique, twice, hidden=frozenset({"name"})).examples == ("(hidden)",)


def test_row_count_compares_with_the_last_snapshot(engine: Engine) -> None:
    fields = {"type": "row_count", "max_decrease": 0.2, "max_increase": 0.5}
    assert _checked(engine, fields, GOOD).passed
    assert _checked(engine, fields, GOOD, previous_rows=3).passed
    assert _checked(engine, fields, GOOD, previous_rows=10).violations == 5
    assert not _checked(engine, fields, GOOD, previous_rows=1).passed


def test_monotonic_within_groups(engine: Engine) -> None:
    rows = pa.table({"n": [5, 1, 6, 2, 6], "g": ["x", "y", "x", "y", "x"]})
    fields = {"type": "monotonic", "column": "n", "within": ["g"]}
    assert _checked(engine, fields, rows).passed
    assert _checked(engine, fields | {"strictly": True}, rows).examples == (6,)
    assert not _checked(engine, {"type": "monotonic", "column": "n"}, rows).passed


def test_schema_can_refuse_other_columns(engine: Engine) -> None:
    fields = {"type": "schema", "columns": {"n": "number"}, "others": "refuse"}
    assert _checked(engine, fields, GOOD).examples == ("t is not listed", "d is not listed")


def test_a_condition_reads_columns_of_any_name(engine: Engine) -> None:
    rows = pa.table({"n": [1, 2], "c0": [5, 6], "_n": [7, 8]})
    assert (
        _checked(engine, {"type": "expression", "condition": "c0 = 5 AND _n = 7 AND N = 1"}, rows).violations
        == 1
    )
