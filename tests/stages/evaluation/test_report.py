from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss
from tests.stages.lab import Lab

from tenure.core.errors import StageError
from tenure.ml.predictor import load
from tenure.ml.snapshot import read_parts

ROWS = 160


def _table(noise: float = 0.5) -> pa.Table:
    generator = np.random.default_rng(9)
    a, b = generator.normal(size=ROWS), generator.normal(size=ROWS)
    y = np.where(a + b + generator.normal(size=ROWS) * noise > 0, "yes", "no")
    return pa.table({"a": a, "b": b, "y": y.tolist()})


@pytest.fixture
def lab(tmp_path) -> Lab:
    made = Lab(tmp_path, _table(), "y")
    made.make_features()
    made.search("logistic_regression", limits={"max_trials": 1})
    made.fit()
    return made


def _test_rows(lab: Lab):
    predictor = load(
        {name: lab.artifacts.get(blob) for name, blob in lab.records["training/model"].artifacts.items()}
    )
    table = read_parts(lab.artifacts.local(lab.records["data/snapshot"].artifacts["snapshot"]), ["test"])
    return table["y"].to_pylist(), predictor.predict(table)


def test_metrics_are_those_of_the_test_part(lab):
    value = lab.evaluate(metrics=["accuracy", "log_loss"]).value
    truth, predictions = _test_rows(lab)
    assert value["rows"] == len(truth) == 40
    assert value["metrics"]["accuracy"]["value"] == accuracy_score(truth, predictions.labels.astype(str))
    assert value["metrics"]["log_loss"]["value"] == pytest.approx(
        log_loss(truth, predictions.probabilities[:, 1])
    )
    for found in value["metrics"].values():
        assert found["low"] < found["value"] < found["high"]
    assert value["confidence"] == 0.95


def test_the_baseline_is_always_there_and_learns_from_the_training_part(lab):
    value = lab.evaluate(metrics=["accuracy"]).value
    train = read_parts(lab.artifacts.local(lab.records["data/snapshot"].artifacts["snapshot"]), ["train"])[
        "y"
    ].to_pylist()
    majority = max(("no", "yes"), key=train.count)
    truth, _ = _test_rows(lab)
    assert value["baseline"]["type"] == "majority"
    assert value["baseline"]["metrics"]["accuracy"]["value"] == truth.count(majority) / len(truth)


def test_the_report_holds_the_confusion_matrix(lab):
    output = lab.evaluate()
    report = json.loads(lab.artifacts.get(output.artifacts["report"]))
    truth, predictions = _test_rows(lab)
    expected = confusion_matrix(truth, predictions.labels.astype(str), labels=["no", "yes"]).tolist()
    assert report["confusion"] == {"classes": ["no", "yes"], "counts": expected}


def test_the_same_model_and_rows_give_the_same_report(lab):
    gates = [{"type": "champion"}, {"metric": "accuracy", "min": 0.5, "confidence": 0.9}]
    assert lab.evaluate(gates=gates).digest == lab.evaluate(gates=gates).digest
    assert lab.evaluate(gates=gates).digest != lab.evaluate(gates=[]).digest


def test_a_failed_gate_is_a_result_and_says_why(lab):
    value = lab.evaluate(gates=[{"metric": "accuracy", "min": 0.999}]).value
    accuracy = value["metrics"]["accuracy"]["value"]
    assert not value["passed"]
    assert value["failed"] == [f"accuracy {accuracy:.4g} < 0.999"]
    assert value["gates"][0]["passed"] is False
    assert value["gates"][0]["value"] == accuracy


def test_a_gate_that_only_warns_does_not_block(lab):
    value = lab.evaluate(gates=[{"metric": "accuracy", "min": 0.999, "enforcement": "warn"}]).value
    assert value["passed"]
    assert value["gates"][0]["passed"] is False
    assert value["gates"][0]["enforced"] is False


