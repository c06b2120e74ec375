"""Metrics: one visible registry; the formula of each gives its point value and its intervals.

Every metric is a function of rows with weights, evaluated for many weightings at once: a point value has all weights
1, a bootstrap resample (`resampling.py`) has the number of times each row was drawn. The tests compare with
scikit-learn.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any, Literal

import msgspec
import numpy as np

from tenure.core.errors import StageError
from tenure.ml import formulas, rank_formulas, regression_formulas
from tenure.ml.formulas import Floats, Scored
from tenure.ml.predictions import Predictions
from tenure.ml.task import Task, class_of

Goal = Literal["maximize", "minimize"]


class Metric(msgspec.Struct, frozen=True):
    """A metric. `formula` takes rows and weights (rows, resamples) and gives one value per resample, NaN where a
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


_CLASSES: tuple[Task, ...] = ("binary", "multiclass")
_BINARY: tuple[Task, ...] = ("binary",)
_SEVERAL: tuple[Task, ...] = ("multiclass",)
_NUMBERS: tuple[Task, ...] = ("regression",)

METRICS: tuple[Metric, ...] = (
    Metric("accuracy", "share of rows predicted right", "maximize", _CLASSES, formulas.accuracy),
    Metric(
        "balanced_accuracy", "mean recall of the classes", "maximize", _CLASSES, formulas.balanced_accuracy
    ),
    Metric("f1_macro", "mean F1 of the classes", "maximize", _CLASSES, formulas.f1_macro),
    Metric(
        "f1_weighted",
        "mean F1 of the classes by how often they occur",
        "maximize",
        _SEVERAL,
        formulas.f1_weighted,
    ),
    Metric(
        "precision_macro", "mean precision of the classes", "maximize", _SEVERAL, formulas.precision_macro
    ),
    Metric("f1", "F1 of the positive class", "maximize", _BINARY, formulas.f1),
    Metric(
        "precision", "share of predicted positives that are positive", "maximize", _BINARY, formulas.precision
    ),
    Metric("recall", "share of positives that are found", "maximize", _BINARY, formulas.recall),
    Metric(
        "specificity", "share of negatives that are left alone", "maximize", _BINARY, formulas.specificity
    ),
    Metric(
        "matthews_correlation",
        "correlation of truth and prediction",
        "maximize",
        _CLASSES,
        formulas.matthews_correlation,
    ),
    Metric("cohen_kappa", "agreement beyond chance", "maximize", _CLASSES, formulas.cohen_kappa),
    Metric(
        "top_3_accuracy",
        "share of rows whose class is among the three most probable",
        "maximize",
        _SEVERAL,
        formulas.top_3_accuracy,
        True,
    ),
    Metric("roc_auc", "area under the ROC curve", "maximize", _CLASSES, rank_formulas.roc_auc, True),
    Metric(
        "average_precision",
        "area under the precision-recall curve",
        "maximize",
        _BINARY,
        rank_formulas.average_precision,
        True,
    ),
    Metric(
        "kolmogorov_smirnov",
        "greatest distance of the distributions of both classes",
        "maximize",
        _BINARY,
        rank_formulas.kolmogorov_smirnov,
        True,
    ),
    Metric(
        "top_decile_lift",
        "times more positives in the best tenth than among all rows",
        "maximize",
        _BINARY,
        rank_formulas.top_decile_lift,
        True,
    ),
    Metric(
        "log_loss",
        "mean negative log probability of the true class",
        "minimize",
        _CLASSES,
        formulas.log_loss,
        True,
    ),
    Metric(
        "brier", "mean squared error of the positive probability", "minimize", _BINARY, formulas.brier, True
    ),
    Metric(
        "expected_calibration_error",
        "mean distance of promised and observed shares",
        "minimize",
        _CLASSES,
        formulas.expected_calibration_error,
        True,
    ),
    Metric("mae", "mean absolute error", "minimize", _NUMBERS, regression_formulas.mae),
    Metric("rmse", "root of the mean squared error", "minimize", _NUMBERS, regression_formulas.rmse),
    Metric(
        "rmsle",
        "root of the mean squared error of logarithms",
        "minimize",
        _NUMBERS,
        regression_formulas.rmsle,
    ),
    Metric("r2", "share of the variance explained", "maximize", _NUMBERS, regression_formulas.r2),
    Metric(
        "explained_variance",
        "share of the variance explained, apart from a constant error",
        "maximize",
        _NUMBERS,
        regression_formulas.explained_variance,
    ),
    Metric(
        "mape",
        "mean absolute error relative to the true value",
        "minimize",
        _NUMBERS,
        regression_formulas.mape,
    ),
    Metric(
        "smape",
        "mean absolute error relative to the size of both values",
        "minimize",
        _NUMBERS,
        regression_formulas.smape,
    ),
    Metric(
        "median_absolute_error",
        "median absolute error",
        "minimize",
        _NUMBERS,
        regression_formulas.median_absolute_error,
    ),
    Metric("max_error", "greatest absolute error", "minimize", _NUMBERS, regression_formulas.max_error),
)
"""Every metric there is. `roc_auc` of several classes is the mean of one class against the rest."""

_DEFAULTS: dict[Task, tuple[str, ...]] = {
    "binary": ("roc_auc", "average_precision", "accuracy", "balanced_accuracy", "f1", "log_loss", "brier"),
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
    truths, guesses = _positions(truth, codes), _positions(predictions.labels, codes)
    probabilities = predictions.probabilities
    if probabilities is not None and len(codes) > probabilities.shape[1]:
        probabilities = np.pad(probabilities, ((0, 0), (0, len(codes) - probabilities.shape[1])))
    return Scored(truths, guesses, probabilities, len(codes))


def _positions(labels: Any, codes: dict[Any, int]) -> Any:
    """The position of each label; one that is not known yet is added to the codes."""
    values = labels.tolist()
    for value in sorted(set(values).difference(codes), key=str):
        # 1.0 is found as 1; what differs in its type only is the same class.
        codes[value] = codes.setdefault(class_of(value), len(codes))
    return np.fromiter((codes[value] for value in values), dtype=np.int64, count=len(values))


def score(item: Metric, y_true: Any, predictions: Predictions) -> float:
    """The metric's value; NaN when it is not defined on these rows. `y_true`: labels (rows,)."""
    return value_of(item, scored(y_true, predictions))


def value_of(item: Metric, rows: Scored) -> float:
    """The metric's value on rows that are scored already."""
    if len(rows.truth) == 0:
        return float("nan")
    return float(item.formula(rows, np.ones((len(rows.truth), 1)))[0])


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
