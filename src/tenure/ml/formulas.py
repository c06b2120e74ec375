"""The formulas of the metrics: rows and weights (resamples, rows) in, one value per resample out.

NaN where a resample has no such value. scikit-learn's functions with `sample_weight` are the reference.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from tenure.core.errors import StageError

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


class Scored(msgspec.Struct, frozen=True, eq=False):
    """Rows as the formulas take them: `truth` and `guess` are class positions or numbers, `probabilities` is
    (rows, classes)."""

    truth: Array
    guess: Array
    probabilities: Floats | None
    classes: int


# --- formulas: one value per row ------------------------------------------------------------------------------


def _mean(losses: Floats, weights: Floats) -> Floats:
    result: Floats = (weights @ losses) / weights.sum(axis=1)
    return result


def accuracy(rows: Scored, weights: Floats) -> Floats:
    """Share of rows predicted right."""
    return _mean((rows.truth == rows.guess).astype(np.float64), weights)


def log_loss(rows: Scored, weights: Floats) -> Floats:
    """Mean negative log probability of the true class, clipped at the machine epsilon."""
    probabilities = _known(rows)
    chosen = probabilities[np.arange(len(rows.truth)), rows.truth]
    return _mean(-np.log(np.clip(chosen, np.finfo(np.float64).eps, 1.0)), weights)


def brier(rows: Scored, weights: Floats) -> Floats:
    """Mean squared error of the positive class's probability."""
    return _mean((_known(rows)[:, 1] - (rows.truth == 1)) ** 2, weights)


def mae(rows: Scored, weights: Floats) -> Floats:
    """Mean absolute error."""
    return _mean(np.abs(rows.truth - rows.guess), weights)


def rmse(rows: Scored, weights: Floats) -> Floats:
    """Root of the mean squared error."""
    result: Floats = np.sqrt(_mean((rows.truth - rows.guess) ** 2, weights))
    return result


def mape(rows: Scored, weights: Floats) -> Floats:
    """Mean absolute error relative to the true value."""
    scale = np.maximum(np.abs(rows.truth), np.finfo(np.float64).eps)
    return _mean(np.abs(rows.truth - rows.guess) / scale, weights)


def r2(rows: Scored, weights: Floats) -> Floats:
    """Share of the variance explained; NaN where there is none."""
    total = weights.sum(axis=1)
    mean = (weights @ rows.truth) / total
    # Around the overall mean, so that a large offset does not cancel.
    shift = rows.truth.mean()
    spread = (weights @ (rows.truth - shift) ** 2) - total * (mean - shift) ** 2
    residual = weights @ (rows.truth - rows.guess) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Floats = np.where(spread > 0, 1 - residual / spread, np.nan)
    return result


