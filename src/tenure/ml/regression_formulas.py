"""The formulas for numbers: rows and weights (rows, resamples) in, one value per resample out."""

from __future__ import annotations

import numpy as np

from tenure.ml.formulas import Floats, Groups, Scored, mean
from tenure.ml.rank_formulas import ranks

_FARTHEST = 64
"""Of so many rows with the greatest errors a resample misses all once in e**64."""

_FINER = 8


def _errors(rows: Scored) -> Floats:
    result: Floats = np.abs(rows.truth - rows.guess)
    return result


def mae(rows: Scored, weights: Floats) -> Floats:
    """Mean absolute error."""
    return mean(_errors(rows), weights)


def rmse(rows: Scored, weights: Floats) -> Floats:
    """Root of the mean squared error."""
    result: Floats = np.sqrt(mean((rows.truth - rows.guess) ** 2, weights))
    return result


def rmsle(rows: Scored, weights: Floats) -> Floats:
    """Root of the mean squared error of log(1 + value); NaN where a value is -1 or less."""
    if min(rows.truth.min(), rows.guess.min()) <= -1:
        return np.full(weights.shape[1], np.nan)
    result: Floats = np.sqrt(mean((np.log1p(rows.truth) - np.log1p(rows.guess)) ** 2, weights))
    return result


def mape(rows: Scored, weights: Floats) -> Floats:
    """Mean absolute error relative to the true value."""
    scale = np.maximum(np.abs(rows.truth), np.finfo(np.float64).eps)
    return mean(_errors(rows) / scale, weights)


def smape(rows: Scored, weights: Floats) -> Floats:
    """Mean absolute error relative to the mean size of truth and prediction: 0 to 2; 0 where both are 0."""
    size = (np.abs(rows.truth) + np.abs(rows.guess)) / 2
    return mean(np.divide(_errors(rows), size, out=np.zeros(len(size)), where=size > 0), weights)


def r2(rows: Scored, weights: Floats) -> Floats:
    """Share of the variance explained; NaN where there is none."""
    return _explained((rows.truth - rows.guess) ** 2 @ weights, rows, weights)


def explained_variance(rows: Scored, weights: Floats) -> Floats:
    """As r2, where an error that is the same for all rows does not count."""
    residual = rows.truth - rows.guess
    return _explained(_spread(residual, weights), rows, weights)


def _explained(residual: Floats, rows: Scored, weights: Floats) -> Floats:
    spread = _spread(rows.truth, weights)
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Floats = np.where(spread > 0, 1 - residual / spread, np.nan)
    return result


def _spread(values: Floats, weights: Floats) -> Floats:
    """Sum of squared distances from the weighted mean."""
    # Around the overall mean, so that a large offset does not cancel.
    shifted = values - values.mean()
    total = weights.sum(axis=0)
    result: Floats = shifted**2 @ weights - (shifted @ weights) ** 2 / total
    return result


def median_absolute_error(rows: Scored, weights: Floats) -> Floats:
    """Median absolute error; weights are whole counts."""

    def groups() -> tuple[Groups, Floats]:
        errors = _errors(rows)
        # A median is one rank: a group must be finer than what its interval shows.
        codes, count = ranks(errors, rows.resolution and _FINER * rows.resolution)
        # Each group by its mean: of equal errors that is their value.
        values = np.bincount(codes, weights=errors, minlength=count) / np.bincount(codes, minlength=count)
        return Groups(codes, count), values

    grouped, values = rows.once("errors", groups)
    cumulative = np.cumsum(grouped.sums(weights), axis=0)
    total = cumulative[-1]
    # The median is the mean of the two middle draws (the same one when their number is odd).
    low = np.argmax(cumulative >= (total + 1) // 2, axis=0)
    high = np.argmax(cumulative >= total // 2 + 1, axis=0)
    result: Floats = (values[low] + values[high]) / 2
    return result


def max_error(rows: Scored, weights: Floats) -> Floats:
    """Greatest absolute error."""
    errors = _errors(rows)
    far = np.argsort(-errors, kind="stable")[:_FARTHEST]
    result: Floats = np.where(weights[far] > 0, errors[far][:, None], 0.0).max(axis=0)
    return result
