"""Metrics: one visible registry, point values and bootstrap confidence intervals from the same formula.

Every metric is a function of rows with weights, evaluated for many weightings at once: a point value has all
weights 1, a bootstrap resample has the number of times each row was drawn. The tests compare with scikit-learn.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from tenure.core.errors import StageError
from tenure.ml.predictions import Predictions
from tenure.ml.task import Task, class_of

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Goal = Literal["maximize", "minimize"]

_CELLS = 4_000_000  # weights held at once: 32 MB
_WORK = 40_000_000  # rows x resamples beyond which fewer resamples are drawn
_FEWEST = 200


class Scored(msgspec.Struct, frozen=True, eq=False):
    """Rows as the formulas take them: `truth` and `guess` are class positions or numbers, `probabilities` is
    (rows, classes)."""

    truth: Array
    guess: Array
    probabilities: Floats | None
    classes: int


class Metric(msgspec.Struct, frozen=True):
    """A metric. `formula` takes rows and weights (resamples, rows) and gives one value per resample, NaN where a
    resample has no such value (no positive row, say)."""

    name: str
    title: str
    goal: Goal
    tasks: tuple[Task, ...]
    formula: Callable[[Scored, Floats], Floats]
    needs_probabilities: bool = False

    def better(self, first: float, second: float) -> bool:
        """Whether `first` is strictly better than `second`."""
        return first > second if self.goal == "maximize" else first < second


class Interval(msgspec.Struct, frozen=True):
    """A value with its confidence interval, from `n` rows and `resamples` bootstrap resamples."""

    value: float
    low: float
    high: float
    n: int
    confidence: float = 0.95
    resamples: int = 0


# --- formulas: one value per row ------------------------------------------------------------------------------


def _mean(losses: Floats, weights: Floats) -> Floats:
    result: Floats = (weights @ losses) / weights.sum(axis=1)
    return result


def _accuracy(rows: Scored, weights: Floats) -> Floats:
    return _mean((rows.truth == rows.guess).astype(np.float64), weights)


def _log_loss(rows: Scored, weights: Floats) -> Floats:
    probabilities = _known(rows)
    chosen = probabilities[np.arange(len(rows.truth)), rows.truth]
    return _mean(-np.log(np.clip(chosen, np.finfo(np.float64).eps, 1.0)), weights)


def _brier(rows: Scored, weights: Floats) -> Floats:
    return _mean((_known(rows)[:, 1] - (rows.truth == 1)) ** 2, weights)


def _mae(rows: Scored, weights: Floats) -> Floats:
    return _mean(np.abs(rows.truth - rows.guess), weights)


def _rmse(rows: Scored, weights: Floats) -> Floats:
    result: Floats = np.sqrt(_mean((rows.truth - rows.guess) ** 2, weights))
    return result


def _mape(rows: Scored, weights: Floats) -> Floats:
    scale = np.maximum(np.abs(rows.truth), np.finfo(np.float64).eps)
    return _mean(np.abs(rows.truth - rows.guess) / scale, weights)


def _r2(rows: Scored, weights: Floats) -> Floats:
    total = weights.sum(axis=1)
    mean = (weights @ rows.truth) / total
    # Around the overall mean, so that a large offset does not cancel.
    shift = rows.truth.mean()
    spread = (weights @ (rows.truth - shift) ** 2) - total * (mean - shift) ** 2
    residual = weights @ (rows.truth - rows.guess) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Floats = np.where(spread > 0, 1 - residual / spread, np.nan)
    return result


def _median_absolute_error(rows: Scored, weights: Floats) -> Floats:
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


def _balanced_accuracy(rows: Scored, weights: Floats) -> Floats:
    table = _confusions(rows, weights)
    recall = _ratio(np.diagonal(table, axis1=1, axis2=2), table.sum(axis=2), np.nan)
    return _nanmean(recall)


def _f1_macro(rows: Scored, weights: Floats) -> Floats:
    table = _confusions(rows, weights)
    hits = np.diagonal(table, axis1=1, axis2=2)
    # A class that neither occurs nor is predicted has no f1 and does not count.
    return _nanmean(_ratio(2 * hits, table.sum(axis=1) + table.sum(axis=2), np.nan))


def _f1(rows: Scored, weights: Floats) -> Floats:
    table = _confusions(rows, weights)
    return _ratio(2 * table[:, 1, 1], table[:, 1, :].sum(axis=1) + table[:, :, 1].sum(axis=1), 0.0)


def _precision(rows: Scored, weights: Floats) -> Floats:
    table = _confusions(rows, weights)
    return _ratio(table[:, 1, 1], table[:, :, 1].sum(axis=1), 0.0)


def _recall(rows: Scored, weights: Floats) -> Floats:
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


def _roc_auc(rows: Scored, weights: Floats) -> Floats:
    probabilities = _known(rows)
    if rows.classes == 2:
        return _auc(probabilities[:, 1], rows.truth == 1, weights)
    return _nanmean(
        np.stack([_auc(probabilities[:, k], rows.truth == k, weights) for k in range(rows.classes)], axis=1)
    )


def _average_precision(rows: Scored, weights: Floats) -> Floats:
    hits, misses = _ranked(_known(rows)[:, 1], rows.truth == 1, weights)
    hits, misses = hits[:, ::-1], misses[:, ::-1]
    above = np.cumsum(hits, axis=1)
    precision = _ratio(above, above + np.cumsum(misses, axis=1), 0.0)
    return _ratio((hits * precision).sum(axis=1), hits.sum(axis=1), np.nan)


def _known(rows: Scored) -> Floats:
    if rows.probabilities is None:
        raise StageError("the metric needs probabilities", "the predictions hold labels only")
    return rows.probabilities


_CLASSIFICATION: tuple[Task, ...] = ("binary", "multiclass")
_BINARY: tuple[Task, ...] = ("binary",)
_REGRESSION: tuple[Task, ...] = ("regression",)

METRICS: tuple[Metric, ...] = (
    Metric("accuracy", "share of rows predicted right", "maximize", _CLASSIFICATION, _accuracy),
    Metric(
        "balanced_accuracy", "mean recall of the classes", "maximize", _CLASSIFICATION, _balanced_accuracy
    ),
    Metric("f1_macro", "mean F1 of the classes", "maximize", _CLASSIFICATION, _f1_macro),
    Metric("f1", "F1 of the positive class", "maximize", _BINARY, _f1),
    Metric("precision", "share of predicted positives that are positive", "maximize", _BINARY, _precision),
    Metric("recall", "share of positives that are found", "maximize", _BINARY, _recall),
    Metric("roc_auc", "area under the ROC curve", "maximize", _CLASSIFICATION, _roc_auc, True),
    Metric(
        "average_precision",
        "area under the precision-recall curve",
        "maximize",
        _BINARY,
        _average_precision,
        True,
    ),
    Metric(
        "log_loss",
        "mean negative log probability of the true class",
        "minimize",
        _CLASSIFICATION,
        _log_loss,
        True,
    ),
    Metric("brier", "mean squared error of the positive probability", "minimize", _BINARY, _brier, True),
    Metric("mae", "mean absolute error", "minimize", _REGRESSION, _mae),
    Metric("rmse", "root of the mean squared error", "minimize", _REGRESSION, _rmse),
    Metric("r2", "share of the variance explained", "maximize", _REGRESSION, _r2),
    Metric("mape", "mean absolute error relative to the true value", "minimize", _REGRESSION, _mape),
    Metric("median_absolute_error", "median absolute error", "minimize", _REGRESSION, _median_absolute_error),
)
"""Every metric there is. `roc_auc` of several classes is the mean of one class against the rest."""

_DEFAULTS: dict[Task, tuple[str, ...]] = {
    "binary": ("roc_auc", "accuracy", "balanced_accuracy", "f1", "log_loss", "brier"),
    "multiclass": ("accuracy", "balanced_accuracy", "f1_macro", "roc_auc", "log_loss"),
    "regression": ("rmse", "mae", "r2", "median_absolute_error"),
}


def metric(name: str, task: Task, path: tuple[str | int, ...] = ()) -> Metric:
    """The metric of that name. Raises StageError when there is none, or none for this task."""
    for item in METRICS:
        if item.name == name and task in item.tasks:
            return item
    fitting = [item.name for item in METRICS if task in item.tasks]
    close = difflib.get_close_matches(name, fitting, n=1)
    hint = f"did you mean {close[0]!r}?" if close else ""
    choice = f"there are {', '.join(fitting)}"
    if any(item.name == name for item in METRICS):
        raise StageError(
            f"the metric is not one for {task} models",
            f"{name!r} is not defined for a {task} task; {choice}",
            hint,
            path=path,
        )
    raise StageError("unknown metric", f"{name!r} is not a metric; {choice}", hint, path=path)


def default_metrics(task: Task) -> tuple[str, ...]:
    """What a report shows when the spec names no metrics; the first is the primary one of a search."""
    return _DEFAULTS[task]


def scored(y_true: Any, predictions: Predictions) -> Scored:
    """Truth and predictions on common ground. A true class the model does not know is a class of its own, to which
    the model gives probability 0."""
    truth = np.asarray(y_true)
    if not predictions.classes:
        return Scored(truth.astype(np.float64), np.asarray(predictions.labels, dtype=np.float64), None, 0)
    codes = {value: position for position, value in enumerate(predictions.classes)}
    values, inverse = (
        np.unique(truth.astype(object), return_inverse=True) if len(truth) else (truth, truth.astype(int))
    )
    positions = np.array([codes.setdefault(class_of(value), len(codes)) for value in values], dtype=np.int64)
    guess_values, guess_inverse = (
        np.unique(predictions.labels.astype(object), return_inverse=True)
        if len(truth)
        else (truth, truth.astype(int))
    )
    guesses = np.array([codes[class_of(value)] for value in guess_values], dtype=np.int64)
    probabilities = predictions.probabilities
    if probabilities is not None and len(codes) > probabilities.shape[1]:
        probabilities = np.pad(probabilities, ((0, 0), (0, len(codes) - probabilities.shape[1])))
    return Scored(positions[inverse], guesses[guess_inverse], probabilities, len(codes))


def score(item: Metric, y_true: Any, predictions: Predictions) -> float:
    """The metric's value; NaN when it is not defined on these rows. `y_true`: labels (rows,)."""
    rows = scored(y_true, predictions)
    if len(rows.truth) == 0:
        return float("nan")
    return float(item.formula(rows, np.ones((1, len(rows.truth))))[0])


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
    draws: dict[str, list[Floats]] = {item.name: [] for item in items}
    for weights in _resamples(len(rows.truth), resamples, seed):
        for item in items:
            draws[item.name].append(item.formula(rows, weights))
    return {
        item.name: _interval(score(item, y_true, predictions), draws[item.name], len(rows.truth), confidence)
        for item in items
    }


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
    draws = [
        sign * (item.formula(one, weights) - item.formula(two, weights))
        for weights in _resamples(len(one.truth), resamples, seed)
    ]
    value = sign * (score(item, y_true, first) - score(item, y_true, second))
    return _interval(value, draws, len(one.truth), confidence)


