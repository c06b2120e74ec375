"""The section `business`: who wants the model and what its predictions are worth.

It declares nothing of its own: stages that use it take it from `Identity`. What an outcome is worth is measured by
evaluation, may decide the threshold of a classifier, and is written on the card with the words beside it.
"""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.spec.base import FieldProblem, SpecModel, field

BINARY = ("true_positive", "false_positive", "false_negative", "true_negative")
CLASSES = ("correct", "incorrect")
ERROR = ("per_unit_error",)


class Value(SpecModel):
    """What a prediction is worth by how it turns out: costs are negative.

    Two classes: `true_positive` and its three sisters, where those left out are worth 0. More classes: `correct` and
    `incorrect`. Numbers: `per_unit_error`.
    """

    currency: str = field(
        Effect.EVALUATE,
        "The unit of the values, for people.",
        pattern=r"^\S.{0,19}$",
        examples=["USD"],
    )
    true_positive: float | None = field(
        Effect.EVALUATE, "What one positive that is found is worth.", None, examples=[120]
    )
    false_positive: float | None = field(
        Effect.EVALUATE, "What one false alarm is worth; a cost is negative.", None, examples=[-15]
    )
    false_negative: float | None = field(
        Effect.EVALUATE,
        "What one positive that is missed is worth; a cost is negative.",
        None,
        examples=[-80],
    )
    true_negative: float | None = field(
        Effect.EVALUATE, "What one negative that is left alone is worth.", None, examples=[0]
    )
    correct: float | None = field(
        Effect.EVALUATE, "Several classes: what one right prediction is worth.", None, examples=[1]
    )
    incorrect: float | None = field(
        Effect.EVALUATE,
        "Several classes: what one wrong prediction is worth; a cost is negative.",
        None,
        examples=[-4],
    )
    per_unit_error: float | None = field(
        Effect.EVALUATE,
        "Numbers: what each unit by which a prediction is off is worth; a cost is negative.",
        None,
        le=0.0,
        examples=[-2.5],
    )

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        kinds = [names for names in (BINARY, CLASSES, ERROR) if any(self._given(name) for name in names)]
        if not kinds:
            raise FieldProblem(
                "no outcome has a value",
                hint="two classes: true_positive, false_positive, false_negative, true_negative; "
                "several: correct, incorrect; numbers: per_unit_error",
            )
        if len(kinds) > 1:
            stray = next(name for name in kinds[1] if self._given(name))
            raise FieldProblem(
                f"{stray} is for another task than {next(name for name in kinds[0] if self._given(name))}",
                at=(stray,),
                hint="keep the values of one task",
            )
        return self

    def _given(self, name: str) -> bool:
        return getattr(self, name) is not None


class Business(SpecModel):
    """Who wants the model, how its success is seen, and what its predictions are worth."""

    objective: str | None = field(Effect.METADATA, "What the model is to achieve. Goes into the card.", None)
    kpi: str | None = field(
        Effect.METADATA, "The figure of the business it is to move. Goes into the card.", None
    )
    value: Value | None = field(
        Effect.EVALUATE,
        "What predictions are worth: the report shows the value per 1,000 rows, and gates can demand one.",
        None,
        examples=[
            {"currency": "USD", "true_positive": 120, "false_positive": -15, "false_negative": -80},
            {"currency": "EUR", "per_unit_error": -2.5},
        ],
    )
    running_cost_per_month: float | None = field(
        Effect.METADATA,
        "What it costs to run the model, in the currency of `value`: the card then says from how many predictions a "
        "month it pays for itself.",
        None,
        ge=0.0,
        examples=[300],
    )
