"""What a model says about rows."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt


class Interval(msgspec.Struct, frozen=True, eq=False):
    """The low and the high ends (rows,) between which the truth is expected with the given confidence."""

    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    confidence: float


class Predictions(msgspec.Struct, frozen=True, eq=False):
    """Predictions in the order of the rows.

    `labels` (rows,): values of the target (objects for classes, float64 for regression). `probabilities`
    (rows, classes) in the order of `classes`; None for regression. `interval` is there for a regression that gives one.
    """

    labels: npt.NDArray[Any]
    probabilities: npt.NDArray[np.float64] | None
    classes: tuple[str | bool | int | float, ...]
    interval: Interval | None = None

    def __len__(self) -> int:
        return len(self.labels)


def taken(predictions: Predictions, rows: npt.NDArray[np.bool_]) -> Predictions:
    """The predictions of some rows, chosen by a mask (rows,)."""
    probabilities = None if predictions.probabilities is None else predictions.probabilities[rows]
    ends = predictions.interval
    interval = None if ends is None else Interval(ends.low[rows], ends.high[rows], ends.confidence)
    return Predictions(predictions.labels[rows], probabilities, predictions.classes, interval)


def from_probabilities(
    probabilities: npt.NDArray[np.float64],
    classes: tuple[str | bool | int | float, ...],
    threshold: float | None = None,
) -> Predictions:
    """The most probable class of each row, the first one on a tie; of two classes, the second one (the positive) where
    its probability is at least the threshold."""
    values = np.empty(len(classes), dtype=object)
    values[:] = classes
    chosen = (
        np.argmax(probabilities, axis=1)
        if threshold is None
        else (probabilities[:, 1] >= threshold).astype(np.intp)
    )
    return Predictions(values[chosen], probabilities, classes)
