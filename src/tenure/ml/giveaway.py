"""Columns that give one class away: one value of theirs, or its absence, says which rows are of it.

A measurement that tells a class apart takes many values on both sides of a threshold, as petals do in iris. What is
filled in once the outcome is known takes one value wherever that outcome did not come about: zero, blank, "none". So
what is asked for here is one value, not a threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FEWEST_OF_A_CLASS = 30
"""Rows of a class, and of all others, below which a value that goes with it may do so by chance."""


@dataclass(frozen=True)
class Giveaway:
    """That a column holds a value in the rows of one class and nowhere else, or everywhere else and not there."""

    klass: int
    """Position of the class."""
    value: int
    """Position of the value."""
    present: bool
    """Whether rows of the class hold the value; else all others do."""
    precision: float
    """Share of the class among the rows that look like it."""
    recall: float
    """Share of the rows of the class that look like it."""

    @property
    def score(self) -> float:
        """The smaller of precision and recall."""
        return min(self.precision, self.recall)


def giveaway(
    values: npt.NDArray[np.int64], classes: npt.NDArray[np.int64], counts: npt.NDArray[np.int64] | None = None
) -> Giveaway | None:
    """The value and class that go together best; None where no class has enough rows.

    `values` and `classes` (n,) are positions from 0 on, a missing value one of its own; `counts` (n,) says how many
    rows each pair stands for, one if not given.
    """
    weights = np.ones(len(values)) if counts is None else counts.astype(np.float64)
    per_value, per_class = np.bincount(values, weights=weights), np.bincount(classes, weights=weights)
    rows = per_class.sum()
    # A rarer value covers neither side; leaving it and rare classes out keeps the table small.
    common = np.flatnonzero(per_value >= FEWEST_OF_A_CLASS // 2)
    enough = np.flatnonzero((per_class >= FEWEST_OF_A_CLASS) & (rows - per_class >= FEWEST_OF_A_CLASS))
    if not len(common) or not len(enough):
        return None
    both = np.zeros((len(common), len(enough)))
    row, column = _places(common, len(per_value))[values], _places(enough, len(per_class))[classes]
    kept = (row >= 0) & (column >= 0)
    np.add.at(both, (row[kept], column[kept]), weights[kept])
    of_value, of_class = per_value[common][:, None], per_class[enough]
    best = None
    for present, hits, alike in ((True, both, of_value), (False, of_class - both, rows - of_value)):
        precision = np.divide(hits, alike, out=np.zeros_like(both), where=alike > 0)
        recall = hits / of_class
        at = np.unravel_index(np.minimum(precision, recall).argmax(), both.shape)
        item = Giveaway(
            int(enough[at[1]]), int(common[at[0]]), present, float(precision[at]), float(recall[at])
        )
        if best is None or item.score > best.score:
            best = item
    return best


def _places(kept: npt.NDArray[np.intp], count: int) -> npt.NDArray[np.int64]:
    """For each of `count` positions its place among those kept, -1 for the others."""
    places = np.full(count, -1, dtype=np.int64)
    places[kept] = np.arange(len(kept))
    return places
