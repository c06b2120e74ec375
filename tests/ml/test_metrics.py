from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from tenure.core.errors import StageError
from tenure.ml.metrics import (
    METRICS,
    Scored,
    baseline,
    default_metrics,
    metric,
    score,
)
from tenure.ml.predictions import Predictions, from_probabilities
from tenure.ml.resampling import RESOLUTION, bootstrap, bootstrap_all, paired_difference

GENERATOR = np.random.default_rng(11)
ROWS = 240


def _binary() -> tuple[np.ndarray, Predictions, np.ndarray]:
    truth = GENERATOR.integers(0, 2, ROWS)
    # Rounded, so that there are ties for the rank metrics to get right.
    positive = np.round(np.clip(0.5 * truth + GENERATOR.normal(0.25, 0.25, ROWS), 0.02, 0.98), 2)
    return truth, from_probabilities(np.column_stack([1 - positive, positive]), (0, 1)), positive


def _multiclass() -> tuple[np.ndarray, Predictions, np.ndarray]:
    truth = GENERATOR.integers(0, 5, ROWS)
    raw = GENERATOR.random((ROWS, 5)) + 0.7 * np.eye(5)[truth]
    probabilities = raw / raw.sum(axis=1, keepdims=True)
    return truth, from_probabilities(probabilities, (0, 1, 2, 3, 4)), probabilities


def _sklearn(name, truth, predictions, weights):
    guess = predictions.labels.astype(truth.dtype)
    p = predictions.probabilities
    w = {"sample_weight": weights}
    match name:
        case "accuracy":
            return sk.accuracy_score(truth, guess, **w)
        case "balanced_accuracy":
            return sk.balanced_accuracy_score(truth, guess, **w)
        case "f1_macro":
            return sk.f1_score(truth, guess, average="macro", **w)
        case "f1":
            return sk.f1_score(truth, guess, **w)
        case "precision":
            return sk.precision_score(truth, guess, **w)
        case "recall":
            return sk.recall_score(truth, guess, **w)
        case "roc_auc":
            if p.shape[1] == 2:
                return sk.roc_auc_score(truth, p[:, 1], **w)
            return np.mean([sk.roc_auc_score(truth == k, p[:, k], **w) for k in range(p.shape[1])])
        case "average_precision":
            return sk.average_precision_score(truth, p[:, 1], **w)
        case "f1_weighted":
            return sk.f1_score(truth, guess, average="weighted", **w)
        case "precision_macro":
            return sk.precision_score(truth, guess, average="macro", zero_division=0, **w)
        case "specificity":
            return sk.recall_score(truth, guess, pos_label=0, **w)
        case "matthews_correlation":
            return sk.matthews_corrcoef(truth, guess, **w)
        case "cohen_kappa":
            return sk.cohen_kappa_score(truth, guess, **w)
        case "top_3_accuracy":
            return sk.top_k_accuracy_score(truth, p, k=3, labels=range(p.shape[1]), **w)
        case "kolmogorov_smirnov":
            drawn = np.repeat(np.arange(len(truth)), weights.astype(int))
            positive, hit = p[drawn, 1], truth[drawn] == 1
            return stats.ks_2samp(positive[hit], positive[~hit]).statistic
        case "top_decile_lift":
            return _lift(truth, p[:, 1], weights)
        case "expected_calibration_error":
            return _calibration_error(truth, p, weights)
        case "rmsle":
            return sk.root_mean_squared_log_error(truth, guess, **w)
        case "explained_variance":
            return sk.explained_variance_score(truth, guess, **w)
        case "smape":
            return np.average(2 * np.abs(truth - guess) / (np.abs(truth) + np.abs(guess)), weights=weights)
        case "max_error":
            return sk.max_error(truth[weights > 0], guess[weights > 0])
        case "log_loss":
            return sk.log_loss(truth, p, labels=range(p.shape[1]), **w)
        case "brier":
            return sk.brier_score_loss(truth, p[:, 1], **w)
        case "mae":
            return sk.mean_absolute_error(truth, guess, **w)
        case "rmse":
            return sk.root_mean_squared_error(truth, guess, **w)
        case "r2":
            return sk.r2_score(truth, guess, **w)
        case "mape":
            return sk.mean_absolute_percentage_error(truth, guess, **w)
        case "median_absolute_error":
            return np.median(np.repeat(np.abs(truth - guess), weights.astype(int)))
    raise AssertionError(name)


