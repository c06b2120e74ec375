from __future__ import annotations

import pytest
from pydantic import ValidationError
from tests.stages.monitoring.conftest import SIGNALS

from tenure.core.errors import StageError
from tenure.ml.reference import decode
from tenure.plan.action import Reason
from tenure.spec.base import effects_of
from tenure.stages.monitoring.section import Monitoring, alerts_of


def test_a_monitor_settles_after_one_apply(world):
    record = world.apply()
    assert world.target().value == record.value
    assert decode(world.artifacts.get(record.artifacts["reference"])).rows == 800
    assert record.value["released"] == {"accuracy": 0.97}


def test_an_edited_threshold_keeps_the_reference(world):
    before = world.apply()
    edited = {"signals": SIGNALS | {"drift": {"type": "data_drift", "warn": 0.2}}}
    after = world.apply(**edited)
    assert after.value["signals"]["drift"]["warn"] == 0.2
    assert after.artifacts == before.artifacts


def test_every_setting_is_operated_never_retrained():
    block = Monitoring.model_validate({"signals": SIGNALS})
    assert set(effects_of(block).values()) == {"operate"}


def test_another_version_gets_a_reference_of_its_own_and_a_rollback_finds_the_old_one(world):
    first = world.apply()
    world.serve(2)
    target = world.target()
    assert (target.reason, target.value["version"]) == (Reason.NEW_VERSION, 2)
    second = world.apply()
    assert decode(world.artifacts.get(second.artifacts["reference"])).version == 2
    world.serve(1)
    world.view.records["data/snapshot"].artifacts.clear()  # a later version's data took its place
    assert world.apply().artifacts["reference"] == first.artifacts["reference"]


def test_the_reference_holds_the_asked_part_and_no_rows(world):
    training = world.apply()
    test = world.apply(reference={"dataset": "test"})
    reference = decode(world.artifacts.get(test.artifacts["reference"]))
    assert (decode(world.artifacts.get(training.artifacts["reference"])).rows, reference.rows) == (800, 200)
    assert [column.name for column in reference.predictions] == ["prediction", "score_no", "score_yes"]
    assert len(world.artifacts.get(test.artifacts["reference"])) < 6000


def test_a_version_on_trial_is_not_the_one_that_is_watched(world):
    world.serve(1, 2, tried=2)
    assert world.target().value["version"] == 1
    world.serve(2, tried=None)
    assert world.target().value["version"] == 2


def test_without_a_version_there_is_nothing_to_watch_yet(world):
    world.serve()
    record = world.apply()
    assert (record.value["version"], record.value["reference"]) == (None, None)
    assert world.target().value == record.value


def test_a_version_that_stops_to_serve_keeps_what_was_seen_of_it(world):
    before = world.apply()
    world.serve()
    target = world.target()
    assert (target.value["state"], target.reason) == ("stopped", Reason.LIFECYCLE)
    after = world.apply()
    assert {**after.value, "state": "watching"} == before.value
    assert after.artifacts == before.artifacts
    assert world.target().value == after.value
    world.serve(1)
    assert world.apply().value == before.value


def test_only_a_loss_of_performance_asks_for_a_new_model_by_default(world):
    policies = world.apply().value["policies"]
    assert {item["when"]: (item["do"], item["mode"]) for item in policies} == {
        "drift.critical": ("notify", "notify"),
        "predictions.critical": ("notify", "notify"),
        "quality.critical": ("notify", "notify"),
        "performance.critical": ("retrain", "propose"),
    }


def test_policies_of_the_spec_stand_alone(world):
    asked = [{"when": "drift.warn", "do": "notify"}]
    assert world.apply(policies=asked).value["policies"] == [
        {"when": "drift.warn", "do": "notify", "mode": "notify", "max_per_30d": 4}
    ]


def test_alerts_count_only_what_was_seen_of_the_watched_version(world):
    record = world.apply(alerting={"fire": "1 of 1"})
    from tests.stages.monitoring.test_alerts import observed

    kinds = observed(["critical"], "performance")
    assert [item.state for item in alerts_of(record.value, kinds) if item.signal == "performance"] == [
        "firing"
    ] * 2
    import msgspec

    other = [msgspec.structs.replace(item, subject="2") for item in kinds]
    assert {item.state.value for item in alerts_of(record.value, other)} == {"ok"}


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"alerting": {"fire": "5 of 3"}}, "3 of 5"),
        ({"alerting": {"fire": "often"}}, "3 of 5"),
        ({"window": {"size": "1s"}}, "at least a minute"),
        ({"policies": [{"when": "drifts.critical", "do": "notify"}]}, "'drifts' is not a signal"),
        ({"policies": [{"when": "drift.bad", "do": "notify"}]}, "pattern"),
        ({"policies": [{"when": "drift.critical", "do": "notify", "mode": "auto"}]}, "notify"),
        ({"signals": {}}, "at least 1"),
        ({"signals": {"a.b": {"type": "data_drift"}}}, "pattern"),
        ({"signals": {"d": {"type": "data_drift", "warn": 0.5}}}, "warn must not be above critical"),
        ({"signals": {"p": {"type": "prediction_drift", "warn": 0.5}}}, "warn must not be above critical"),
        ({"signals": {"q": {"type": "data_quality", "unseen_rate": 0.5}}}, "unseen_rate"),
        ({"signals": {"p": {"type": "model_performance", "metric": "f1"}}}, "min, max or max_drop"),
        ({"signals": {"p": {"type": "model_performance", "metric": "f1", "min": 0.5, "max": 0.6}}}, "either"),
    ],
)
def test_a_block_that_makes_no_sense_is_refused_with_the_reason(block, message):
    with pytest.raises(ValidationError, match=message):
        Monitoring.model_validate({"signals": SIGNALS} | block)


@pytest.mark.parametrize(
    ("signal", "path", "message"),
    [
        ({"type": "data_drift", "columns": ["size"]}, ("columns", 0), "not an input"),
        ({"type": "model_performance", "metric": "rmse", "max": 1}, ("metric",), "not one for binary"),
        ({"type": "model_performance", "metric": "acuracy", "min": 1}, ("metric",), "unknown metric"),
        ({"type": "model_performance", "metric": "accuracy", "max": 1}, ("max",), "wrong side"),
        ({"type": "model_performance", "metric": "log_loss", "min": 1}, ("min",), "wrong side"),
    ],
)
def test_a_signal_that_does_not_fit_the_model_is_refused_at_its_field(world, signal, path, message):
    with pytest.raises(StageError, match=message) as caught:
        world.apply(signals={"s": signal})
    assert caught.value.path == ("monitoring", "signals", "s", *path)


def test_a_seasonal_reference_needs_times(world):
    world.view.records["data/snapshot"].value["timestamp"] = None
    with pytest.raises(StageError, match="needs times"):
        world.apply(reference={"season": "month"})


def test_a_snapshot_without_the_inputs_of_the_version_cannot_be_a_reference(world, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "other.parquet"
    pq.write_table(pa.table({"weight": [1.0], "__split__": ["train"]}), path)
    world.view.records["data/snapshot"].artifacts["snapshot"] = world.artifacts.put_file(path)
    with pytest.raises(StageError, match="age, plan"):
        world.apply()
