"""The formulas of the metrics: rows and weights (rows, resamples) in, one value per resample out.

NaN where a resample has no such value. scikit-learn's functions with `sample_weight` are the reference. Formulas that
rank rows are in `rank_formulas.py`, those of numbers in `regression_formulas.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from tenure.core.errors import StageError

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Made = TypeVar("Made")

CALIBRATION_BINS = 10


class Scored(msgspec.Struct, frozen=True, eq=False, dict=True):
    """Rows as the formulas take them: `truth` and `guess` are class positions or numbers, `probabilities` is
    (rows, classes).

    With a `resolution`, formulas that rank rows see at most so many ranks. What a formula needs again for the next
    resamples is made once (`once`).
    """

    truth: Array
    guess: Array
    probabilities: Floats | None
    classes: int
    resolution: int | None = None

    def once(self, key: str, make: Callable[[], Made]) -> Made:
        """What `make` gives, remembered under `key`."""
        if key not in self.__dict__:
            self.__dict__[key] = make()
        made: Made = self.__dict__[key]
        return made

    def known_probabilities(self) -> Floats:
        """The probabilities. Raises StageError when the predictions are labels only."""
        if self.probabilities is None:
            raise StageError("the metric needs probabilities", "the predictions hold labels only")
        return self.probabilities


class Groups:
    """Sums of weights by group of rows. `codes` (rows,) go from 0 to `count` - 1; `values` (rows,) multiply weights."""

    def __init__(self, codes: npt.NDArray[np.int64], count: int, values: Floats | None = None) -> None:
        self.codes = codes
        self.count = count
        self.values = values
        self._matrix: Any = None
        self._last: tuple[Floats, Floats] | None = None

    def sums(self, weights: Floats) -> Floats:
        """(groups, resamples). Asked again for the same array of weights, it is not computed again: several metrics
        look at the same groups."""
        if self._last is None or self._last[0] is not weights:
            self._last = weights, self._sums(weights)
        return self._last[1]

    def _sums(self, weights: Floats) -> Floats:
        if weights.shape[1] == 1:
            column = weights[:, 0] if self.values is None else weights[:, 0] * self.values
            sums: Floats = np.bincount(self.codes, weights=column, minlength=self.count).astype(np.float64)
            return sums[:, None]
        if self._matrix is None:
            from scipy.sparse import csr_array

            rows = len(self.codes)
            values = np.ones(rows) if self.values is None else self.values
            self._matrix = csr_array((values, (self.codes, np.arange(rows))), shape=(self.count, rows))
        result: Floats = self._matrix @ weights
        return result


def mean(losses: Floats, weights: Floats) -> Floats:
    """Weighted mean of one number per row, for each resample."""
    result: Floats = (losses @ weights) / weights.sum(axis=0)
    return result


def ratio(above: Floats, below: Floats, otherwise: float) -> Floats:
    """`above / below`, and `otherwise` where `below` is not positive."""
    result = np.full(np.shape(above), otherwise)
    np.divide(above, below, out=result, where=below > 0)
    return result


def nanmean(values: Floats) -> Floats:
    """Mean over the first axis of what is not NaN; NaN where nothing is left."""
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0).astype(np.float64), np.nan)


# --- one value per row ------------------------------------------------------------------------------------------


def accuracy(rows: Scored, weights: Floats) -> Floats:
    """Share of rows predicted right."""
    return mean((rows.truth == rows.guess).astype(np.float64), weights)


def log_loss(rows: Scored, weights: Floats) -> Floats:
    """Mean negative log probability of the true class, clipped at the machine epsilon."""

    def losses() -> Floats:
        chosen = rows.known_probabilities()[np.arange(len(rows.truth)), rows.truth]
        return -np.log(np.clip(chosen, np.finfo(np.float64).eps, 1.0))

    return mean(rows.once("log_loss", losses), weights)


def brier(rows: Scored, weights: Floats) -> Floats:
    """Mean squared error of the positive class's probability."""
    return mean((rows.known_probabilities()[:, 1] - (rows.truth == 1)) ** 2, weights)


def top_3_accuracy(rows: Scored, weights: Floats) -> Floats:
    """Share of rows whose class is among the three most probable; of equal probabilities the later class comes first,
    as in scikit-learn."""

    def losses() -> Floats:
        probabilities = rows.known_probabilities()
        position = np.arange(probabilities.shape[1])
        true = probabilities[np.arange(len(rows.truth)), rows.truth][:, None]
        before = (probabilities > true) | ((probabilities == true) & (position > rows.truth[:, None]))
        hits: Floats = (before.sum(axis=1) < 3).astype(np.float64)
        return hits

    return mean(rows.once("top_3", losses), weights)


# --- counts of truth by guess -----------------------------------------------------------------------------------


def _table(rows: Scored, weights: Floats) -> Floats:
    """(classes, classes, resamples): weight of each pair of true and predicted class."""
    k = rows.classes
    cells = rows.once("cells", lambda: Groups(rows.truth * k + rows.guess, k * k))
    return cells.sums(weights).reshape(k, k, weights.shape[1])