def median_absolute_error(rows: Scored, weights: Floats) -> Floats:
    """Median absolute error; weights are whole counts."""
    errors = np.abs(rows.truth - rows.guess)
    order = np.argsort(errors, kind="stable")
    ordered = errors[order]
    cumulative = np.cumsum(weights[:, order], axis=1)
    total = cumulative[:, -1]
    # Weights are whole counts: the median is the mean of the two middle draws (the same one when odd).
    low = np.argmax(cumulative >= ((total + 1) // 2)[:, None], axis=1)
    high = np.argmax(cumulative >= (total // 2 + 1)[:, None], axis=1)
    result: Floats = (ordered[low] + ordered[high]) / 2
    return result


# --- formulas: counts of truth by guess -------------------------------------------------------------------------


def _confusions(rows: Scored, weights: Floats) -> Floats:
    """(resamples, classes, classes): weight of each pair of true and predicted class."""
    k = rows.classes
    cells = rows.truth * k + rows.guess
    table = np.zeros((len(weights), k * k))
    present = np.unique(cells)
    for cell in present:
        table[:, cell] = weights[:, cells == cell].sum(axis=1)
    return table.reshape(len(weights), k, k)


def _ratio(above: Floats, below: Floats, otherwise: float) -> Floats:
    result = np.full(np.shape(above), otherwise)
    np.divide(above, below, out=result, where=below > 0)
    return result


def balanced_accuracy(rows: Scored, weights: Floats) -> Floats:
    """Mean recall of the classes that occur."""
    table = _confusions(rows, weights)
    recall = _ratio(np.diagonal(table, axis1=1, axis2=2), table.sum(axis=2), np.nan)
    return _nanmean(recall)


def f1_macro(rows: Scored, weights: Floats) -> Floats:
    """Mean F1 of the classes that occur or are predicted."""
    table = _confusions(rows, weights)
    hits = np.diagonal(table, axis1=1, axis2=2)
    # A class that neither occurs nor is predicted has no f1 and does not count.
    return _nanmean(_ratio(2 * hits, table.sum(axis=1) + table.sum(axis=2), np.nan))


def f1(rows: Scored, weights: Floats) -> Floats:
    """F1 of the positive class; 0 where it neither occurs nor is predicted."""
    table = _confusions(rows, weights)
    return _ratio(2 * table[:, 1, 1], table[:, 1, :].sum(axis=1) + table[:, :, 1].sum(axis=1), 0.0)


def precision(rows: Scored, weights: Floats) -> Floats:
    """Share of predicted positives that are positive; 0 where none is predicted."""
    table = _confusions(rows, weights)
    return _ratio(table[:, 1, 1], table[:, :, 1].sum(axis=1), 0.0)


def recall(rows: Scored, weights: Floats) -> Floats:
    """Share of positives that are found; 0 where there are none."""
    table = _confusions(rows, weights)
    return _ratio(table[:, 1, 1], table[:, 1, :].sum(axis=1), 0.0)


def _nanmean(values: Floats) -> Floats:
    known = ~np.isnan(values)
    return _ratio(np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1).astype(np.float64), np.nan)


# --- formulas: ranks --------------------------------------------------------------------------------------------


def _ranked(score: Floats, positive: Array, weights: Floats) -> tuple[Floats, Floats]:
    """Weight of positive and negative rows in each group of equal scores, ascending: two (resamples, groups)."""
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(score[order]) != 0])
    ordered = weights[:, order]
    hit = positive[order]
    return (
        np.add.reduceat(ordered * hit, starts, axis=1),
        np.add.reduceat(ordered * ~hit, starts, axis=1),
    )


def _auc(score: Floats, positive: Array, weights: Floats) -> Floats:
    """Mann-Whitney: the share of (positive, negative) pairs in the right order, ties counting half."""
    hits, misses = _ranked(score, positive, weights)
    below = np.cumsum(misses, axis=1) - misses
    wins = (hits * (below + misses / 2)).sum(axis=1)
    return _ratio(wins, hits.sum(axis=1) * misses.sum(axis=1), np.nan)


def roc_auc(rows: Scored, weights: Floats) -> Floats:
    """Area under the ROC curve; for several classes the mean of one against the rest."""
    probabilities = _known(rows)
    if rows.classes == 2:
        return _auc(probabilities[:, 1], rows.truth == 1, weights)
    return _nanmean(
        np.stack([_auc(probabilities[:, k], rows.truth == k, weights) for k in range(rows.classes)], axis=1)
    )


def average_precision(rows: Scored, weights: Floats) -> Floats:
    """Mean of the precision at each positive row, by falling probability."""
    hits, misses = _ranked(_known(rows)[:, 1], rows.truth == 1, weights)
    hits, misses = hits[:, ::-1], misses[:, ::-1]
    above = np.cumsum(hits, axis=1)
    precision = _ratio(above, above + np.cumsum(misses, axis=1), 0.0)
    return _ratio((hits * precision).sum(axis=1), hits.sum(axis=1), np.nan)


def _known(rows: Scored) -> Floats:
    if rows.probabilities is None:
        raise StageError("the metric needs probabilities", "the predictions hold labels only")
    return rows.probabilities
