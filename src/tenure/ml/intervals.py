"""Prediction intervals from out-of-fold errors: around the prediction of any regression (split conformal prediction;
Vovk et al. 2005), or around two estimated quantiles (conformalized quantile regression; Romano et al. 2019).

The error that a share of the rows does not exceed is added to a prediction, or to a quantile. For rows that come as
those of the training part did, an interval holds the truth at least as often as `confidence` says where the errors are
those of the model that answers. Here they come from the models of the folds, which learned from fewer rows; so the
coverage is near that, and the evaluation measures it on the test part.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Intervals(msgspec.Struct, frozen=True):
    """What is added to a prediction for the two ends of its interval, by band of the predicted value.

    `edges` (bands - 1,) ascending part the bands; `below` and `above` have one number per band.
    """

    confidence: float
    edges: tuple[float, ...]
    below: tuple[float, ...]
    above: tuple[float, ...]

    def around(self, predicted: Floats) -> tuple[Floats, Floats]:
        """The low and the high end (rows,) of each prediction (rows,)."""
        band = np.searchsorted(np.array(self.edges), predicted, side="right")
        return predicted + np.array(self.below)[band], predicted + np.array(self.above)[band]


class Margins(msgspec.Struct, frozen=True):
    """What is added to two estimated quantiles, so that they hold the truth as often as `confidence` says."""

    confidence: float
    below: float
    above: float

    def around(self, low: Floats, high: Floats, predicted: Floats) -> tuple[Floats, Floats]:
        """The low and the high end (rows,) from the quantiles (rows,) and the prediction (rows,), which always lies
        between them: quantiles are estimated apart, and may cross."""
        low, high = low + self.below, high + self.above
        return np.minimum(np.minimum(low, high), predicted), np.maximum(np.maximum(low, high), predicted)


def tails(confidence: float) -> tuple[float, float]:
    """The two quantiles between which a share of `confidence` lies."""
    return (1 - confidence) / 2, (1 + confidence) / 2


def rows_needed(confidence: float) -> int:
    """The fewest errors from which both ends of an interval can be told."""
    # 1e-9: 2 / (1 - 0.9) is a little more than 20 in floating point.
    return math.ceil(2 / (1 - confidence) - 1e-9) - 1


def fit_intervals(predicted: Floats, truth: Floats, confidence: float, bands: int = 1) -> Intervals | None:
    """Intervals from predictions (rows,) for rows that were not learned from, and their true values (rows,).

    `bands` parts rows of small predictions from those of large ones, which often err by more; there are fewer where
    one would have fewer than `rows_needed`. None where even one band has.
    """
    needed = rows_needed(confidence)
    if len(predicted) < needed:
        return None
    errors = truth - predicted
    for count in range(min(bands, len(predicted) // needed), 0, -1):
        edges = (
            np.unique(np.quantile(predicted, np.linspace(0, 1, count + 1)[1:-1]))
            if count > 1
            else np.empty(0)
        )
        band = np.searchsorted(edges, predicted, side="right")
        groups = [errors[band == number] for number in range(len(edges) + 1)]
        if min(len(group) for group in groups) < needed:
            continue
        ends = [_ends(group, confidence) for group in groups]
        return Intervals(
            confidence,
            tuple(edges.tolist()),
            tuple(low for low, _ in ends),
            tuple(high for _, high in ends),
        )
    raise AssertionError("one band has all rows")


def fit_margins(low: Floats, high: Floats, truth: Floats, confidence: float) -> Margins | None:
    """Margins from quantiles (rows,) of rows that were not learned from, and their true values (rows,). None where
    there are fewer than `rows_needed`."""
    if len(truth) < rows_needed(confidence):
        return None
    return Margins(confidence, _ends(truth - low, confidence)[0], _ends(truth - high, confidence)[1])


def coverage(low: Floats, high: Floats, truth: Floats) -> float:
    """The share of true values inside their intervals, ends included."""
    return float(np.mean((low <= truth) & (truth <= high)))


def _ends(errors: Floats, confidence: float) -> tuple[float, float]:
    """The errors that leave half of the rest beyond each end, one rank further out than among the rows themselves:
    the next row is one of n + 1."""
    ordered, tail = np.sort(errors), (1 - confidence) / 2
    rank = math.ceil((len(ordered) + 1) * (1 - tail) - 1e-9)
    return float(ordered[len(ordered) - rank]), float(ordered[rank - 1])
