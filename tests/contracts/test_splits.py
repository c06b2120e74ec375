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
    "hash": {"column": "id"},
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
            "kind": np.where(draw.random(count) < 0.3, "rare", "common"),
        }
    )
    target = infer(table["kind"], name="kind", declared=None, positive_class=None)
    return Rows(tabled(engine, table), "kind", target, "at")


def parts_of(item: Any, data: Rows) -> Any:
    divided = item.assign(data)
    assert divided.names == [*data.table.names, PART]
    return np.array(divided.arrow([PART])[PART].to_pylist())


def test_every_field_has_a_cost_and_survives_the_state(name: str) -> None:
    item = split(name)
    assert {"type", "test"} <= set(effects_of(item))
    assert TypeAdapter(Split).validate_python(json.loads(json.dumps(config_of(item)))) == item


def test_every_row_has_a_part_and_the_shares_are_met(name: str, engine: Engine) -> None:
    parts = parts_of(split(name, test=0.2, validation=0.1), rows(engine, 2000))
    shares = {part: float((parts == part).mean()) for part in ("train", "validation", "test")}
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["test"] == pytest.approx(0.2, abs=0.03)
    assert shares["validation"] == pytest.approx(0.1, abs=0.03)


def test_the_same_rows_are_split_the_same_way(name: str, engine: Engine) -> None:
    assert (parts_of(split(name), rows(engine, 300)) == parts_of(split(name), rows(engine, 300))).all()


@pytest.mark.parametrize("shares", [{"test": 0.0}, {"test": 1.0}, {"test": 0.6, "validation": 0.5}])
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
