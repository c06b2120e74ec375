"""Intervals must hold the truth as often as they say, on rows that nobody has learned from."""

from __future__ import annotations

import numpy as np
import pytest

from tenure.ml.intervals import Margins, coverage, fit_intervals, fit_margins, rows_needed, tails


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


@pytest.mark.parametrize("shift", [-0.7, 0.0, 2.0])
def test_margins_make_bad_quantiles_hold_the_truth(shift):
    """Whatever is wrong with the quantiles, rows like those of the margins are covered as often as was asked for."""
    found = []
    for seed in range(300):
        predicted, truth = _rows(60, seed, widening=True)
        margins = fit_margins(predicted - shift, predicted + 1 + shift, truth, 0.8)
        fresh, happened = _rows(400, 10_000 + seed, widening=True)
        found.append(coverage(*margins.around(fresh - shift, fresh + 1 + shift, fresh), happened))
    assert 0.79 <= np.mean(found) <= 0.8 + 2 / 61 + 0.01


def test_margins_of_true_quantiles_are_small_and_keep_their_shape():
    predicted, truth = _rows(20_000, 3, widening=True)
    low, high = (
        predicted + (0.2 + predicted) * (-np.log(1 - quantile) - 1) for quantile in tails(0.9)
    )  # of an exponential distribution
    margins = fit_margins(low, high, truth, 0.9)
    assert abs(margins.below) < 0.02
    assert abs(margins.above) < 0.5
    assert coverage(*margins.around(low, high, predicted), truth) == pytest.approx(0.9, abs=0.003)


def test_quantiles_that_cross_still_have_the_prediction_between_them():
    margins = Margins(0.9, 0.5, -0.5)
    low, high = margins.around(np.array([1.0, 1.0]), np.array([3.0, 1.2]), np.array([9.0, 1.1]))
    assert low.tolist() == pytest.approx([1.5, 0.7])
    assert high.tolist() == pytest.approx([9.0, 1.5])
    assert fit_margins(low, high, low, 0.9) is None


def test_the_tails_leave_half_of_the_rest_on_each_side():
    assert tails(0.9) == pytest.approx((0.05, 0.95))
