"""Intervals must hold the truth as often as they say, on rows that nobody has learned from."""

from __future__ import annotations

import numpy as np
import pytest

from tenure.ml.intervals import coverage, fit_intervals, rows_needed


def _rows(rows: int, seed: int, *, widening: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Predictions and truths with a skewed error, which may grow with the prediction."""
    generator = np.random.default_rng(seed)
    predicted = generator.uniform(0, 10, rows)
    error = generator.exponential(1.0, rows) - 1.0
    return predicted, predicted + error * (0.2 + predicted if widening else 1.0)


@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.9, 0.95])
def test_coverage_on_new_rows_over_many_draws(confidence):
    """Split conformal prediction covers at least as often as it says on average, and at most 2 / (n + 1) more."""
    found = []
    for seed in range(300):
        predicted, truth = _rows(60, seed)
        intervals = fit_intervals(predicted, truth, confidence)
        fresh, happened = _rows(400, 10_000 + seed)
        found.append(coverage(*intervals.around(fresh), happened))
    assert confidence - 0.01 <= np.mean(found) <= confidence + 2 / 61 + 0.01


def test_each_end_is_missed_equally_often():
    predicted, truth = _rows(20_000, 1)
    low, high = fit_intervals(predicted, truth, 0.9).around(predicted)
    assert np.mean(truth < low) == pytest.approx(0.05, abs=0.002)
    assert np.mean(truth > high) == pytest.approx(0.05, abs=0.002)


def test_the_ends_are_the_quantiles_of_the_errors():
    predicted, truth = _rows(999, 2)
    intervals = fit_intervals(predicted, truth, 0.8)
    ordered = np.sort(truth - predicted)
    assert intervals.above == (ordered[900 - 1],)
    assert intervals.below == (ordered[100 - 1],)


def test_bands_follow_errors_that_grow_with_the_prediction():
    predicted, truth = _rows(4000, 3, widening=True)
    one, five = (fit_intervals(predicted, truth, 0.9, bands) for bands in (1, 5))
    assert len(five.edges) == 4
    assert len(five.above) == len(five.below) == 5
    fresh, happened = _rows(20_000, 4, widening=True)
    small = fresh < 2
    covered = {n: coverage(*item.around(fresh[small]), happened[small]) for n, item in ((1, one), (5, five))}
    assert covered[1] > 0.97
    assert covered[5] == pytest.approx(0.9, abs=0.02)
    widths = [np.subtract(*item.around(fresh)[::-1]).mean() for item in (one, five)]
    assert widths[1] < widths[0]


def test_with_few_rows_there_are_fewer_bands_or_none():
    needed = rows_needed(0.9)
    assert needed == 19
    predicted, truth = _rows(2 * needed + 1, 5)
    assert len(fit_intervals(predicted, truth, 0.9, 10).above) == 2
    assert fit_intervals(predicted[:needed], truth[:needed], 0.9, 10).edges == ()
    assert fit_intervals(predicted[: needed - 1], truth[: needed - 1], 0.9) is None
    lowest, highest = np.min((truth - predicted)[:needed]), np.max((truth - predicted)[:needed])
    edge = fit_intervals(predicted[:needed], truth[:needed], 0.9)
    assert (edge.below, edge.above) == ((lowest,), (highest,))


def test_equal_predictions_are_one_band():
    truth = np.random.default_rng(0).normal(size=200)
    intervals = fit_intervals(np.full(200, 3.0), truth, 0.9, 5)
    assert len(intervals.above) == len(intervals.edges) + 1 == 1
