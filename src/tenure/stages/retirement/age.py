"""Criterion `age`: nobody has trained the model for too long."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from tenure.core.effect import Effect
from tenure.core.units import format_instant, parse_duration
from tenure.plan.view import View
from tenure.spec.base import DurationText, SpecModel, field


class AgeCriterion(SpecModel):
    """Matches when the last training is longer ago than allowed."""

    type: Literal["age"] = field(Effect.OPERATE, "The kind of criterion.")
    since_last_training: DurationText = field(
        Effect.OPERATE, "The longest time a model may serve without being trained again.", examples=["540d"]
    )

    def turns(self, view: View) -> datetime | None:
        """When passing time makes it hold."""
        trained = view.records.get("training/model")
        return None if trained is None else parse_duration(self.since_last_training).after(trained.at)

    def matched(self, view: View) -> str | None:
        """A sentence when the criterion holds, else None."""
        trained = view.records.get("training/model")
        if trained is None or parse_duration(self.since_last_training).after(trained.at) > view.now:
            return None
        return f"last trained {format_instant(trained.at)}, more than {self.since_last_training} ago"
