"""A verb in a process of its own that dies, runs out of disk or is interrupted at the n-th thing it does to the world.

What counts is every statement that writes to the state and every commit, and every file that is opened for writing,
renamed or removed below the project: between two of them nothing durable changes, so dying before each is dying
anywhere. The process is killed by the kernel: no handler, no flush, no `finally`.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

KINDS = ("kill", "full disk", "stop", "stop twice")
SECONDS = 60.0
"""After so long a process counts as stuck."""
_FILES = {"os.rename", "os.remove", "os.mkdir", "os.truncate", "os.link", "os.rmdir"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


@dataclass(frozen=True)
class Fault:
    """What happens at which effect, counted from 1; nothing at 0."""

    kind: str = "none"
    at: int = 0


@dataclass(frozen=True)
class Ended:
    """How a process ended: by which signal, with which answer, after how many effects."""

    killed: bool
    answer: Any
    effects: int


class _Effects:
    """Counts effects, and lets the fault happen."""

    def __init__(self, root: Path, fault: Fault) -> None:
        self.root, self.fault, self.count = str(root), fault, 0
        self._turn = threading.Lock()

    def install(self) -> None:
        """From now on until this process ends."""
        sys.addaudithook(self._audited)
        sa.event.listen(sa.Engine, "before_cursor_execute", self._statement)
        sa.event.listen(sa.Engine, "commit", lambda connection: self._effect(self._no_room))

    def _audited(self, event: str, values: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = values
            writing = bool(flags & _WRITING) if mode is None else any(sign in mode for sign in "wax+")
        else:
            path, writing = (values[0] if values else ""), event in _FILES
        if writing and isinstance(path, str | os.PathLike) and os.fspath(path).startswith(self.root):
            self._effect(_no_space)

    def _statement(self, connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip()[:6].upper() in ("INSERT", "UPDATE", "DELETE", "CREATE"):
            self._effect(self._no_room)

    def _effect(self, no_room: Callable[[], None]) -> None:
        with self._turn:
            self.count += 1
            now = self.count
        if self.fault.kind == "none" or now < self.fault.at:
            return
        if self.fault.kind == "full disk":
            no_room()
        elif now == self.fault.at:
            os.kill(os.getpid(), signal.SIGKILL if self.fault.kind == "kill" else signal.SIGINT)
            if self.fault.kind == "stop twice":
                os.kill(os.getpid(), signal.SIGINT)

    @staticmethod
    def _no_room() -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error


def _no_space() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def run(root: Path, verb: Callable[[], Any], fault: Fault = Fault()) -> Ended:
    """Run a verb in a child, with a fault."""
    return _ended(_started(root, verb, fault))


def race(root: Path, verbs: Mapping[str, Callable[[], Any]]) -> dict[str, Ended]:
    """Run several verbs at once, each in a child of its own."""
    opened, gate = os.pipe()

    def behind(verb: Callable[[], Any]) -> Callable[[], Any]:
        def waiting() -> Any:
            os.close(gate)
            os.read(opened, 1)
            return verb()

        return waiting

    children = {name: _started(root, behind(verb), Fault()) for name, verb in verbs.items()}
    os.close(gate)
    ended = {name: _ended(child) for name, child in children.items()}
    os.close(opened)
    return ended


def _started(root: Path, verb: Callable[[], Any], fault: Fault) -> tuple[int, int]:
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        return child, read
    code = 70
    try:
        os.close(read)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        effects = _Effects(root, fault)
        effects.install()
        answer: Any
        try:
            answer = verb()
        except BaseException as error:
            answer = {
                "raised": type(error).__name__,
                "said": str(error),
                "code": getattr(error, "exit_code", None),
            }
        effects.fault = Fault()
        os.write(write, json.dumps([answer, effects.count]).encode())
        code = 0
    finally:
        os._exit(code)


def _ended(child: tuple[int, int]) -> Ended:
    number, read = child
    said = b"".join(_pieces(read, number))
    os.close(read)
    _, status = os.waitpid(number, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    assert said or killed, f"the process ended with status {status} and without an answer"
    answer, effects = json.loads(said) if said else (None, 0)
    return Ended(killed, answer, effects)


def _pieces(read: int, child: int) -> Iterator[bytes]:
    deadline = time.monotonic() + SECONDS
    # A long run of many tests may have more descriptors open than select can name.
    waiting = select.poll()
    waiting.register(read, select.POLLIN)
    while True:
        if not waiting.poll(max(0.0, deadline - time.monotonic()) * 1000):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            raise AssertionError(f"the process was stuck for {SECONDS:.0f} s")
        piece = os.read(read, 1 << 16)
        if not piece:
            return
        yield piece
