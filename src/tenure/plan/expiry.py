"""Artifacts that hold for a while only: what their record says is true until a moment, then they are made again.

A stage says so in the value it records: `holds_until`, an instant as text, and `holds_because`, a sentence for the plan
after that moment. Nothing they are made from has to change for it.
"""

from __future__ import annotations

from datetime import datetime

from tenure.core.units import parse_instant
from tenure.state.record import Record

UNTIL, BECAUSE = "holds_until", "holds_because"


def holds_until(record: Record) -> datetime | None:
    """The moment from which an artifact has to be made again; None where time alone changes nothing."""
    text = record.value.get(UNTIL) if record.sort == "artifact" else None
    return parse_instant(text) if text else None


def expired(record: Record, now: datetime) -> str | None:
    """Why an artifact does not hold any more; None while it does."""
    until = holds_until(record)
    return None if until is None or now < until else str(record.value[BECAUSE])
