"""Confidence intervals by the bootstrap: rows are drawn with replacement, and every metric is computed on each draw.

Percentile intervals (Efron 1981). Where there are very many rows, fewer resamples are drawn, and metrics that rank rows
see them in `RESOLUTION` groups; the interval is then moved by what that changes of the value itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from tenure.ml.formulas import Floats, Scored
from tenure.ml.metrics import Metric, scored, value_of
from tenure.ml.predictions import Predictions

RESOLUTION = 2048
"""How many ranks are told apart in a resample of more rows."""

_CELLS = 4_000_000  # weights held at once: 32 MB
_WORK = 40_000_000  # rows x resamples beyond which fewer resamples are drawn
_FEWEST = 200
_WIDE = 10_000  # rows beyond which a row of weights fills cache lines, and no more
_LINES = 16


class Interval(msgspec.Struct, frozen=True):
    """A value with its confidence interval, from `n` rows and `resamples` bootstrap resamples."""

    value: float
    low: float
    high: float
    n: int
    confidence: float = 0.95
    resamples: int = 0


def bootstrap(
    item: Metric,
    y_true: Any,
    predictions: Predictions,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """The metric's value with a percentile bootstrap interval; resamples without a value are left out."""
    return bootstrap_all((item,), y_true, predictions, confidence=confidence, resamples=resamples, seed=seed)[
        item.name
    ]


def bootstrap_all(
    items: Sequence[Metric],
    y_true: Any,
    predictions: Predictions,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Interval]:
    """As `bootstrap`, for several metrics of the same resamples: drawing them costs more than the metrics."""
    rows = scored(y_true, predictions)
    return intervals(items, rows, confidence=confidence, resamples=resamples, seed=seed)


def intervals(
    items: Sequence[Metric], rows: Scored, *, confidence: float, resamples: int, seed: int
) -> dict[str, Interval]:
    """As `bootstrap_all`, for rows that are scored already."""
    coarse = _coarse(rows)
    draws: dict[str, list[Floats]] = {item.name: [] for item in items}
    for weights in resampled(len(rows.truth), resamples, seed):
        for item in items:
            draws[item.name].append(item.formula(coarse, weights))
    found = {}
    for item in items:
        value = value_of(item, rows)
        shift = 0.0 if coarse is rows else value - value_of(item, coarse)
        found[item.name] = interval_of(value, draws[item.name], len(rows.truth), confidence, shift)
    return found


def paired_difference(
    item: Metric,
    y_true: Any,
    first: Predictions,
    second: Predictions,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """How much better `first` is than `second` on the same rows: positive is an improvement, whatever the goal.

    Both are resampled together, so that what they share cancels and small real differences show.
    """
    sign = 1.0 if item.goal == "maximize" else -1.0
    one, two = scored(y_true, first), scored(y_true, second)
    fine = sign * (value_of(item, one) - value_of(item, two))
    one, two = _coarse(one), _coarse(two)
    draws = [
        sign * (item.formula(one, weights) - item.formula(two, weights))
        for weights in resampled(len(one.truth), resamples, seed)
    ]
    shift = fine - sign * (value_of(item, one) - value_of(item, two)) if one.resolution else 0.0
    return interval_of(fine, draws, len(one.truth), confidence, shift)


def resampled(rows: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each row was drawn, (rows, resamples) at a time; nothing for no rows."""
    if rows == 0:
        return
    generator = np.random.default_rng(seed)
    left = max(_FEWEST, min(resamples, _WORK // rows)) if resamples > _FEWEST else resamples
    chunk = _LINES if rows > _WIDE else max(1, _CELLS // rows)
    while left > 0:
        size = min(chunk, left)
        weights = np.empty((rows, size))
        for column, drawn in enumerate(generator.integers(0, rows, (size, rows))):
            weights[:, column] = np.bincount(drawn, minlength=rows)
        yield weights
        left -= size


def interval_of(
    value: float, draws: Sequence[Floats], rows: int, confidence: float, shift: float = 0.0
) -> Interval:
    """The interval of a value from its draws, those without a value left out, each moved by `shift`."""
    values = np.concatenate(draws) if draws else np.array([])
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return Interval(value, float("nan"), float("nan"), rows, confidence, 0)
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail]) + (shift if np.isfinite(shift) else 0.0)
    return Interval(value, float(low), float(high), rows, confidence, len(values))


def _coarse(rows: Scored) -> Scored:
    if len(rows.truth) <= _WIDE:
        return rows
    return Scored(rows.truth, rows.guess, rows.probabilities, rows.classes, RESOLUTION)
