"""Probabilities that mean what they say: maps learned from out-of-fold predictions, kept as plain numbers.

Two classes have one map, of the positive class. For more, `isotonic` and `sigmoid` have one map per class against the
rest, and the results are scaled to add up to 1 (Zadrozny and Elkan 2002); `temperature` is one number for all classes
and leaves their order as it is (Guo et al. 2017). The tests compare with scikit-learn.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Kind = Literal["isotonic", "sigmoid", "temperature"]

FEWEST_ROWS = 20
"""Rows of a class, and rows of the others, that a map of that class needs: below, it would learn single rows."""
BINS = 10
PARTS = 5

_SMALLEST = 1e-12
"""Nearer to 0 or 1 no probability is told apart before its log-odds are taken."""


class Isotonic(msgspec.Struct, frozen=True, tag="isotonic", tag_field="type"):
    """A rising curve per class through the points (`given`, `meant`), straight in between and flat outside.

    A class that had too few rows has two empty tuples and keeps its probability.
    """

    curves: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]

    def apply(self, probabilities: Floats) -> Floats:
        """Calibrated probabilities (rows, classes)."""
        columns = _per_class(probabilities, len(self.curves))
        mapped = [
            np.interp(column, given, meant) if given else column
            for column, (given, meant) in zip(columns, self.curves, strict=True)
        ]
        return _together(mapped)


class Sigmoid(msgspec.Struct, frozen=True, tag="sigmoid", tag_field="type"):
    """A line per class in log-odds: `slope` and `intercept` (Platt 1999). (1, 0) changes nothing."""

    lines: tuple[tuple[float, float], ...]

    def apply(self, probabilities: Floats) -> Floats:
        """Calibrated probabilities (rows, classes)."""
        columns = _per_class(probabilities, len(self.lines))
        mapped = [
            column if line == (1.0, 0.0) else _logistic(line[0] * _log_odds(column) + line[1])
            for column, line in zip(columns, self.lines, strict=True)
        ]
        return _together(mapped)


class Temperature(msgspec.Struct, frozen=True, tag="temperature", tag_field="type"):
    """Log-probabilities are multiplied by `sharpness`, one over the temperature: below 1 they come closer together."""

    sharpness: float

    def apply(self, probabilities: Floats) -> Floats:
        """Calibrated probabilities (rows, classes)."""
        scaled = self.sharpness * np.log(np.clip(probabilities, _SMALLEST, 1.0))
        raised = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        result: Floats = raised / raised.sum(axis=1, keepdims=True)
        return result


Calibration = Isotonic | Sigmoid | Temperature
"""Every kind of map from probabilities to probabilities."""


def fit_calibration(kind: Kind, probabilities: Floats, codes: Codes) -> Calibration | None:
    """Learn a map from probabilities (rows, classes) that a model gave for rows it had not learned from, and the
    positions (rows,) of their true classes. None where no class has `FEWEST_ROWS` rows and as many others."""
    classes = probabilities.shape[1]
    counts = np.bincount(codes, minlength=classes)
    enough = np.minimum(counts, len(codes) - counts) >= FEWEST_ROWS
    if not enough.any():
        return None
    if kind == "temperature":
        return Temperature(_sharpness(probabilities, codes))
    positions = [1] if classes == 2 else list(range(classes))
    if kind == "isotonic":
        return Isotonic(
            tuple(_curve(probabilities[:, k], codes == k) if enough[k] else ((), ()) for k in positions)
        )
    return Sigmoid(
        tuple(_line(probabilities[:, k], codes == k) if enough[k] else (1.0, 0.0) for k in positions)
    )


def calibration_error(probabilities: Floats, codes: Codes) -> float:
    """How far probabilities are from what happens, 0 to 1: the expected calibration error of the probability of the
    positive class, or of the most probable one of several, over `BINS` bins of equally many rows."""
    if probabilities.shape[1] == 2:
        said, happened = probabilities[:, 1], codes == 1
    else:
        said, happened = probabilities.max(axis=1), probabilities.argmax(axis=1) == codes
    order = np.argsort(said, kind="stable")
    bins = [part for part in np.array_split(order, BINS) if len(part)]
    return float(sum(len(part) * abs(said[part].mean() - happened[part].mean()) for part in bins) / len(said))


def cross_calibrated(kind: Kind, probabilities: Floats, codes: Codes, seed: int) -> Floats | None:
    """Each row calibrated by a map that was learned without it, in `PARTS` parts; None where one has too few rows.

    Only this shows what calibration is worth: judged on the rows it was learned from, an isotonic curve is always good.
    """
    part = np.random.default_rng(seed).permutation(len(codes)) % PARTS
    result = np.empty_like(probabilities)
    for number in range(PARTS):
        found = fit_calibration(kind, probabilities[part != number], codes[part != number])
        if found is None:
            return None
        result[part == number] = found.apply(probabilities[part == number])
    return result


def _per_class(probabilities: Floats, maps: int) -> list[Floats]:
    return [probabilities[:, 1]] if maps == 1 else list(probabilities.T)


def _together(columns: list[Floats]) -> Floats:
    """Columns of one-against-the-rest probabilities as rows that add up to 1; evenly where all are 0."""
    if len(columns) == 1:
        return np.column_stack([1.0 - columns[0], columns[0]])
    stacked = np.column_stack(columns)
    total = stacked.sum(axis=1, keepdims=True)
    even = np.full_like(stacked, 1.0 / stacked.shape[1])
    result: Floats = np.divide(stacked, total, out=even, where=total > 0)
    return result


def _curve(said: Floats, happened: npt.NDArray[np.bool_]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    from sklearn.isotonic import IsotonicRegression

    # As many rows as there are never show that something cannot happen: a 0 would make one surprise infinitely bad.
    least = 1.0 / (len(said) + 2)
    fitted = IsotonicRegression(y_min=least, y_max=1.0 - least, out_of_bounds="clip").fit(
        said, happened.astype(np.float64)
    )
    return tuple(fitted.X_thresholds_.tolist()), tuple(fitted.y_thresholds_.tolist())


def _line(said: Floats, happened: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and intercept of a logistic regression on the log-odds, with Platt's targets instead of 0 and 1."""
    from scipy.optimize import minimize

    hits = int(happened.sum())
    misses = len(happened) - hits
    target = np.where(happened, (hits + 1) / (hits + 2), 1 / (misses + 2))
    odds = _log_odds(said)

    def loss(line: Floats) -> tuple[float, Floats]:
        raw = line[0] * odds + line[1]
        error = _logistic(raw) - target
        return float(np.sum(np.logaddexp(0.0, raw) - target * raw)), np.array([error @ odds, error.sum()])

    start = np.array([0.0, np.log((hits + 1) / (misses + 1))])
    found = minimize(loss, start, method="L-BFGS-B", jac=True, options={"gtol": 1e-8, "ftol": 1e-14})
    return float(found.x[0]), float(found.x[1])


def _sharpness(probabilities: Floats, codes: Codes) -> float:
    from scipy.optimize import minimize_scalar

    logs = np.log(np.clip(probabilities, _SMALLEST, 1.0))
    true = logs[np.arange(len(codes)), codes]

    def loss(exponent: float) -> float:
        scaled = np.exp(exponent) * logs
        most = scaled.max(axis=1)
        total = most + np.log(np.exp(scaled - most[:, None]).sum(axis=1))
        return float(np.sum(total - np.exp(exponent) * true))

    found = minimize_scalar(loss, bounds=(-5.0, 5.0), method="bounded", options={"xatol": 1e-10})
    return float(np.exp(found.x))


def _log_odds(probabilities: Floats) -> Floats:
    clipped = np.clip(probabilities, _SMALLEST, 1.0 - _SMALLEST)
    result: Floats = np.log(clipped) - np.log1p(-clipped)
    return result


def _logistic(values: Floats) -> Floats:
    result: Floats = 1.0 / (1.0 + np.exp(-np.clip(values, -500.0, 500.0)))
    return result
