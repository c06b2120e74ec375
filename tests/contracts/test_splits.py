"""What every split promises; a new kind is tested as soon as it is in the union and has an example here."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pytest
from pydantic import TypeAdapter, ValidationError
from tests.stages.data.engines import tabled

from tenure.core.errors import StageError
from tenure.ml.snapshot import PART
from tenure.ml.task import infer
from tenure.spec.base import config_of, effects_of
from tenure.stages.data.engine import Engine
from tenure.stages.data.splits import Split
from tenure.stages.data.splits.shares import Rows

KINDS = get_args(get_args(Split)[0])
EXAMPLES: dict[str, dict[str, Any]] = {
    "random": {"seed": 3},
    "stratified": {"seed": 3},
    "datetime": {},
    "group": {"column": "who", "seed": 3},
    "hash": {"column": "id"},
    "fixed": {"column": "part", "validation": ["dev"]},
}
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def name(request: pytest.FixtureRequest) -> str:
    (found,) = get_args(request.param.model_fields["type"].annotation)
    assert request.param.__module__.rsplit(".", 1)[1] == found
    return str(found)


def split(name: str, **more: Any) -> Any:
    return TypeAdapter(Split).validate_python({"type": name} | EXAMPLES[name] | more)


def rows(engine: Engine, count: int) -> Rows:
    draw = np.random.default_rng(5)
    table = pa.table(
        {
            "id": [f"row-{position}" for position in range(count)],
            "at": pa.array(
                [START + timedelta(hours=position) for position in range(count)], pa.timestamp("us")
            ),
            "who": pa.array(draw.integers(0, 200, count)),
            "part": np.where(
                draw.random(count) < 0.2, "test", np.where(draw.random(count) < 0.1, "dev", "train")
            ),
            "kind": np.where(draw.random(count) < 0.3, "rare", "common"),
        }
    )
    target = infer(table["kind"], name="kind", declared=None, positive_class=None)
    return Rows(tabled(engine, table), "kind", target, "at")


def parts_of(item: Any, data: Rows) -> Any:
    divided = item.assign(data)
    given = [name for name in data.table.names if item.type != "fixed" or name != "part"]
    assert divided.names == [*given, PART]
    assert divided.arrow(given).equals(data.table.arrow(given))
    return np.array(divided.arrow([PART])[PART].to_pylist())


def test_every_field_has_a_cost_and_survives_the_state(name: str) -> None:
    item = split(name)
    assert "type" in effects_of(item)
    assert TypeAdapter(Split).validate_python(json.loads(json.dumps(config_of(item)))) == item


def test_every_row_has_a_part_and_the_shares_are_met(name: str, engine: Engine) -> None:
    shares_asked = {} if name == "fixed" else {"test": 0.2, "validation": 0.1}
    parts = parts_of(split(name, **shares_asked), rows(engine, 2000))
    shares = {part: float((parts == part).mean()) for part in ("train", "validation", "test")}
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["test"] == pytest.approx(0.2, abs=0.03)
    assert shares["validation"] == pytest.approx(0.1, abs=0.03)


def test_the_same_rows_are_split_the_same_way(name: str, engine: Engine) -> None:
    assert (parts_of(split(name), rows(engine, 300)) == parts_of(split(name), rows(engine, 300))).all()


@pytest.mark.parametrize(
    "shares",
    [{"test": 0.0}, {"test": 1.0}, {"test": 0.6, "validation": 0.5}, {"test": [], "validation": []}],
)
def test_shares_that_leave_nothing_are_refused(name: str, shares: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        split(name, **shares)


def test_a_hash_split_keeps_rows_in_their_part_while_the_data_grow(engine: Engine) -> None:
    before, after = parts_of(split("hash"), rows(engine, 500)), parts_of(split("hash"), rows(engine, 900))
    assert (before == after[:500]).all()
    assert (parts_of(split("hash", seed=1), rows(engine, 500)) != before).any()


def test_a_datetime_split_tests_on_the_future(engine: Engine) -> None:
    parts = parts_of(split("datetime"), rows(engine, 100))
    assert parts.tolist() == ["train"] * 80 + ["test"] * 20


def test_a_stratified_split_keeps_the_shares_of_the_classes(engine: Engine) -> None:
    data = rows(engine, 1000)
    parts, rare = (
        parts_of(split("stratified"), data),
        np.array(data.table.arrow()["kind"].to_pylist()) == "rare",
    )
    assert rare[parts == "test"].mean() == pytest.approx(rare[parts == "train"].mean(), abs=0.01)


def test_a_group_is_never_torn_apart_and_the_seed_decides(engine: Engine) -> None:
    data = rows(engine, 1000)
    who = np.array(data.table.arrow()["who"].to_pylist())
    parts = parts_of(split("group", validation=0.1), data)
    for first, second in (("train", "test"), ("train", "validation"), ("validation", "test")):
        assert not set(who[parts == first]) & set(who[parts == second])
    assert (parts_of(split("group", seed=4), data) != parts_of(split("group"), data)).any()
    assert (parts == "test").mean() == pytest.approx(0.2, abs=0.005)


def test_entities_are_the_groups_when_no_column_is_named(engine: Engine) -> None:
    named = parts_of(split("group"), rows(engine, 300))
    item = TypeAdapter(Split).validate_python({"type": "group", "seed": 3})
    assert (parts_of(item, rows(engine, 300)._replace(entities=("who",))) == named).all()
    with pytest.raises(StageError, match="needs a column"):
        item.assign(rows(engine, 300))


def of(engine: Engine, table: pa.Table) -> Rows:
    return Rows(tabled(engine, table), "y", infer(pa.chunked_array([[1.5, 2.5]]), name="y"), "at")


def hours(*values: int | None) -> pa.Array:
    moments = [None if value is None else START + timedelta(hours=value) for value in values]
    return pa.array(moments, pa.timestamp("us"))


@pytest.mark.parametrize(
    ("fields", "summary"),
    [
        ({"type": "group", "column": "g"}, "too few groups to split"),
        ({"type": "group", "column": "h"}, "rows without a group"),
        ({"type": "datetime", "column": "late"}, "rows without a timestamp"),
        ({"type": "datetime", "column": "once"}, "too few instants to split by time"),
        ({"type": "datetime", "test_from": "2027-01-01"}, "the test part is empty"),
        ({"type": "datetime", "test_from": "2025-01-01"}, "the train part is empty"),
        ({"type": "datetime", "column": "g"}, "the column holds no times"),
        ({"type": "hash", "column": "g"}, "a part of the split has no rows"),
        ({"type": "fixed", "column": "p"}, "rows of no part"),
        ({"type": "fixed", "column": "p", "others": "leave_out", "test": ["t"]}, "the test part is empty"),
        ({"type": "fixed", "column": "g", "test": ["t"]}, "the value does not fit the column"),
    ],
)
def test_rows_that_cannot_be_divided(fields: dict[str, Any], summary: str, engine: Engine) -> None:
    data = of(
        engine,
        pa.table(
            {
                "g": [1, 1, 1, 1],
                "h": ["a", "b", None, "c"],
                "at": hours(0, 1, 2, 3),
                "late": hours(0, 1, None, 3),
                "once": hours(1, 1, 1, 1),
                "p": ["train", "train", "test", "other"],
                "y": [1.5, 2.5, 3.5, 4.5],
            }
        ),
    )
    with pytest.raises(StageError) as caught:
        TypeAdapter(Split).validate_python(fields).assign(data)
    assert caught.value.summary == summary
    assert caught.value.path[:2] == ("data", "split")


def dated(engine: Engine, **fields: Any) -> list[str]:
    data = of(engine, pa.table({"at": hours(*range(0, 240, 24)), "y": [float(i) for i in range(10)]}))
    maturity = fields.pop("maturity", None)
    item = TypeAdapter(Split).validate_python({"type": "datetime"} | fields)
    return parts_of(item, data._replace(maturity=maturity)).tolist()  # type: ignore[no-any-return]


def test_parts_begin_at_given_moments(engine: Engine) -> None:
    assert dated(engine, test_from="2026-01-09") == ["train"] * 8 + ["test"] * 2
    both = dated(engine, test_from="2026-01-09", validation_from="2026-01-07T00:00:00+00:00")
    assert both == ["train"] * 6 + ["validation"] * 2 + ["test"] * 2
    assert (
        dated(engine, test=0.3, validation_from="2026-01-06")
        == ["train"] * 5 + ["validation"] * 2 + ["test"] * 3
    )


def test_the_gap_is_as_long_as_labels_take(engine: Engine) -> None:
    parts = ["train"] * 6 + ["gap"] * 2 + ["test"] * 2
    assert dated(engine, gap="3d") == parts
    assert dated(engine, maturity="3d") == parts
    assert dated(engine, gap="1d", maturity="3d") == parts
    assert dated(engine, gap="3d", maturity="1d") == parts


@pytest.mark.parametrize(
    "fields",
    [
        {"test": 0.2, "test_from": "2026-01-09"},
        {"test_from": "soon"},
        {"test_from": "2026-01-09", "validation_from": "2026-01-09"},
        {"test_from": "2026-01-09", "validation": 0.1},
        {"test": 0.6, "validation": 0.5},
    ],
)
def test_cuts_that_contradict_each_other_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Split).validate_python({"type": "datetime"} | fields)


def test_rows_of_no_part_can_be_left_out(engine: Engine) -> None:
    data = of(engine, pa.table({"p": [1, 2, 3, None], "y": [1.5, 2.5, 3.5, 4.5]}))
    fields = {"type": "fixed", "column": "p", "train": [1], "test": [2], "others": "leave_out"}
    divided = TypeAdapter(Split).validate_python(fields).assign(data)
    assert divided.arrow().to_pydict() == {"y": [1.5, 2.5, 3.5, 4.5], PART: ["train", "test", "gap", "gap"]}
