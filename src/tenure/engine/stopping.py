"""Being asked to stop: Ctrl-C, SIGTERM, a terminal that is closed. What runs then ends safely; asked again, at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def never() -> bool:
    """For work that nobody stops."""
    return False


def interrupt() -> None:
    """Stop at once by an exception, as Python does it itself: for programs that go on afterwards."""
    raise KeyboardInterrupt


@contextmanager
def stoppable(abandon: Callable[[], None] = interrupt) -> Iterator[Callable[[], bool]]:
    """Yields what says whether somebody asked to stop; whoever asks a second time makes `abandon` be called.

    A signal that is ignored stays so: `nohup` wants to outlive the terminal. In another thread than the main one, which
    gets no signals, nobody can ask.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def ask(number: int, frame: object) -> None:
        # A terminal that closes says so to every process in it, also to one that a person has just asked to stop.
        if asked.is_set() and number != signal.SIGHUP:
            abandon()
        asked.set()

    heeded = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, ask) for number in heeded}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
