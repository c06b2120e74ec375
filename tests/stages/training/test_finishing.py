"""What is learned after the search: in the answers of the stored model, in the record, and without fitting again."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError
from sklearn.metrics import f1_score
from tests.stages.lab import Lab

from tenure.core.errors import StageError
from tenure.core.events import Note
from tenure.ml.predictor import PREDICTOR, load
from tenure.stages.base import Identity
from tenure.stages.business import Value
from tenure.stages.training import section as training
from tenure.stages.training.algorithm import Algorithm
from tenure.stages.training.finishing import DecisionThreshold
from tenure.stages.training.logistic_regression import LogisticRegression
from tenure.stages.training.section import Training

VALUE = Value(currency="EUR", true_positive=120, false_positive=-15, false_negative=-80)


def _classes(rows: int = 400, seed: int = 1, positives: float = 0.25) -> pa.Table:
    generator = np.random.default_rng(seed)
    a, b = generator.normal(size=(2, rows))
    score = a + 0.5 * b + generator.normal(size=rows)
    cut = np.quantile(score, 1 - positives)
    return pa.table({"a": a, "b": b, "y": np.where(score > cut, "yes", "no").tolist()})


def _numbers(rows: int = 400, seed: int = 1) -> pa.Table:
    generator = np.random.default_rng(seed)
    a = generator.uniform(1, 5, rows)
    return pa.table({"a": a, "y": 3 * a + generator.normal(size=rows) * a})


@pytest.fixture
def lab(tmp_path) -> Lab:
    made = Lab(tmp_path, _classes(), "y")
    made.remembers = True
    made.make_features()
    made.search("logistic_regression", limits={"max_trials": 1})
    return made


@pytest.fixture
def numbers(tmp_path) -> Lab:
    made = Lab(tmp_path, _numbers(), "y")
    made.remembers = True
    made.make_features()
    made.search("ridge", limits={"max_trials": 1})
    return made


@pytest.fixture
def fits(monkeypatch) -> list[int]:
    """How many rows each fit of the logistic regression saw."""
    seen: list[int] = []
    real = LogisticRegression.fit

    def counted(self: Algorithm, params, rows, setting, validation):
        seen.append(len(rows.target))
        return real(self, params, rows, setting, validation)

    monkeypatch.setattr(LogisticRegression, "fit", counted)
    return seen


def _model(lab: Lab):
    record = lab.records["training/model"]
    return load({name: lab.artifacts.get(blob) for name, blob in record.artifacts.items()})


def test_labels_follow_a_fixed_threshold(lab):
    bare = lab.fit().digest
    fresh = _classes(seed=2)
    before = _model(lab).predict(fresh)
    output = lab.fit(decision_threshold={"type": "fixed", "value": 0.2})
    after = _model(lab).predict(fresh)
    assert output.digest != bare
    assert np.array_equal(after.probabilities, before.probabilities)
    assert np.array_equal(after.labels == "yes", after.probabilities[:, 1] >= 0.2)
    assert (after.labels == "yes").sum() > (before.labels == "yes").sum()
    assert output.value["decision_threshold"] == {"type": "fixed", "threshold": 0.2}


def test_a_threshold_by_metric_beats_a_half_on_new_rows(tmp_path):
    lab = Lab(tmp_path, _classes(positives=0.1), "y")
    lab.make_features()
    lab.search("logistic_regression", limits={"max_trials": 1})
    value = lab.fit(decision_threshold={"type": "maximize", "metric": "f1"}).value["decision_threshold"]
    fresh = _classes(rows=4000, seed=3, positives=0.1)
    truth = np.array(fresh.column("y").to_pylist()) == "yes"
    found = _model(lab).predict(fresh)
    assert f1_score(truth, found.labels == "yes") > f1_score(truth, found.probabilities[:, 1] >= 0.5) + 0.02
    assert value["reached"] > value["at_half"]
    assert value["rows"] == 300
    curve = json.loads(lab.artifacts.get(lab.records["training/model"].artifacts["curves"]))
    assert max(point["f1"] for point in curve["decision_threshold"]) == value["reached"]


def test_a_threshold_by_value_is_that_of_the_business(lab):
    lab.value = VALUE
    value = lab.fit(decision_threshold={"type": "maximize", "value": "business"}).value["decision_threshold"]
    assert (value["value"], value["currency"]) == ("business", "EUR")
    assert 0 < value["threshold"] < 0.25
    assert value["value_per_row"] > value["at_half"]


def test_an_edited_value_only_tunes_again_and_only_where_the_threshold_uses_it(lab):
    def content(value: Value, **block) -> dict[str, str]:
        identity = Identity("lab", "active", metadata=None, value=value)
        section = Training.model_validate({"algorithms": {"ridge": {}}} | block)
        return {item.local: item.content for item in training.declare(identity, section)}

    other = VALUE.model_copy(update={"true_positive": 10.0})
    by_value = {"decision_threshold": {"type": "maximize", "value": "business"}}
    by_metric = {"decision_threshold": {"type": "maximize", "metric": "f1"}}
    assert content(VALUE) == content(other)
    assert content(VALUE, **by_metric) == content(other, **by_metric)
    first, second = content(VALUE, **by_value), content(other, **by_value)
    assert first["training/search"] == second["training/search"]
    assert first["training/model"] != second["training/model"]


@pytest.mark.parametrize(
    "block",
    [
        {"calibration": {"type": "isotonic"}},
        {"decision_threshold": {"type": "fixed", "value": 0.3}},
        {"intervals": {"type": "conformal"}},
    ],
    ids=lambda block: next(iter(block)),
)
def test_what_follows_the_search_is_no_part_of_it(block):
    identity = Identity("lab", "active", metadata=None)
    plain, asked = (
        {item.local: item.content for item in training.declare(identity, Training.model_validate(b))}
        for b in ({"algorithms": {"ridge": {}}}, {"algorithms": {"ridge": {}}} | block)
    )
    assert plain["training/search"] == asked["training/search"]
    assert plain["training/model"] != asked["training/model"]


def test_an_edited_threshold_fits_nothing_again(lab, fits):
    first = lab.fit(decision_threshold={"type": "maximize", "metric": "f1"})
    assert sorted(fits) == [240] * 5 + [300]
    assert first.value["fitted_again"]
    fits.clear()
    other = {
        "decision_threshold": {"type": "maximize", "metric": "accuracy"},
        "calibration": {"type": "sigmoid"},
    }
    second = lab.fit(**other)
    assert fits == []
    assert not second.value["fitted_again"]
    assert not second.value["out_of_fold"]["predicted_again"]
    assert "the fit as it was" in second.sentence
    changed = {name for name in first.artifacts if first.artifacts[name] != second.artifacts[name]}
    assert changed == {PREDICTOR, "curves"}
    lab.remembers = False
    assert lab.fit(**other).digest == second.digest


def test_other_folds_predict_again_and_another_seed_fits_again(lab, fits):
    asked = {"decision_threshold": {"type": "maximize", "metric": "f1"}}
    lab.fit(**asked)
    fits.clear()
    lab.fit(cross_validation={"folds": 3}, **asked)
    assert fits == [200] * 3
    fits.clear()
    lab.fit(seed=8, **asked)
    assert sorted(fits) == [240] * 5 + [300]
    fits.clear()
    lab.fit(seed=8, class_weights="balanced", **asked)
    assert sorted(fits) == [240] * 5 + [300]


def test_lost_files_are_fitted_again(lab, fits):
    asked = {"calibration": {"type": "sigmoid"}}
    first = lab.fit(**asked)
    for name in ("estimator.skops", "out_of_fold"):
        fits.clear()
        (lab.folder / "artifacts").joinpath(*_where(lab, first.artifacts[name])).unlink()
        assert lab.fit(**asked).digest == first.digest
        assert fits != []


def _where(lab: Lab, blob: str) -> tuple[str, ...]:
    path = lab.artifacts.local(blob)
    return path.relative_to(lab.folder / "artifacts").parts


def test_probabilities_are_calibrated_wherever_the_model_answers(lab):
    lab.fit(class_weights="balanced")
    fresh = _classes(rows=4000, seed=4)
    truth = (np.array(fresh.column("y").to_pylist()) == "yes").astype(float)

    def brier() -> float:
        return float(np.mean((_model(lab).predict(fresh).probabilities[:, 1] - truth) ** 2))

    before = brier()
    for kind in ("isotonic", "sigmoid", "temperature"):
        output = lab.fit(class_weights="balanced", calibration={"type": kind})
        facts = output.value["calibration"]
        assert facts["applied"]
        assert "calibration error" in output.sentence
        if kind != "temperature":  # one number cannot move all probabilities down
            assert brier() < before - 0.02
            assert facts["after"]["error"] < facts["before"]["error"] / 2
            assert facts["after"]["log_loss"] < facts["before"]["log_loss"]
    report = lab.evaluate(metrics=["brier"])
    assert report.value["metrics"]["brier"]["value"] < 0.19


def test_a_calibrated_model_decides_by_its_calibrated_probability(lab):
    lab.fit(
        class_weights="balanced",
        calibration={"type": "sigmoid"},
        decision_threshold={"type": "maximize", "metric": "f1"},
    )
    model = _model(lab)
    found = model.predict(_classes(seed=5))
    assert np.array_equal(found.labels == "yes", found.probabilities[:, 1] >= model.postprocessing.threshold)
    assert (
        model.postprocessing.threshold
        == lab.records["training/model"].value["decision_threshold"]["threshold"]
    )


def test_too_few_rows_are_not_calibrated_and_it_says_so(tmp_path):
    made = Lab(tmp_path, _classes(rows=100, positives=0.15), "y")
    made.make_features()
    made.search("logistic_regression", limits={"max_trials": 1})
    bare = made.fit().digest
    output = made.fit(calibration={"type": "isotonic"})
    assert output.digest == bare
    assert not output.value["calibration"]["applied"]
    (note,) = [event.text for event in made.events if isinstance(event, Note)]
    assert "not calibrated: no class has 20 out-of-fold rows" in note


def test_several_classes_are_calibrated(tmp_path):
    generator = np.random.default_rng(0)
    a = generator.normal(size=400)
    classes = np.array(["low", "mid", "high"])[np.digitize(a + generator.normal(size=400), [-0.7, 0.7])]
    made = Lab(tmp_path, pa.table({"a": a, "y": classes.tolist()}), "y")
    made.make_features()
    made.search("logistic_regression", limits={"max_trials": 1})
    for kind in ("isotonic", "sigmoid", "temperature"):
        assert made.fit(calibration={"type": kind}).value["calibration"]["applied"]
        found = _model(made).predict(pa.table({"a": a}))
        assert found.probabilities.sum(axis=1) == pytest.approx(1.0)
        best = found.probabilities.argmax(axis=1)
        assert [found.classes[k] for k in best] == found.labels.tolist()


def test_intervals_hold_the_truth_on_new_rows(numbers):
    output = numbers.fit(intervals={"type": "conformal", "confidence": 0.8, "bands": 4})
    fresh = _numbers(rows=4000, seed=2)
    found = _model(numbers).predict(fresh)
    truth = fresh.column("y").to_numpy()
    inside = (found.interval.low <= truth) & (truth <= found.interval.high)
    assert inside.mean() == pytest.approx(0.8, abs=0.05)
    assert found.interval.confidence == 0.8
    facts = output.value["intervals"]
    assert (facts["bands"], facts["rows"]) == (4, 300)
    assert facts["width"] == pytest.approx((found.interval.high - found.interval.low).mean(), rel=0.1)
    wide = _numbers(rows=50, seed=3)
    widths = np.subtract(*[getattr(_model(numbers).predict(wide).interval, end) for end in ("high", "low")])
    assert widths[np.argmax(wide.column("a"))] > 1.5 * widths[np.argmin(wide.column("a"))]


@pytest.fixture
def boosted(tmp_path) -> Lab:
    made = Lab(tmp_path, _numbers(rows=3000), "y")
    made.remembers = True
    made.make_features()
    made.search(algorithms=BOOSTED, limits={"max_trials": 1})
    return made


BOOSTED = {"hist_gradient_boosting": {"search_space": {"max_iter": 40, "learning_rate": 0.1}}}


def test_quantiles_are_wide_where_the_target_varies_much(boosted):
    asked = {"algorithms": BOOSTED, "intervals": {"type": "quantile", "confidence": 0.8}}
    output = boosted.fit(**asked)
    assert {name.partition(".")[0] for name in output.artifacts} >= {"estimator", "low", "high"}
    facts = output.value["intervals"]
    assert (facts["type"], facts["rows"], "bands" in facts) == ("quantile", 2250, False)
    fresh = _numbers(rows=4000, seed=2)
    found, truth, a = (
        _model(boosted).predict(fresh),
        fresh.column("y").to_numpy(),
        fresh.column("a").to_numpy(),
    )
    inside = (found.interval.low <= truth) & (truth <= found.interval.high)
    assert found.interval.confidence == 0.8
    widths = found.interval.high - found.interval.low
    for part in (a < 2, a > 4):
        assert inside[part].mean() == pytest.approx(0.8, abs=0.05)
        # The spread of the target is known: it is normal with a standard deviation of a.
        assert widths[part].mean() == pytest.approx(2 * 1.2816 * a[part].mean(), rel=0.15)
    assert facts["width"] == pytest.approx(widths.mean(), rel=0.1)
    # One width for all would cover too often where the target varies little.
    boosted.fit(algorithms=BOOSTED, intervals={"type": "conformal", "confidence": 0.8})
    even = _model(boosted).predict(fresh).interval
    assert np.mean((even.low <= truth)[a < 2] & (truth <= even.high)[a < 2]) > 0.9


def test_another_confidence_fits_other_quantiles_and_searches_nothing(boosted):
    asked = {"algorithms": BOOSTED, "intervals": {"type": "quantile", "confidence": 0.8}}
    first = boosted.fit(**asked)
    again = boosted.fit(**asked)
    assert (first.value["fitted_again"], again.value["fitted_again"]) == (True, False)
    assert again.digest == first.digest
    assert again.value["intervals"] == first.value["intervals"]
    asked["intervals"]["confidence"] = 0.9
    wider = boosted.fit(**asked)
    assert wider.value["fitted_again"]
    assert wider.value["intervals"]["width"] > first.value["intervals"]["width"]


def test_margins_without_their_quantiles_are_refused(boosted):
    output = boosted.fit(algorithms=BOOSTED, intervals={"type": "quantile"})
    files = {name: boosted.artifacts.get(digest) for name, digest in output.artifacts.items()}
    with pytest.raises(StageError, match="the predictor is incomplete"):
        load({name: data for name, data in files.items() if not name.startswith("low.")})
    contents = json.loads(files[PREDICTOR])
    del contents["quantiles"]
    with pytest.raises(StageError, match="not a predictor"):
        load(files | {PREDICTOR: json.dumps(contents).encode()})


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"algorithms": {"ridge": {}, "lightgbm": {}}}, "ridge cannot estimate quantiles"),
        ({"ensemble": {"type": "greedy"}}, "ensemble makes another"),
        ({"distributed": {"search_rows": 1000, "parts": 2}}, "distributed makes another"),
        ({"intervals": {"type": "quantile", "bands": 3}}, "already differ from row to row"),
    ],
)
def test_what_cannot_have_quantiles_is_said_at_once(block, said):
    with pytest.raises(ValidationError, match=said):
        Training.model_validate({"algorithms": {"xgboost": {}}, "intervals": {"type": "quantile"}} | block)


def test_the_plan_says_that_quantiles_are_fitted(boosted):
    section = Training.model_validate({"algorithms": BOOSTED, "intervals": {"type": "quantile"}})
    _, model = training.declare(Identity("lab", "active", metadata=None), section)
    assert training.describe(model) == (
        "fit the best trial and two quantiles on the whole training part, and once per fold to learn intervals"
    )


def test_too_few_rows_for_an_interval(tmp_path):
    made = Lab(tmp_path, _numbers(rows=24), "y")
    made.make_features()
    made.search("ridge", limits={"max_trials": 1})
    with pytest.raises(StageError, match="too few rows for intervals") as caught:
        made.fit(intervals={"type": "conformal", "confidence": 0.95})
    assert "18 out-of-fold rows" in caught.value.detail
    assert "39" in caught.value.detail


@pytest.mark.parametrize(
    ("block", "path"),
    [
        ({"calibration": {"type": "isotonic"}}, "calibration"),
        ({"decision_threshold": {"type": "fixed", "value": 0.5}}, "decision_threshold"),
        ({"class_weights": "balanced"}, "class_weights"),
    ],
)
def test_what_needs_classes_is_refused_for_numbers(numbers, block, path):
    with pytest.raises(StageError) as caught:
        numbers.fit(**block)
    assert caught.value.path == ("training", path)


def test_intervals_are_refused_for_classes(lab):
    with pytest.raises(StageError, match="an interval needs a number"):
        lab.fit(intervals={"type": "conformal"})


@pytest.mark.parametrize(
    ("block", "says"),
    [
        ({"type": "fixed"}, "a fixed threshold needs its value"),
        ({"type": "fixed", "value": 1.5}, "a number from 0 to 1"),
        ({"type": "fixed", "value": 0.5, "metric": "f1"}, "maximizes nothing"),
        ({"type": "maximize"}, "say what to maximize"),
        ({"type": "maximize", "metric": "f1", "value": "business"}, "say what to maximize"),
        ({"type": "maximize", "value": 0.5}, "a number cannot be maximized"),
        ({"type": "maximize", "metric": "recall"}, "metric"),
    ],
)
def test_a_threshold_has_one_goal(block, says):
    with pytest.raises(ValidationError, match=says):
        DecisionThreshold.model_validate(block)


@pytest.mark.parametrize("kind", ["isotonic", "sigmoid", "temperature"])
def test_a_class_with_one_row_keeps_its_probability_and_stops_nobody(tmp_path, kind):
    generator = np.random.default_rng(7)
    a = generator.normal(size=240)
    classes = np.where(a + generator.normal(size=240) > 0, "high", "low").astype(object)
    classes[0] = "once"  # the first row is a training row
    made = Lab(tmp_path, pa.table({"a": a, "y": classes.tolist()}), "y")
    made.make_features()
    made.search("logistic_regression", limits={"max_trials": 1})
    assert made.fit(calibration={"type": kind}, class_weights="balanced").value["calibration"]["applied"]
    found = _model(made).predict(pa.table({"a": a}))
    assert np.isfinite(found.probabilities).all()
    assert found.probabilities.sum(axis=1) == pytest.approx(1.0)


def test_an_unknown_class_ends_the_search_before_it_begins(tmp_path):
    made = Lab(tmp_path, _classes(), "y")
    made.make_features()
    with pytest.raises(StageError, match="unknown class") as caught:
        made.search("logistic_regression", class_weights={"maybe": 2.0})
    assert caught.value.path == ("training", "class_weights", "maybe")


def test_weights_change_what_the_search_sees(tmp_path):
    made = Lab(tmp_path, _classes(positives=0.1), "y")
    made.make_features()
    objective = {"primary_metric": "recall"}
    scores = [
        made.again()
        .search("logistic_regression", objective=objective, limits={"max_trials": 1}, **more)
        .value["score"]
        for more in ({}, {"class_weights": "balanced"}, {"sampling": {"type": "undersample"}})
    ]
    assert min(scores[1:]) > scores[0] + 0.2
