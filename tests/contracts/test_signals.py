"""The contract of monitoring signals, for every kind in the union: a new kind is tested by existing."""

from __future__ import annotations

from typing import get_args

import msgspec
import pyarrow as pa
import pytest
from tests.stages.monitoring.conftest import START, people, predictor, truth

from tenure.core.units import parse_duration
from tenure.ml.reference import build
from tenure.ml.windows import window_of
from tenure.spec.base import config_of, effects_of
from tenure.stages.monitoring.judging import LEVELS, Signal, WindowRows, verdict_of
from tenure.stages.monitoring.section import AnySignal

KINDS = get_args(get_args(AnySignal)[0])
REQUIRED = {"model_performance": {"metric": "accuracy", "min": 0.7}}


def name_of(kind) -> str:
    return get_args(kind.model_fields["type"].annotation)[0]


@pytest.fixture(params=KINDS, ids=name_of)
def signal(request) -> Signal:
    name = name_of(request.param)
    return request.param.model_validate({"type": name} | REQUIRED.get(name, {}))


@pytest.fixture(scope="module")
def model():
    return predictor()


@pytest.fixture(scope="module")
def reference(model):
    table = people(1000, 3).append_column("__split__", pa.array(["train"] * 1000))
    return build(model, table, version=1, snapshot="sha256:s", dataset="training")


@pytest.fixture
def window(model, reference):
    def make(table, *, wrong=0.0, **more):
        predicted = model.predict(table)
        columns = {name: table.column(name) for name in table.column_names}
        columns["prediction"] = pa.array(predicted.labels.tolist())
        columns |= {
            f"score_{name}": predicted.probabilities[:, i] for i, name in enumerate(predicted.classes)
        }
        rows = pa.table(columns)
        labels = [
            ("yes" if value == "no" else "no") if i < wrong * table.num_rows else value
            for i, value in enumerate(truth(table))
        ]
        settings = {
            "recent": (),
            "most_recent": 4,
            "reference": reference,
            "min_rows": None,
            "seasonal": False,
            "redacted": frozenset(),
            "promised": {},
        }
        return WindowRows(
            window=window_of(START, parse_duration("1d")),
            rows=rows,
            labelled=rows.append_column("label", pa.array(labels, pa.string())),
            **settings | more,
        )

    return make


def broken(rows: int):
    """Rows in which everything that any kind looks at is wrong; the labels are made wrong by `window`."""
    return people(rows, 5, older=60, missing=0.23, new_plans=0.5)


def test_rows_like_the_reference_are_ok(signal, window):
    assert signal.judge(window(people(600, 4))).verdict == "ok"


def test_rows_that_are_wrong_in_every_way_are_critical(signal, window):
    found = signal.judge(window(broken(600), wrong=0.9))
    assert found.verdict == "critical"
    assert found.value is not None


@pytest.mark.parametrize("rows", [0, 1, 10])
def test_too_few_rows_are_never_ok(signal, window, rows):
    found = signal.judge(window(broken(rows), wrong=1.0))
    assert found.verdict == "insufficient_data"
    assert found.value is None
    assert found.sentence


def test_the_same_rows_always_get_the_same_judgement(signal, window):
    rows = window(people(500, 6, older=6), wrong=0.2)
    assert signal.judge(rows) == signal.judge(rows)


@pytest.mark.parametrize("older", [0, 4, 8, 20])
def test_the_verdict_is_the_worst_level_whose_pressure_reaches_one(signal, window, older):
    found = signal.judge(window(people(500, 7, older=older, missing=older / 60), wrong=older / 25))
    assert set(found.pressure) == set(LEVELS)
    assert found.pressure["warn"] >= found.pressure["critical"] >= 0
    assert found.verdict == verdict_of(found.pressure)


def test_a_judgement_is_json_without_raw_rows(signal, window):
    for table in (people(600, 8), broken(600)):
        data = msgspec.json.encode(signal.judge(window(table, wrong=0.9)))
        assert len(data) < 6000
        assert b"NaN" not in data
        assert b"Infinity" not in data


def test_redacted_columns_do_not_matter(signal, window):
    clean = window(people(600, 4), redacted=frozenset(["age", "plan"]))
    assert signal.judge(clean).verdict in ("ok", "insufficient_data")


def test_a_kind_describes_itself_and_costs_no_more_than_operating(signal):
    assert (type(signal).__doc__ or "").strip()
    assert set(effects_of(signal).values()) == {"operate"}
    assert type(signal).model_validate(config_of(signal)) == signal
    for field in type(signal).model_fields.values():
        assert field.description
