"""Criterion `date`: a day that was fixed beforehand has come."""

from __future__ import annotations

import datetime
from typing import Literal

from tenure.core.effect import Effect
from tenure.core.units import as_instant
from tenure.plan.view import View
from tenure.spec.base import SpecModel, field


class DateCriterion(SpecModel):
    """Matches from a day on (UTC), for instance the end of a contract or of a data licence."""

    type: Literal["date"] = field(Effect.OPERATE, "The kind of criterion.")
    on: datetime.date = field(
        Effect.OPERATE, "The day from which the criterion holds.", examples=["2027-01-15"]
    )
    why: str | None = field(Effect.METADATA, "What happens on that day.", None)

    def turns(self, view: View) -> datetime.datetime | None:
        """When passing time makes it hold."""
        return as_instant(self.on)

    def matched(self, view: View) -> str | None:
        """A sentence when the criterion holds, else None."""
        if view.now < as_instant(self.on):
            return None
        return f"{self.on} has come" + (f": {self.why}" if self.why else "")
