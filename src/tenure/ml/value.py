"""What predictions are worth, from what each outcome is worth: a metric like the others, per 1,000 rows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from tenure.core.errors import StageError
from tenure.ml.formulas import Floats, Scored, mean
from tenure.ml.metrics import Metric
from tenure.ml.task import Task

NAME = "value_per_1000"

_FITTING: dict[Task, tuple[str, ...]] = {
    "binary": ("true_positive", "false_positive", "false_negative", "true_negative"),
    "multiclass": ("correct", "incorrect"),
    "regression": ("per_unit_error",),
}


def value_metric(value: Mapping[str, Any], task: Task) -> Metric:
    """The value of 1,000 predictions in the currency of `value`, the block `business.value` of a spec.

    Raises StageError when it holds the values of another task.
    """
    fitting = _FITTING[task]
    worth = {name: float(value[name]) for name in fitting if value.get(name) is not None}
    if not worth:
        given = next(name for names in _FITTING.values() for name in names if value.get(name) is not None)
        raise StageError(
            "the values do not fit the task",
            f"{given} is no outcome of a {task} model",
            f"give {', '.join(fitting)}",
            path=("business", "value", given),
        )
    return Metric(
        NAME, f"value of 1,000 predictions in {value['currency']}", "maximize", (task,), partial(_mean, worth)
    )


def _mean(worth: Mapping[str, float], rows: Scored, weights: Floats) -> Floats:
    return 1000 * mean(rows.once(f"{NAME} {sorted(worth.items())}", lambda: worth_of(worth, rows)), weights)


def worth_of(worth: Mapping[str, float], rows: Scored) -> Floats:
    """What the prediction of each row (rows,) is worth; outcomes that are not named are worth 0."""
    if "per_unit_error" in worth:
        result: Floats = worth["per_unit_error"] * np.abs(rows.truth - rows.guess)
        return result
    right = rows.truth == rows.guess
    if {"correct", "incorrect"} & set(worth):
        return np.where(right, worth.get("correct", 0.0), worth.get("incorrect", 0.0))
    said = rows.guess == 1
    positive = np.where(right, worth.get("true_positive", 0.0), worth.get("false_positive", 0.0))
    negative = np.where(right, worth.get("true_negative", 0.0), worth.get("false_negative", 0.0))
    return np.where(said, positive, negative)
