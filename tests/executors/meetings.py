"""Work that is done together: functions of a module, so that other processes find them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from tenure.core.errors import StageError
from tenure.executors.executor import Ended, Meeting

Stopping = Callable[[], bool]


def greets(name: str, stopping: Stopping, meeting: Meeting) -> tuple[str, str, int]:
    """Its own name, the word of the first, and how many came: each waits until all have."""
    if meeting.number == 0:
        meeting.tell(f"hello from {name}")
    heard = meeting.heard(stopping)
    (meeting.folder / f"here-{meeting.number}").touch()
    end = time.monotonic() + 20
    expected = int((meeting.folder / "expected").read_text())
    while (came := len(list(meeting.folder.glob("here-*")))) < expected and time.monotonic() < end:
        time.sleep(0.01)
    return name, heard, came


def refuses_first(reason: str, stopping: Stopping, meeting: Meeting) -> None:
    """The first one fails, and the others would wait for it for ever."""
    if meeting.number == 0:
        raise StageError("refused", reason)
    meeting.heard(stopping)


def waits(_: None, stopping: Stopping, meeting: Meeting) -> None:
    while not stopping():
        time.sleep(0.01)
    raise Ended("asked to stop")


def dies(_: None, stopping: Stopping, meeting: Meeting) -> None:
    """The last worker is gone in the middle of it."""
    if meeting.number == 1:
        os._exit(7)
    meeting.heard(stopping)


def reads(name: str, stopping: Stopping, meeting: Meeting) -> tuple[str, str]:
    """The content of the folder that came with the piece, and where it lay."""
    return (meeting.folder / name).read_text(), str(Path(meeting.folder))
