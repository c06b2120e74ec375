"""Who is acting, when, and who is told: handed to everything that has effects, never global."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tenure.core.events import EventSink, ignore


@dataclass(frozen=True)
class Context:
    """The circumstances of one command.

    `now` is the time every decision is taken at (aware, UTC); tests, demos and simulations set it. `project` is the
    folder that relative paths of a spec start from. `actor` is recorded with everything that is done.
    """

    now: datetime
    project: Path
    environment: str = "dev"
    actor: str = "unknown"
    emit: EventSink = field(default=ignore)

    def __post_init__(self) -> None:
        if self.now.tzinfo is None:
            raise ValueError("now must be an aware datetime")
        object.__setattr__(self, "now", self.now.astimezone(UTC))
