"""Progress as typed events. Stages and engine emit them; `render/` decides what a person or a program sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec


class Event(msgspec.Struct, frozen=True, tag_field="event", tag=str.lower):
    """Something that happened at an address; `address` is empty for events about the whole run."""

    address: str


class StepStarted(Event, frozen=True):
    """A step of the plan begins; its intent is durable."""

    action: str
    sentence: str = ""


class StepProgress(Event, frozen=True):
    """How far a running step is: `done` of `total` (0 when the total is unknown)."""

    done: int
    total: int
    note: str = ""


class StepFinished(Event, frozen=True):
    """A step ended well; its outcome is durable."""

    action: str
    seconds: float
    sentence: str = ""


class StepSkipped(Event, frozen=True):
    """A planned step turned out to be unnecessary: its inputs came out the same as before."""

    sentence: str


class StepBlocked(Event, frozen=True):
    """A step that may not be taken now, and the way to go on."""

    sentence: str
    hint: str = ""


class StepFailed(Event, frozen=True):
    """A step failed; what depends on it is not attempted."""

    summary: str
    detail: str = ""
    hint: str = ""


class Note(Event, frozen=True):
    """A remark worth a line."""

    text: str
    data: dict[str, Any] = {}


EventSink = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The sink of somebody who does not want to know."""