def _hits(table: Floats) -> Floats:
    result: Floats = table[np.arange(len(table)), np.arange(len(table))]
    return result


def balanced_accuracy(rows: Scored, weights: Floats) -> Floats:
    """Mean recall of the classes that occur."""
    table = _table(rows, weights)
    return nanmean(ratio(_hits(table), table.sum(axis=1), np.nan))


def _f1_by_class(table: Floats) -> Floats:
    # A class that neither occurs nor is predicted has no f1 and does not count.
    return ratio(2 * _hits(table), table.sum(axis=0) + table.sum(axis=1), np.nan)


def f1_macro(rows: Scored, weights: Floats) -> Floats:
    """Mean F1 of the classes that occur or are predicted."""
    return nanmean(_f1_by_class(_table(rows, weights)))


def f1_weighted(rows: Scored, weights: Floats) -> Floats:
    """Mean F1 of the classes by how often they occur."""
    table = _table(rows, weights)
    known = np.nan_to_num(_f1_by_class(table))
    result: Floats = (known * table.sum(axis=1)).sum(axis=0) / table.sum(axis=(0, 1))
    return result


def precision_macro(rows: Scored, weights: Floats) -> Floats:
    """Mean precision of the classes that occur or are predicted; 0 for one that is never predicted."""
    table = _table(rows, weights)
    occurs = (table.sum(axis=0) + table.sum(axis=1)) > 0
    return nanmean(np.where(occurs, ratio(_hits(table), table.sum(axis=0), 0.0), np.nan))


def f1(rows: Scored, weights: Floats) -> Floats:
    """F1 of the positive class; 0 where it neither occurs nor is predicted."""
    table = _table(rows, weights)
    return ratio(2 * table[1, 1], table[1].sum(axis=0) + table[:, 1].sum(axis=0), 0.0)


def precision(rows: Scored, weights: Floats) -> Floats:
    """Share of predicted positives that are positive; 0 where none is predicted."""
    table = _table(rows, weights)
    return ratio(table[1, 1], table[:, 1].sum(axis=0), 0.0)


def recall(rows: Scored, weights: Floats) -> Floats:
    """Share of positives that are found; 0 where there are none."""
    table = _table(rows, weights)
    return ratio(table[1, 1], table[1].sum(axis=0), 0.0)


def specificity(rows: Scored, weights: Floats) -> Floats:
    """Share of negatives that are left alone; 0 where there are none."""
    table = _table(rows, weights)
    return ratio(table[0, 0], table[0].sum(axis=0), 0.0)


def matthews_correlation(rows: Scored, weights: Floats) -> Floats:
    """Correlation of truth and guess (Gorodkin 2004 for several classes); 0 where either never varies."""
    table = _table(rows, weights)
    total, right = table.sum(axis=(0, 1)), _hits(table).sum(axis=0)
    said, true = table.sum(axis=0), table.sum(axis=1)
    together = right * total - (said * true).sum(axis=0)
    spread = np.sqrt((total**2 - (said**2).sum(axis=0)) * (total**2 - (true**2).sum(axis=0)))
    return ratio(together, spread, 0.0)


def cohen_kappa(rows: Scored, weights: Floats) -> Floats:
    """Agreement beyond what chance would give; NaN where chance alone agrees always."""
    table = _table(rows, weights)
    total = table.sum(axis=(0, 1))
    by_chance = (table.sum(axis=0) * table.sum(axis=1)).sum(axis=0) / total**2
    return ratio(_hits(table).sum(axis=0) / total - by_chance, 1 - by_chance, np.nan)


# --- calibration ------------------------------------------------------------------------------------------------


def expected_calibration_error(rows: Scored, weights: Floats) -> Floats:
    """Mean distance of what is promised from what happens, over ten bins of the probability of equal width.

    Two classes: of the positive one. More: of the class that is predicted, whose probability is the promise.
    """
    codes, promised, happened = rows.once("calibration", lambda: calibration_bins(rows))
    first = rows.once("promised", lambda: Groups(codes, CALIBRATION_BINS, promised)).sums(weights)
    second = rows.once("happened", lambda: Groups(codes, CALIBRATION_BINS, happened)).sums(weights)
    result: Floats = np.abs(first - second).sum(axis=0) / weights.sum(axis=0)
    return result


def calibration_bins(rows: Scored) -> tuple[npt.NDArray[np.int64], Floats, Floats]:
    """For each row its bin, the probability that is promised, and whether (1 or 0) it came true."""
    probabilities = rows.known_probabilities()
    if rows.classes == 2:
        promised, happened = probabilities[:, 1], rows.truth == 1
    else:
        promised, happened = probabilities.max(axis=1), rows.truth == np.argmax(probabilities, axis=1)
    codes = np.minimum((promised * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    return codes, promised, happened.astype(np.float64)