def test_without_a_champion_the_gate_passes_and_says_so(lab):
    value = lab.evaluate(gates=[{"type": "champion"}]).value
    assert value["passed"]
    assert value["champion"] is None
    assert value["gates"][0]["text"] == "there is no champion yet"


def _retrain(lab: Lab, c: float) -> None:
    space = {"C": {"type": "fixed", "value": c}}
    lab.search(algorithms={"logistic_regression": {"search_space": space}}, limits={"max_trials": 1})
    lab.fit()


def test_a_worse_candidate_does_not_replace_the_champion(lab):
    lab.register(1)
    gates = [{"type": "champion", "metric": "log_loss"}]
    assert (
        lab.evaluate(gates=gates).value["gates"][0]["text"] == "the model is the champion itself (version 1)"
    )
    _retrain(lab, 1e-6)
    value = lab.evaluate(gates=gates).value
    assert not value["passed"]
    assert value["champion"]["version"] == 1
    change = value["champion"]["metrics"]["log_loss"]["value"] - value["metrics"]["log_loss"]["value"]
    assert change < 0
    assert value["gates"][0]["value"] == pytest.approx(change)
    assert "at least 0 is demanded" in value["gates"][0]["text"]
    lab.register(2, passed=False)
    # And the other way round: the good model beats the bad one where that one serves.
    lab.with_records(
        deployment__endpoint={"routes": [{"version": 2, "share": 0.9}, {"version": 1, "share": 0.1}]}
    )
    _retrain(lab, 1.0)
    value = lab.evaluate(gates=gates).value
    assert value["passed"]
    assert value["champion"]["version"] == 2


def test_the_margin_demands_certainty(lab):
    lab.register(1)
    _retrain(lab, 0.2)
    text = {}
    for margin in (0.2, 0.0001):
        gate = {
            "type": "champion",
            "metric": "log_loss",
            "min_change": -0.2,
            "non_inferiority_margin": margin,
        }
        verdict = lab.evaluate(gates=[gate]).value["gates"][0]
        text[margin] = (verdict["passed"], "may be worse" in verdict["text"])
    assert text == {0.2: (True, False), 0.0001: (False, True)}


def test_a_champion_that_cannot_read_the_rows_is_no_obstacle(lab):
    lab.register(1)
    lab.versions[1] = lab.record(
        "governance/version", type(lab.evaluate())("v", lab.versions[1].value | {"model_digest": "other"}, {})
    )
    value = lab.evaluate(gates=[{"type": "champion"}]).value
    assert value["passed"]
    assert value["gates"][0]["text"].startswith("version 1 cannot predict these rows")


@pytest.mark.parametrize(
    ("block", "path"),
    [
        ({"metrics": ["accuracy", "rmse"]}, ("evaluation", "metrics", 1)),
        ({"gates": [{"metric": "rmse", "max": 3}]}, ("evaluation", "gates", 0, "metric")),
        ({"baseline": {"type": "mean"}}, ("evaluation", "baseline", "type")),
    ],
)
def test_what_does_not_fit_the_task_points_into_the_spec(lab, block, path):
    with pytest.raises(StageError) as caught:
        lab.evaluate(**block)
    assert caught.value.path == path


def test_regression_has_a_mean_baseline_and_no_confusion(tmp_path):
    generator = np.random.default_rng(2)
    a = generator.normal(size=80)
    made = Lab(tmp_path, pa.table({"a": a, "y": 2 * a + generator.normal(size=80) * 0.1}), "y")
    made.make_features()
    made.search("ridge", limits={"max_trials": 1})
    made.fit()
    output = made.evaluate(
        gates=[{"type": "baseline", "min_relative_change": 0.5}, {"metric": "r2", "min": 0.9}]
    )
    assert output.value["passed"]
    assert output.value["baseline"]["type"] == "mean"
    assert json.loads(made.artifacts.get(output.artifacts["report"]))["confusion"] is None
