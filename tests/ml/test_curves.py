"""Curves and tables against scikit-learn, SciPy and counting by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn import calibration, metrics

from tenure.ml import curves
from tenure.ml.metrics import scored
from tenure.ml.predictions import from_probabilities

GENERATOR = np.random.default_rng(5)
ROWS = 500
TRUTH = GENERATOR.integers(0, 2, ROWS)
SCORE = np.round(np.clip(0.4 * TRUTH + GENERATOR.normal(0.3, 0.2, ROWS), 0.001, 0.999), 2)


def _on(points: dict, x: str, y: str) -> set:
    return set(zip(np.round(points[x], 12), np.round(points[y], 12), strict=True))


def test_every_point_of_the_roc_curve_is_one_of_scikit_learns():
    false, true, _ = metrics.roc_curve(TRUTH, SCORE, drop_intermediate=False)
    points = curves.roc_points(TRUTH, SCORE)
    assert _on(points, "false_positive_rate", "true_positive_rate") <= set(
        zip(np.round(false, 12), np.round(true, 12), strict=True)
    )
    assert (points["false_positive_rate"][0], points["true_positive_rate"][0]) == (0, 0)
    assert (points["false_positive_rate"][-1], points["true_positive_rate"][-1]) == (1, 1)
    area = np.trapezoid(points["true_positive_rate"], points["false_positive_rate"])
    assert area == pytest.approx(metrics.roc_auc_score(TRUTH, SCORE), abs=0.005)


def test_every_point_of_precision_and_recall_is_one_of_scikit_learns():
    precision, recall, thresholds = metrics.precision_recall_curve(TRUTH, SCORE)
    points = curves.precision_recall_points(TRUTH, SCORE)
    theirs = set(zip(np.round(recall, 12), np.round(precision, 12), strict=True))
    assert _on(points, "recall", "precision") <= theirs
    assert points["recall"][-1] == 1
    assert set(points["threshold"]) <= set(thresholds)


def test_curves_of_many_rows_stay_small():
    truth = GENERATOR.integers(0, 2, 20_000)
    points = curves.roc_points(truth, GENERATOR.random(20_000))
    assert len(points["true_positive_rate"]) <= curves.POINTS + 2


def test_one_class_only_has_no_curves():
    assert curves.roc_points(np.ones(5), SCORE[:5]) is None
    assert curves.precision_recall_points(np.zeros(5), SCORE[:5]) is None


def test_the_calibration_curve_is_scikit_learns_with_wilson_intervals():
    rows = scored(TRUTH, from_probabilities(np.column_stack([1 - SCORE, SCORE]), (0, 1)))
    found = curves.calibration_curve(rows)
    # In bins of scikit-learn a value on a border belongs to the lower one: move them inside.
    happened, promised = calibration.calibration_curve(TRUTH, np.minimum(SCORE + 1e-9, 1), n_bins=10)
    assert [item["happened"] for item in found] == pytest.approx(list(happened))
    assert [item["promised"] for item in found] == pytest.approx(list(promised), abs=1e-8)
    assert sum(item["rows"] for item in found) == ROWS
    for item in found:
        low, high = stats.binomtest(round(item["happened"] * item["rows"]), item["rows"]).proportion_ci(
            method="wilson"
        )
        assert (item["low"], item["high"]) == pytest.approx((low, high), abs=1e-9)


def test_the_parts_of_the_brier_score_add_up_to_it():
    parts = curves.brier_parts(TRUTH, SCORE)
    assert parts["brier"] == pytest.approx(metrics.brier_score_loss(TRUTH, SCORE))
    whole = parts["reliability"] - parts["resolution"] + parts["uncertainty"] + parts["within"]
    assert whole == pytest.approx(parts["brier"])
    assert parts["uncertainty"] == pytest.approx(TRUTH.mean() * (1 - TRUTH.mean()))
    # With one probability in each bin nothing is lost by looking at bins.
    coarse = np.minimum(np.floor(SCORE * 10), 9) / 10 + 0.05
    assert curves.brier_parts(TRUTH, coarse)["within"] == pytest.approx(0, abs=1e-12)


def test_gains_by_counting():
    score = np.arange(100) / 100
    truth = (score >= 0.8).astype(int)
    table = curves.gains(truth, score)
    assert [row["lift"] for row in table] == pytest.approx([5, 5, 0, 0, 0, 0, 0, 0, 0, 0])
    assert [row["found"] for row in table] == pytest.approx([0.5, 1, 1, 1, 1, 1, 1, 1, 1, 1])
    # Nothing is told apart: every part has its share.
    flat = curves.gains(truth, np.full(100, 0.3))
    assert [row["lift"] for row in flat] == pytest.approx([1] * 10)


def test_residuals_by_size_of_the_prediction():
    guess = np.repeat(np.arange(10.0), 10)
    truth = guess - np.tile([-1.0, 1.0], 50)
    found = curves.residuals(truth, guess)
    assert found["mean"] == pytest.approx(0)
    assert [band["predicted"] for band in found["bands"]] == list(range(10))
    assert all(band["rows"] == 10 for band in found["bands"])
    assert sum(found["counts"]) == 100
    # Always too high by 3.
    assert curves.residuals(guess - 3, guess)["mean"] == pytest.approx(3)
