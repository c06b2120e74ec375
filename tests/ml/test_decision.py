"""Thresholds against a search over every possible one, with scikit-learn's metrics."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from tenure.ml.decision import (
    METRICS,
    OUTCOMES,
    best_by_metric,
    best_by_value,
    outcomes,
    value_per_row,
)

ORACLES = {
    "accuracy": metrics.accuracy_score,
    "balanced_accuracy": metrics.balanced_accuracy_score,
    "f1": lambda truth, guess: metrics.f1_score(truth, guess, zero_division=0),
    "f1_macro": lambda truth, guess: metrics.f1_score(truth, guess, average="macro", zero_division=0),
    "matthews_correlation": metrics.matthews_corrcoef,
}
VALUE = {"true_positive": 120.0, "false_positive": -15.0, "false_negative": -80.0, "true_negative": 0.0}


def _rows(rows: int = 120, seed: int = 3, positives: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = generator.random(rows) < positives
    said = np.clip(generator.normal(0.3 + 0.2 * truth, 0.15), 0, 1).round(2)
    return said, truth


def test_every_metric_has_an_oracle():
    assert set(ORACLES) == set(METRICS)


def test_the_counts_are_those_of_scikit_learn_at_every_threshold():
    said, truth = _rows()
    found = outcomes(said, truth)
    assert len(found.thresholds) == len(np.unique(said)) + 1
    for k, threshold in enumerate(found.thresholds):
        (tn, fp), (fn, tp) = metrics.confusion_matrix(truth, said >= threshold, labels=[False, True])
        assert [getattr(found, name)[k] for name in OUTCOMES] == [tp, fp, fn, tn]


@pytest.mark.parametrize("name", METRICS)
def test_no_threshold_is_better_by_the_metric(name):
    said, truth = _rows()
    chosen = best_by_metric(outcomes(said, truth), name)
    best = max(ORACLES[name](truth, said >= t) for t in np.linspace(0, 1, 501))
    assert chosen.reached == pytest.approx(ORACLES[name](truth, said >= chosen.threshold))
    assert chosen.reached == pytest.approx(best)
    assert chosen.at_half == pytest.approx(ORACLES[name](truth, said >= 0.5))


def test_the_most_valuable_threshold_of_right_probabilities_is_that_of_decision_theory():
    """Elkan 2001: positive where p tp + (1-p) fp > p fn + (1-p) tn."""
    generator = np.random.default_rng(0)
    said = generator.random(20_000)
    truth = generator.random(20_000) < said
    chosen = best_by_value(outcomes(said, truth), VALUE)
    gain, loss = 120 - -80, 0 - -15
    assert chosen.threshold == pytest.approx(loss / (loss + gain), abs=0.03)
    positive = said >= chosen.threshold
    worth = np.where(truth, np.where(positive, 120, -80), np.where(positive, -15, 0)).mean()
    assert chosen.reached == pytest.approx(worth)
    assert chosen.reached > chosen.at_half


def test_the_curve_shows_the_choice_among_evenly_spaced_points():
    said, truth = _rows()
    chosen = best_by_value(outcomes(said, truth), VALUE)
    thresholds = [point["threshold"] for point in chosen.curve]
    assert thresholds == sorted(thresholds)
    assert chosen.threshold in thresholds
    assert max(point["value_per_row"] for point in chosen.curve) == chosen.reached
    point = chosen.curve[thresholds.index(chosen.threshold)]
    assert point["recall"] == pytest.approx(metrics.recall_score(truth, said >= chosen.threshold))
    assert point["precision"] == pytest.approx(metrics.precision_score(truth, said >= chosen.threshold))


def test_where_acting_never_pays_no_row_is_positive():
    said, truth = _rows()
    found = outcomes(said, truth)
    never = {"true_positive": -1, "false_positive": -1, "false_negative": 0, "true_negative": 0}
    always = {"true_positive": 1, "false_positive": 1, "false_negative": 0, "true_negative": 0}
    assert not (said >= best_by_value(found, never).threshold).any()
    assert (said >= best_by_value(found, always).threshold).all()


def test_of_equally_good_thresholds_the_one_next_to_a_half():
    said, truth = np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True])
    assert best_by_metric(outcomes(said, truth), "accuracy").threshold == 0.5
    same = dict.fromkeys(OUTCOMES, 1.0)
    assert best_by_value(outcomes(said, truth), same).threshold == 0.5


def test_probabilities_next_to_each_other_are_told_apart():
    low = 0.3
    said = np.array([low, np.nextafter(low, 1)])
    found = outcomes(said, np.array([False, True]))
    chosen = best_by_metric(found, "accuracy")
    assert list(said >= chosen.threshold) == [False, True]


def test_one_probability_for_all_rows():
    found = outcomes(np.full(10, 0.4), np.arange(10) < 2)
    assert [int(n) for n in found.true_positive] == [2, 0]
    assert value_per_row(found, VALUE) == pytest.approx([(2 * 120 - 8 * 15) / 10, -16.0])
    certain = outcomes(np.ones(4), np.array([True, True, True, False]))
    assert list(certain.thresholds) == [0.0]
