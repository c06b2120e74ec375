"""Criterion `performance`: a monitored score stays below what makes the model worth having."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.plan.view import View
from tenure.spec.base import SpecModel, field


class PerformanceCriterion(SpecModel):
    """Matches when a performance signal violates its limit in k of the last n windows that could be judged."""

    type: Literal["performance"] = field(Effect.OPERATE, "The kind of criterion.")
    signal: str = field(Effect.OPERATE, "The monitoring signal to look at, by its name.", "performance")
    below: float | None = field(
        Effect.OPERATE, "The score must not be below this (for scores where more is better).", None
    )
    above: float | None = field(
        Effect.OPERATE, "The score must not be above this (for errors, where less is better).", None
    )
    violation_windows: int = field(Effect.OPERATE, "How many windows have to violate the limit.", 3, ge=1)
    evaluation_windows: int = field(Effect.OPERATE, "Out of how many of the latest windows.", 4, ge=1)

    @model_validator(mode="after")
    def _limits(self) -> PerformanceCriterion:
        if (self.below is None) == (self.above is None):
            raise ValueError("give exactly one of below and above")
        if self.violation_windows > self.evaluation_windows:
            raise ValueError("violation_windows cannot be more than evaluation_windows")
        return self

    def turns(self, view: View) -> datetime | None:
        """Time alone never makes it hold."""
        return None

    def matched(self, view: View) -> str | None:
        """A sentence when the criterion holds, else None."""
        judged = sorted(
            (item for item in view.observations if item.signal == self.signal and item.value is not None),
            key=lambda item: item.window_end,
        )[-self.evaluation_windows :]
        bad = [item for item in judged if item.verdict != "insufficient_data" and self._violates(item.value)]
        if len(bad) < self.violation_windows:
            return None
        limit = f"below {self.below:g}" if self.below is not None else f"above {self.above:g}"
        return f"{self.signal} was {limit} in {len(bad)} of the last {len(judged)} windows"

    def _violates(self, value: float | None) -> bool:
        if value is None:
            return False
        return value < self.below if self.below is not None else self.above is not None and value > self.above
