"""Work that is done by several workers at the same time, each with memory of its own, who talk to one another.

They have to find each other: one of them says where, the others hear it. When one fails, all are ended, since the
others would wait for it for ever; whoever asked may ask again.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tenure.executors.executor import Ended, Stopping

_LOOK_SECONDS = 0.05


@dataclass
class Alone:
    """The meeting of one worker, which is this process."""

    folder: Path
    number: int = 0
    host: str = "127.0.0.1"
    _word: str | None = None

    def tell(self, word: str) -> None:
        """Remember it."""
        self._word = word

    def heard(self, stopping: Stopping) -> str:
        """What this very worker said before."""
        if self._word is None:
            raise Ended("nobody has said anything")
        return self._word


def wait_until(done: Callable[[], bool], stopping: Stopping, seconds: float = math.inf) -> None:
    """Look now and then until it is done. Raises Ended when it is to stop before, or takes longer."""
    end = time.monotonic() + seconds
    while not done():
        if stopping():
            raise Ended("nobody waits for it any more")
        if time.monotonic() > end:
            raise Ended(f"there are too few workers for {seconds:.0f} seconds")
        time.sleep(_LOOK_SECONDS)


class Turn:
    """One after the other: what needs several workers at once would wait for ever for workers that wait for others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def take(self, stopping: Stopping) -> None:
        """Wait for the turn. Raises Ended when it is to stop before."""
        wait_until(lambda: self._lock.acquire(blocking=False), stopping)

    def leave(self) -> None:
        """Let the next one in."""
        self._lock.release()
