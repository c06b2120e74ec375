"""What a model says about rows."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt


class Predictions(msgspec.Struct, frozen=True, eq=False):
    """Predictions in the order of the rows.

    `labels` (rows,): values of the target (objects for classes, float64 for regression). `probabilities`
    (rows, classes) in the order of `classes`; None for regression.
    """

    labels: npt.NDArray[Any]
    probabilities: npt.NDArray[np.float64] | None
    classes: tuple[str | bool | int | float, ...]

    def __len__(self) -> int:
        return len(self.labels)


def taken(predictions: Predictions, rows: npt.NDArray[np.bool_]) -> Predictions:
    """The predictions of some rows, chosen by a mask (rows,)."""
    probabilities = None if predictions.probabilities is None else predictions.probabilities[rows]
    return Predictions(predictions.labels[rows], probabilities, predictions.classes)


def from_probabilities(
    probabilities: npt.NDArray[np.float64], classes: tuple[str | bool | int | float, ...]
) -> Predictions:
    """The most probable class of each row, the first one on a tie."""
    values = np.empty(len(classes), dtype=object)
    values[:] = classes
    return Predictions(values[np.argmax(probabilities, axis=1)], probabilities, classes)
