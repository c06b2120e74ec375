"""What every check promises; a new kind is tested as soon as it is in the union and has an example here."""

from __future__ import annotations

import json
from typing import Any, get_args

import pyarrow as pa
import pytest
from pydantic import TypeAdapter, ValidationError
from tests.stages.data.engines import tabled

from tenure.core.errors import StageError
from tenure.spec.base import config_of, effects_of
from tenure.stages.data.checks import Check
from tenure.stages.data.engine import Engine

KINDS = get_args(get_args(Check)[0])
GOOD = pa.table({"n": [1, 2, 3], "t": ["a", "b", "a"]})

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
}


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
    finding = _check(kind).check(tabled(engine, GOOD), ("data", "checks", 0))
    assert (finding.violations, finding.examples) == (0, ())
    assert finding.sentence


def test_counts_and_shows_violations(kind: Any, engine: Engine) -> None:
    _, table, violations, examples = EXAMPLES[_name(kind)]
    finding = _check(kind).check(tabled(engine, table), ("data", "checks", 0))
    assert (finding.violations, finding.examples) == (violations, examples)
    json.dumps(finding.examples)


def test_shows_few_examples_of_many_violations(kind: Any, engine: Engine) -> None:
    table = pa.table({"n": [*range(100, 1000), *range(100, 1000)], "t": [f"v{i % 700}" for i in range(1800)]})
    assert len(_check(kind).check(tabled(engine, table), ("data", "checks", 0)).examples) <= 5


def test_unknown_columns_point_into_the_spec(kind: Any, engine: Engine) -> None:
    if _name(kind) == "row_count":
        pytest.skip("it looks at no column")
    with pytest.raises(StageError) as caught:
        _check(kind).check(tabled(engine, pa.table({"other": [1]})), ("data", "checks", 4))
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
    ],
)
def test_rules_that_do_not_fit_the_column(
    fields: dict[str, Any], path: tuple[str, ...], engine: Engine
) -> None:
    with pytest.raises(StageError) as caught:
        TypeAdapter(Check).validate_python(fields).check(tabled(engine, GOOD), ())
    assert caught.value.path == path


def test_between_looks_at_whole_numbers_exactly(engine: Engine) -> None:
    check = TypeAdapter(Check).validate_python({"type": "between", "column": "n", "max": 2.5})
    assert check.check(tabled(engine, pa.table({"n": [2, 3]})), ()).examples == (3,)


def test_in_set_compares_whole_and_floating_numbers(engine: Engine) -> None:
    check = TypeAdapter(Check).validate_python({"type": "in_set", "column": "n", "values": [1, 2]})
    assert check.check(tabled(engine, pa.table({"n": [1.0, 2.0, 2.5]})), ()).examples == (2.5,)