def _resamples(rows: int, resamples: int, seed: int) -> Iterator[Floats]:
    if rows == 0:
        return
    generator = np.random.default_rng(seed)
    left = max(_FEWEST, min(resamples, _WORK // rows)) if resamples > _FEWEST else resamples
    chunk = max(1, _CELLS // rows)
    while left > 0:
        size = min(chunk, left)
        drawn = generator.integers(0, rows, (size, rows)) + np.arange(size)[:, None] * rows
        yield np.bincount(drawn.ravel(), minlength=size * rows).reshape(size, rows).astype(np.float64)
        left -= size


def _interval(value: float, draws: list[Floats], rows: int, confidence: float) -> Interval:
    values = np.concatenate(draws) if draws else np.array([])
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return Interval(value, float("nan"), float("nan"), rows, confidence, 0)
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return Interval(value, float(low), float(high), rows, confidence, len(values))


def baseline(
    task: Task, y_train: Any, rows: int, classes: tuple[str | bool | int | float, ...]
) -> Predictions:
    """What one would predict without looking at the inputs: the most frequent class with the shares of the classes
    as probabilities, or the mean. `rows` is how many predictions to make."""
    truth = np.asarray(y_train)
    if task == "regression":
        return Predictions(np.full(rows, truth.astype(np.float64).mean()), None, ())
    positions = {value: position for position, value in enumerate(classes)}
    counts = np.bincount([positions[class_of(value)] for value in truth], minlength=len(classes))
    shares = counts / counts.sum()
    labels = np.empty(rows, dtype=object)
    labels[:] = classes[int(np.argmax(counts))]
    return Predictions(labels, np.tile(shares, (rows, 1)), classes)
