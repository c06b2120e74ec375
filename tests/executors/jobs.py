"""Work for executors: functions of a module, so that other processes find them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from tenure.core.errors import StageError
from tenure.executors.executor import folder_of

Stopping = Callable[[], bool]


def doubled(number: int, stopping: Stopping) -> int:
    return 2 * number


def refuses(reason: str, stopping: Stopping) -> None:
    raise StageError("refused", reason, "do otherwise")


def reads(argument: tuple[str, str], stopping: Stopping) -> tuple[str, str]:
    """The content of a shared file, and the folder it was found in."""
    reference, name = argument
    folder = folder_of(reference)
    return (folder / name).read_text(), str(folder)


def waits(marks: str, stopping: Stopping) -> str:
    """Until it is asked to stop: leaves a mark when it starts and when it ends."""
    Path(marks, "started").touch()
    for _ in range(3000):
        if stopping():
            Path(marks, "stopped").touch()
            return "stopped"
        time.sleep(0.01)
    return "never asked"


def dies_once(mark: str, stopping: Stopping) -> str:
    """The first worker that gets it is gone."""
    try:
        with Path(mark).open("x"):
            pass
    except FileExistsError:
        return "done by another"
    os._exit(7)


def dies(_: None, stopping: Stopping) -> None:
    os._exit(7)
