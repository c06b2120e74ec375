"""What is asked for after the search: calibrated probabilities, a threshold, intervals. None of it searches again.

The blocks of the spec; `stages/training/answers.py` learns them from out-of-fold predictions.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.ml.metric_names import ThresholdMetric
from tenure.spec.base import FieldProblem, SpecModel, field


class Calibrate(SpecModel):
    """Makes probabilities mean what they say, by a map learned from out-of-fold predictions."""

    type: Literal["isotonic", "sigmoid", "temperature", "none"] = field(
        Effect.ADJUST,
        "`isotonic` follows any rising curve and needs a thousand rows or more, `sigmoid` has two numbers per class, "
        "`temperature` one in all and never changes which class is most probable.",
    )


class DecisionThreshold(SpecModel):
    """From which probability of the positive class on a row is called positive; 0.5 when left out."""

    type: Literal["fixed", "maximize"] = field(
        Effect.ADJUST,
        "`fixed` takes `value` as it is; `maximize` finds the best threshold on out-of-fold predictions.",
    )
    value: float | Literal["business"] | None = field(
        Effect.ADJUST,
        "With `fixed` the threshold, 0 to 1. With `maximize`: `business`, what outcomes are worth in `business.value`.",
        None,
        examples=[0.35, "business"],
    )
    metric: ThresholdMetric | None = field(
        Effect.ADJUST, "With `maximize`: the metric to maximize.", None, examples=["f1"]
    )

    @model_validator(mode="after")
    def _one_goal(self) -> Self:
        if self.type == "fixed":
            if self.metric is not None:
                raise FieldProblem(
                    "a fixed threshold maximizes nothing", at=("metric",), hint="remove metric"
                )
            if not isinstance(self.value, float) or not 0 <= self.value <= 1:
                raise FieldProblem(
                    "a fixed threshold needs its value, a number from 0 to 1",
                    at=("value",),
                    hint="value: 0.5",
                )
        elif (self.metric is None) == (self.value is None):
            raise FieldProblem(
                "say what to maximize: a metric, or the value of the outcomes",
                hint="metric: f1, or value: business",
            )
        elif isinstance(self.value, float):
            raise FieldProblem(
                "a number cannot be maximized", at=("value",), hint="value: business, or type: fixed"
            )
        return self


class PredictionIntervals(SpecModel):
    """Two numbers around each prediction of a number, between which the truth is expected."""

    type: Literal["conformal", "quantile"] = field(
        Effect.ADJUST,
        "`conformal` adds the errors of out-of-fold predictions to each prediction; works with every algorithm. "
        "`quantile` fits two more models that estimate the ends themselves, so that intervals are wide where the "
        "target varies much, and corrects them out of fold; only for algorithms that can.",
    )
    confidence: float = field(
        Effect.ADJUST, "The share of rows whose truth should lie inside.", 0.9, ge=0.5, le=0.99
    )
    bands: int = field(
        Effect.ADJUST,
        "Groups of rows by the size of their prediction, each with errors of its own: with 1 all intervals have the "
        "same width. There are fewer where a group would have too few rows. Only with `conformal`.",
        1,
        ge=1,
        le=20,
    )

    @model_validator(mode="after")
    def _bands_of_errors(self) -> Self:
        if self.type == "quantile" and self.bands > 1:
            raise FieldProblem(
                "quantiles already differ from row to row",
                at=("bands",),
                hint="remove bands, or type: conformal",
            )
        return self
