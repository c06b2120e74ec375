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

from tenure.core.errors import StageError
from tenure.ml import formulas
from tenure.ml.formulas import Floats, Scored
from tenure.ml.predictions import Predictions
from tenure.ml.task import Task, class_of

Goal = Literal["maximize", "minimize"]

_CELLS = 4_000_000  # weights held at once: 32 MB
_WORK = 40_000_000  # rows x resamples beyond which fewer resamples are drawn
_FEWEST = 200


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


_CLASSIFICATION: tuple[Task, ...] = ("binary", "multiclass")
_BINARY: tuple[Task, ...] = ("binary",)
_REGRESSION: tuple[Task, ...] = ("regression",)

METRICS: tuple[Metric, ...] = (
    Metric("accuracy", "share of rows predicted right", "maximize", _CLASSIFICATION, formulas.accuracy),
    Metric(
        "balanced_accuracy",
        "mean recall of the classes",
        "maximize",
        _CLASSIFICATION,
        formulas.balanced_accuracy,
    ),
    Metric("f1_macro", "mean F1 of the classes", "maximize", _CLASSIFICATION, formulas.f1_macro),
    Metric("f1", "F1 of the positive class", "maximize", _BINARY, formulas.f1),
    Metric(
        "precision", "share of predicted positives that are positive", "maximize", _BINARY, formulas.precision
    ),
    Metric("recall", "share of positives that are found", "maximize", _BINARY, formulas.recall),
    Metric("roc_auc", "area under the ROC curve", "maximize", _CLASSIFICATION, formulas.roc_auc, True),
    Metric(
        "average_precision",
        "area under the precision-recall curve",
        "maximize",
        _BINARY,
        formulas.average_precision,
        True,
    ),
    Metric(
        "log_loss",
        "mean negative log probability of the true class",
        "minimize",
        _CLASSIFICATION,
        formulas.log_loss,
        True,
    ),
    Metric(
        "brier", "mean squared error of the positive probability", "minimize", _BINARY, formulas.brier, True
    ),
    Metric("mae", "mean absolute error", "minimize", _REGRESSION, formulas.mae),
    Metric("rmse", "root of the mean squared error", "minimize", _REGRESSION, formulas.rmse),
    Metric("r2", "share of the variance explained", "maximize", _REGRESSION, formulas.r2),
    Metric("mape", "mean absolute error relative to the true value", "minimize", _REGRESSION, formulas.mape),
    Metric(
        "median_absolute_error",
        "median absolute error",
        "minimize",
        _REGRESSION,
        formulas.median_absolute_error,
    ),
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
