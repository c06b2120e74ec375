"""What every cleaning step promises; a new kind is tested as soon as it is in the union and has an example here."""

from __future__ import annotations

import json
from typing import Any, get_args

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

# Kind -> fields; the rows expected from BEFORE, as (n, y); cells changed.
EXAMPLES: dict[str, tuple[dict[str, Any], list[tuple[Any, Any]], int]] = {
    "drop_duplicates": ({}, [(3, "a"), (1, "b"), (None, None), (9, "a"), (1, "c")], 0),
    "drop_null_target": ({}, [(3, "a"), (1, "b"), (1, "b"), (9, "a"), (1, "c")], 0),
    "clip": (
        {"column": "n", "low": 2, "high": 5},
        [(3, "a"), (2, "b"), (2, "b"), (None, None), (5, "a"), (2, "c")],
        4,
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
    return TypeAdapter(Step).validate_python({"type": _name(kind)} | EXAMPLES[_name(kind)][0])


def test_is_called_like_its_file(kind: Any) -> None:
    assert kind.__module__.rsplit(".", 1)[1] == _name(kind)


def test_every_field_has_a_cost_and_survives_the_state(kind: Any) -> None:
    step = _step(kind)
    assert "type" in effects_of(step)
    assert TypeAdapter(Step).validate_python(json.loads(json.dumps(config_of(step)))) == step


def test_cleans_and_counts(kind: Any, engine: Engine) -> None:
    _, rows, cells = EXAMPLES[_name(kind)]
    table, changed = _step(kind).clean(tabled(engine, BEFORE), "y", ("data", "cleaning", 0))
    assert list(zip(*table.arrow().to_pydict().values(), strict=True)) == rows
    assert changed == cells
    assert table.schema().types == BEFORE.schema.types


def test_a_second_time_changes_nothing(kind: Any, engine: Engine) -> None:
    once, _ = _step(kind).clean(tabled(engine, BEFORE), "y", ())
    twice, cells = _step(kind).clean(once, "y", ())
    assert twice.arrow().equals(once.arrow())
    assert cells == 0


def test_no_rows_are_no_problem(kind: Any, engine: Engine) -> None:
    table, cells = _step(kind).clean(tabled(engine, BEFORE.slice(0, 0)), "y", ())
    assert (table.rows, cells) == (0, 0)


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
