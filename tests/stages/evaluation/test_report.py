from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss
from tests.stages.lab import NOW, Lab

from tenure.core.errors import StageError
from tenure.ml.predictor import load
from tenure.ml.snapshot import read_parts
from tenure.stages.business import Value

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


FAILING = {"metric": "accuracy", "min": 0.9999}


def _waiver(expires: str) -> dict:
    return {"waiver": {"owner": "risk", "reason": "a pilot", "expires": expires}}


def test_a_live_waiver_lets_pass_and_stays_on_the_record(lab):
    value = lab.evaluate(gates=[FAILING | _waiver("2026-02-01")]).value
    assert value["passed"]
    assert value["gates"][0]["status"] == "waived"
    assert value["gates"][0]["waiver"] == {"owner": "risk", "reason": "a pilot", "expires": "2026-02-01"}
    assert value["waived"] == [value["gates"][0]["text"]]
    assert value["holds_until"] == "2026-02-01T00:00:00Z"


def test_a_waiver_counts_no_more_from_its_day_on(lab):
    # The moment of the lab is the first of January, midnight.
    value = lab.evaluate(gates=[FAILING | _waiver("2026-01-01")]).value
    assert not value["passed"]
    assert value["failed"][0].endswith("its waiver by risk expired on 2026-01-01")
    assert "holds_until" not in value


def test_a_waiver_that_is_not_needed_holds_nothing(lab):
    value = lab.evaluate(gates=[{"metric": "accuracy", "min": 0.1} | _waiver("2026-02-01")]).value
    assert value["gates"][0]["status"] == "passed"
    assert "holds_until" not in value


def test_models_judged_on_the_same_rows_are_counted_once_each(lab):
    lab.remembers = True
    assert lab.evaluate().value["test_part"]["candidates"] == 1
    assert lab.evaluate(metrics=["accuracy"]).value["test_part"]["candidates"] == 1
    _retrain(lab, 0.01)
    value = lab.evaluate().value
    assert value["test_part"]["candidates"] == 2
    assert value["test_part_note"] == "2 models were judged on these rows by now."


def test_slices_and_fairness_see_columns_that_are_no_features(tmp_path):
    table = _table().append_column("side", pa.array(["l", "r"] * (ROWS // 2)))
    made = Lab(tmp_path, table, "y")
    made.make_features(exclude=["side"])
    made.search("logistic_regression", limits={"max_trials": 1})
    made.fit()
    output = made.evaluate(
        slices=["a > 0"],
        min_slice_rows=5,
        fairness=[{"sensitive_column": "side", "metric": "accuracy_difference", "min_group_rows": 5}],
    )
    report = json.loads(made.artifacts.get(output.artifacts["report"]))
    truth, predictions = _test_rows(made)
    file = made.artifacts.local(made.records["data/snapshot"].artifacts["snapshot"])
    above = read_parts(file, ["test"])["a"].to_numpy() > 0
    (group,) = report["slices"][0]["groups"]
    assert group["rows"] == above.sum()
    expected = accuracy_score(np.array(truth)[above], predictions.labels.astype(str)[above])
    assert group["metrics"]["accuracy"] == expected
    assert output.value["fairness"][0]["status"] in ("shown", "insufficient_data")


def test_personal_columns_do_not_name_groups(lab):
    record = lab.records["data/snapshot"]
    for column in record.value["columns"]:
        column["pii"] = column["name"] == "a"
    with pytest.raises(StageError, match="personal data") as caught:
        lab.evaluate(slices=["a"])
    assert caught.value.path == ("evaluation", "slices", 0)
    report = json.loads(lab.artifacts.get(lab.evaluate().artifacts["report"]))
    curves = {item["column"]: item["curve"] for item in report["explanation"]["columns"]}
    assert curves["a"] == []
    assert curves["b"]


@pytest.mark.parametrize("kind", ["permutation", "shap"])
def test_what_decides_is_important_and_what_does_not_is_not(tmp_path, kind):
    generator = np.random.default_rng(4)
    a, b = generator.normal(size=(2, 200))
    made = Lab(tmp_path, pa.table({"a": a, "b": b, "y": 3 * a + generator.normal(size=200) * 0.1}), "y")
    made.make_features()
    made.search("ridge", limits={"max_trials": 1})
    made.fit()
    output = made.evaluate(explain={"type": kind})
    found = json.loads(made.artifacts.get(output.artifacts["report"]))["explanation"]
    assert found["type"] == kind
    assert [item["column"] for item in found["columns"]] == ["a", "b"]
    assert found["columns"][0]["value"] > 20 * abs(found["columns"][1]["value"])
    direction = [point["value"] for point in found["columns"][0]["curve"]]
    assert direction == sorted(direction)
    assert made.evaluate(explain={"type": "none"}).value["explanation"] is None


def test_the_page_shows_all_of_it_and_loads_nothing(tmp_path):
    from tests.pages import Page, inside, plots

    from tenure.stages.evaluation.page import report_html

    made = Lab(tmp_path, _table(), "y")
    made.value = Value(currency="EUR", true_positive=5, false_positive=-2)
    made.make_features()
    made.search("logistic_regression", limits={"max_trials": 1})
    made.fit()
    output = made.evaluate(
        slices=["a > 0", "b"],
        min_slice_rows=5,
        fairness=[
            {"sensitive_column": "b < 0", "metric": "accuracy_difference", "max": 0.9, "min_group_rows": 5}
        ],
        gates=[
            FAILING | _waiver("2026-02-01"),
            {"type": "value", "min_per_1000": 1},
            {"type": "size", "max": "1MB"},
        ],
    )
    record = made.records["evaluation/report"]
    html = report_html("lab<b>", record, json.loads(made.artifacts.get(output.artifacts["report"])), NOW)
    page = Page(html)
    assert not page.open
    assert not page.loads
    for word in (
        "Passed, with 1 of 4 gates waived",
        "waived until 2026-02-01",
        "value_per_1000",
        "a > 0",
        "b < 0",
    ):
        assert word in page.words, word
    assert "lab<b>" not in html
    drawn = plots(html)
    assert {plot.get("aria-label") for plot in drawn} >= {"calibration", "ROC curve", "confusion matrix"}
    assert all(inside(plot) for plot in drawn)
