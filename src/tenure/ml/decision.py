"""From which probability on a row counts as positive: the threshold that is best by a metric or by its value."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
import numpy as np
import numpy.typing as npt

from tenure.ml.metric_names import ThresholdMetric

Floats = npt.NDArray[np.float64]

OUTCOMES = ("true_positive", "false_positive", "false_negative", "true_negative")
POINTS = 41
"""How many points of a curve are recorded."""


class Outcomes(msgspec.Struct, frozen=True, eq=False):
    """What happens at each threshold of `thresholds` (n,), ascending: counts (n,) of the four outcomes of rows whose
    probability is at least the threshold (positive) or below it."""

    thresholds: Floats
    true_positive: Floats
    false_positive: Floats
    false_negative: Floats
    true_negative: Floats

    @property
    def rows(self) -> float:
        """How many rows there are."""
        return float(sum(getattr(self, name)[0] for name in OUTCOMES))


class Choice(msgspec.Struct, frozen=True):
    """A threshold with what it reaches, what 0.5 would have, and the curve it was chosen from."""

    threshold: float
    reached: float
    at_half: float
    curve: tuple[dict[str, float], ...]


def outcomes(probabilities: Floats, positive: npt.NDArray[np.bool_]) -> Outcomes:
    """The outcomes at every threshold that tells rows apart. `probabilities` (rows,) of the positive class.

    A threshold lies midway between two neighbouring probabilities; the first calls every row positive, and the last
    none where no probability is 1.
    """
    order = np.argsort(probabilities, kind="stable")
    said, hit = probabilities[order], positive[order].astype(np.float64)
    starts = np.flatnonzero(np.r_[True, np.diff(said) > 0])
    values = said[starts]
    between = (values[:-1] + values[1:]) / 2
    # Between two numbers next to each other there is none: the upper one parts them as well.
    thresholds = np.r_[0.0, np.where(between > values[:-1], between, values[1:])]
    below = starts
    if values[-1] < 1.0:
        thresholds, below = np.r_[thresholds, (values[-1] + 1.0) / 2], np.r_[below, len(said)]
    passed = np.r_[0.0, np.cumsum(hit)]
    missed = passed[below]
    negatives = below - missed
    hits, total = passed[-1], len(said)
    return Outcomes(thresholds, hits - missed, (total - hits) - negatives, missed, negatives)


def best_by_metric(found: Outcomes, name: ThresholdMetric) -> Choice:
    """The threshold with the highest metric; of several the one nearest to 0.5."""
    return _best(found, METRICS[name](found), name)


def best_by_value(found: Outcomes, value: Mapping[str, float]) -> Choice:
    """The threshold with the highest mean value per row. `value` holds what each of `OUTCOMES` is worth."""
    return _best(found, value_per_row(found, value), "value_per_row")


def value_per_row(found: Outcomes, value: Mapping[str, float]) -> Floats:
    """The mean value of a row at each threshold, in the unit of `value`."""
    total = sum(
        (getattr(found, name) * float(value[name]) for name in OUTCOMES), np.zeros(len(found.thresholds))
    )
    result: Floats = total / found.rows
    return result


def _best(found: Outcomes, scores: Floats, name: str) -> Choice:
    top = np.flatnonzero(scores == scores.max())
    chosen = int(top[np.argmin(np.abs(found.thresholds[top] - 0.5))])
    half = max(0, int(np.searchsorted(found.thresholds, 0.5, side="right")) - 1)
    shown = np.unique(np.r_[np.linspace(0, len(scores) - 1, POINTS).round().astype(int), chosen])
    recall = _ratio(found.true_positive, found.true_positive + found.false_negative)
    precision = _ratio(found.true_positive, found.true_positive + found.false_positive)
    curve = tuple(
        {
            "threshold": float(found.thresholds[k]),
            name: float(scores[k]),
            "precision": float(precision[k]),
            "recall": float(recall[k]),
        }
        for k in shown
    )
    return Choice(float(found.thresholds[chosen]), float(scores[chosen]), float(scores[half]), curve)


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _accuracy(found: Outcomes) -> Floats:
    return (found.true_positive + found.true_negative) / found.rows


def _balanced_accuracy(found: Outcomes) -> Floats:
    recall = _ratio(found.true_positive, found.true_positive + found.false_negative)
    other = _ratio(found.true_negative, found.true_negative + found.false_positive)
    result: Floats = (recall + other) / 2
    return result


def _f1(found: Outcomes) -> Floats:
    wrong = found.false_positive + found.false_negative
    return _ratio(2 * found.true_positive, 2 * found.true_positive + wrong)


def _f1_macro(found: Outcomes) -> Floats:
    wrong = found.false_positive + found.false_negative
    result: Floats = (_f1(found) + _ratio(2 * found.true_negative, 2 * found.true_negative + wrong)) / 2
    return result


def _matthews(found: Outcomes) -> Floats:
    tp, fp, fn, tn = (getattr(found, name) for name in OUTCOMES)
    return _ratio(tp * tn - fp * fn, np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))


METRICS: Mapping[ThresholdMetric, Callable[[Outcomes], Floats]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1": _f1,
    "f1_macro": _f1_macro,
    "matthews_correlation": _matthews,
}
"""Every metric a threshold may be chosen by."""