def _lift(truth, positive, weights):
    """One drawn row after the other, from the top; rows of equal probability give their mean."""
    drawn = np.repeat(np.arange(len(truth)), weights.astype(int))
    scores, hits = positive[drawn], (truth[drawn] == 1).astype(float)
    for value in np.unique(scores):
        hits[scores == value] = hits[scores == value].mean()
    hits = hits[np.argsort(-scores, kind="stable")]
    return hits[: len(hits) // 10].mean() / hits.mean()


def _calibration_error(truth, probabilities, weights):
    if probabilities.shape[1] == 2:
        promised, happened = probabilities[:, 1], truth == 1
    else:
        promised, happened = probabilities.max(axis=1), truth == probabilities.argmax(axis=1)
    total = 0.0
    edges = np.arange(11) / 10
    for low, high in itertools.pairwise(edges):
        inside = (promised >= low) & ((promised < high) | (high == 1))
        if weights[inside].sum():
            gap = np.average(promised[inside], weights=weights[inside]) - np.average(
                happened[inside], weights=weights[inside]
            )
            total += abs(gap) * weights[inside].sum() / weights.sum()
    return total


def _case(task):
    if task == "binary":
        return _binary()[:2]
    if task == "multiclass":
        return _multiclass()[:2]
    truth = GENERATOR.normal(100, 5, ROWS)
    return truth, Predictions(truth + GENERATOR.normal(0, 2, ROWS), None, ())


CASES = [(item.name, task) for item in METRICS for task in item.tasks]


@pytest.mark.parametrize(("name", "task"), CASES)
def test_every_metric_agrees_with_scikit_learn(name, task):
    truth, predictions = _case(task)
    assert score(metric(name, task), truth, predictions) == pytest.approx(
        _sklearn(name, truth, predictions, np.ones(ROWS)), abs=1e-12
    )


@pytest.mark.parametrize(("name", "task"), CASES)
def test_every_metric_of_a_resample_agrees_with_scikit_learn_on_weights(name, task):
    truth, predictions = _case(task)
    weights = GENERATOR.multinomial(ROWS, np.full(ROWS, 1 / ROWS)).astype(float)
    if task == "regression":
        rows = Scored(truth, predictions.labels, None, 0)
    else:
        rows = Scored(
            truth, predictions.labels.astype(int), predictions.probabilities, len(predictions.classes)
        )
    value = metric(name, task).formula(rows, weights[:, None])[0]
    assert value == pytest.approx(_sklearn(name, truth, predictions, weights), abs=1e-12)


def test_accuracy_interval_is_the_binomial_one():
    truth = np.array([1] * 400)
    predictions = Predictions(np.array([1] * 300 + [0] * 100, dtype=object), None, (0, 1))
    interval = bootstrap(metric("accuracy", "binary"), truth, predictions, resamples=4000, seed=3)
    low, high = stats.binom.interval(0.95, 400, 0.75)
    assert interval.value == 0.75
    assert interval.n == 400
    assert interval.low == pytest.approx(low / 400, abs=0.006)
    assert interval.high == pytest.approx(high / 400, abs=0.006)


def test_wider_confidence_gives_a_wider_interval_and_the_seed_decides():
    truth, predictions = _case("regression")
    item = metric("rmse", "regression")
    narrow = bootstrap(item, truth, predictions, confidence=0.8, seed=1)
    wide = bootstrap(item, truth, predictions, confidence=0.99, seed=1)
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high
    assert bootstrap(item, truth, predictions, seed=1) == bootstrap(item, truth, predictions, seed=1)
    assert bootstrap(item, truth, predictions, seed=1) != bootstrap(item, truth, predictions, seed=2)


def test_resamples_without_a_positive_row_are_left_out():
    truth = np.array([0] * 29 + [1])
    positive = np.linspace(0.1, 0.9, 30)
    predictions = from_probabilities(np.column_stack([1 - positive, positive]), (0, 1))
    interval = bootstrap(metric("roc_auc", "binary"), truth, predictions, resamples=500, seed=0)
    # The one positive row is missing from (29/30)^30 = 36 % of the resamples.
    assert 270 < interval.resamples < 370
    assert interval.value == interval.low == interval.high == 1.0


def test_one_class_only_has_no_auc_but_an_accuracy():
    predictions = from_probabilities(np.array([[0.6, 0.4], [0.7, 0.3]]), ("no", "yes"))
    assert np.isnan(score(metric("roc_auc", "binary"), ["no", "no"], predictions))
    assert score(metric("accuracy", "binary"), ["no", "no"], predictions) == 1.0


def test_a_class_the_model_never_saw_counts_as_wrong():
    predictions = from_probabilities(np.array([[0.9, 0.1], [0.2, 0.8]]), ("a", "b"))
    assert score(metric("accuracy", "binary"), ["a", "new"], predictions) == 0.5
    assert score(metric("log_loss", "binary"), ["a", "new"], predictions) > 15


def test_paired_difference_is_positive_for_the_better_model_whatever_the_goal():
    truth = GENERATOR.normal(0, 1, 300)
    shared = GENERATOR.normal(0, 1, 300)
    good = Predictions(truth + shared, None, ())
    bad = Predictions(truth + 1.1 * shared, None, ())
    for name in ("rmse", "r2"):
        item = metric(name, "regression")
        difference = paired_difference(item, truth, good, bad, seed=5)
        assert 0 < difference.low < difference.value < difference.high
        assert paired_difference(item, truth, bad, good, seed=5).value == pytest.approx(-difference.value)
        # The two intervals alone overlap: only pairing shows the difference.
        first, second = (bootstrap(item, truth, guess, seed=5) for guess in (good, bad))
        assert max(first.low, second.low) < min(first.high, second.high)


def test_baseline_is_the_majority_with_class_shares_or_the_mean():
    guess = baseline("multiclass", np.array(["a", "b", "b", "c"], dtype=object), 2, ("a", "b", "c"))
    assert guess.labels.tolist() == ["b", "b"]
    assert guess.probabilities.tolist() == [[0.25, 0.5, 0.25]] * 2
    # The entropy of the shares is what their log loss comes to on the data they come from.
    loss = score(
        metric("log_loss", "multiclass"),
        ["a", "b", "b", "c"],
        baseline("multiclass", ["a", "b", "b", "c"], 4, ("a", "b", "c")),
    )
    assert loss == pytest.approx(stats.entropy([0.25, 0.5, 0.25]))
    mean = baseline("regression", [1.0, 2.0, 6.0], 3, ())
    assert mean.labels.tolist() == [3.0, 3.0, 3.0]
    assert score(metric("r2", "regression"), [1.0, 2.0, 6.0], mean) == pytest.approx(0.0)


def test_an_unknown_metric_names_the_nearest_one():
    with pytest.raises(StageError) as caught:
        metric("acuracy", "binary", ("evaluation", "metrics", 0))
    assert caught.value.hint == "did you mean 'accuracy'?"
    assert caught.value.path == ("evaluation", "metrics", 0)
    with pytest.raises(StageError, match="not one for multiclass models"):
        metric("brier", "multiclass")


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_default_metrics_fit_their_task(task):
    assert all(metric(name, task) for name in default_metrics(task))


def test_many_rows_are_quick_and_their_intervals_those_of_all_ranks(monkeypatch):
    rows = 30_000
    generator = np.random.default_rng(3)
    truth = generator.integers(0, 2, rows)
    positive = np.clip(0.4 * truth + generator.normal(0.3, 0.2, rows), 0, 1)
    predictions = from_probabilities(np.column_stack([1 - positive, positive]), (0, 1))
    items = [metric(name, "binary") for name in ("roc_auc", "average_precision", "kolmogorov_smirnov")]
    quick = bootstrap_all(items, truth, predictions, resamples=200, seed=4)
    monkeypatch.setattr("tenure.ml.resampling._WIDE", rows)
    exact = bootstrap_all(items, truth, predictions, resamples=200, seed=4)
    for item in items:
        width = exact[item.name].high - exact[item.name].low
        assert quick[item.name].value == exact[item.name].value
        assert quick[item.name].low == pytest.approx(exact[item.name].low, abs=0.02 * width)
        assert quick[item.name].high == pytest.approx(exact[item.name].high, abs=0.02 * width)
    # And the median, of which a coarse rank would be seen at once.
    values = generator.normal(size=rows)
    numbers = Predictions(values + generator.normal(size=rows), None, ())
    monkeypatch.setattr("tenure.ml.resampling._WIDE", 10_000)
    median = bootstrap(metric("median_absolute_error", "regression"), values, numbers, resamples=200)
    # The standard error of a median: 1 / (2 f(m) sqrt(n)), with the density of |N(0, 1)| at its median.
    error = 1 / (2 * 2 * stats.norm.pdf(stats.norm.ppf(0.75)) * np.sqrt(rows))
    assert median.high - median.low == pytest.approx(2 * 1.96 * error, rel=0.2)


def test_resolution_leaves_equal_scores_together():
    from tenure.ml.rank_formulas import ranks

    score = np.repeat([0.1, 0.5, 0.9], [10, RESOLUTION * 2, 10])
    codes, count = ranks(score, RESOLUTION)
    assert count == 3
    assert [len(set(codes[score == value])) for value in (0.1, 0.5, 0.9)] == [1, 1, 1]
