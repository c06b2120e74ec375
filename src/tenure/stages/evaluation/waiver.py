"""Waivers: a gate that fails lets a model pass for a while, because somebody answers for it.

What was waived is kept in the report, the version and the card. Time ends a waiver: the report holds until the first
of those it relies on expires, and the next plan then judges the model again, without training anything.
"""

from __future__ import annotations

from datetime import date, datetime

from tenure.core.effect import Effect
from tenure.core.units import as_instant
from tenure.spec.base import SpecModel, field


class Waiver(SpecModel):
    """Lets a model pass although the gate fails, until a day; the failure and who answers for it are recorded."""

    owner: str = field(Effect.EVALUATE, "Who answers for it.", min_length=1, examples=["risk@example.com"])
    reason: str = field(Effect.EVALUATE, "Why the model may pass.", min_length=1)
    expires: date = field(
        Effect.EVALUATE,
        "The day (its beginning, UTC) from which it counts no longer: the next plan judges the model again.",
        examples=["2027-01-31"],
    )

    def live(self, now: datetime) -> bool:
        """Whether it still counts."""
        return now < self.ends

    @property
    def ends(self) -> datetime:
        """The moment from which it counts no longer."""
        return as_instant(self.expires)

    def text(self) -> str:
        """Who waived it, until when and why."""
        return f"waived until {self.expires} by {self.owner}: {self.reason}"
