"""Where a run may die: at every write of its state, at every file it touches, around every stage's verb.

A process is watched from the inside, without knowing how the code is built: files by the interpreter's audit events,
transactions by SQLite's own trace, durability by `os.fsync`, steps by the journal. It dies by SIGKILL at the first
point that no run before it has died at; run after run, on the same project, that is every point there is.
"""

from __future__ import annotations

import io
import os
import re
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.engine.processes import die, hooked, outcome
from tests.engine.projects import NOW

from tenure.engine import compiling
from tenure.engine.project import Project

_NAMES = re.compile(r"(?<=/)[0-9a-f]{2}(?=/|$)|[0-9a-f]{8,}|\d+|[-.\w]*\.(part|tmp|partial)$")
_ALIKE = ("before the verb", "after the verb", "(intent): before a commit")
"""Points at which nothing more has happened than at the one before."""


def _apply(project: Project) -> int:
    result = project.apply(project.plan())
    if result.exit_code:
        print(result, file=sys.stderr)
    return result.exit_code


def _rollback(project: Project) -> int:
    serving = project.state("flowers").records["deployment/endpoint"].value["routes"]
    if serving != [{"version": 1, "share": 100}]:  # a person who was cut off looks first
        project.rollback("flowers", to=1, reason="the new one is worse")
    return _apply(project)


def _observe(project: Project) -> int:
    project.observe()
    return 0


def _predict(project: Project) -> int:
    project.predict("flowers", project.root / "new.csv", project.root / "scored.csv")
    return 0


def _labels(project: Project) -> int:
    project.labels("flowers", project.root / "truth.csv")
    return 0


def _approve(project: Project) -> int:
    project.approve("flowers@1", role="risk", reason="seen")
    return 0


VERBS: dict[str, Callable[[Project], int]] = {
    "apply": _apply,
    "observe": _observe,
    "predict": _predict,
    "labels": _labels,
    "approve": _approve,
    "rollback": _rollback,
}


class Torn:
    """A file that is written in two halves, with a point between them."""

    def __init__(self, stream: Any, halfway: Callable[[], None]) -> None:
        self._stream, self._halfway = stream, halfway

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __enter__(self) -> Torn:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def write(self, data: Any) -> int:
        half = len(data) // 2
        self._stream.write(data[:half])
        self._stream.flush()
        self._halfway()
        return half + int(self._stream.write(data[half:]))


class Watch:
    """Dies at the first point that is not among those in the file `seen`, after writing it there.

    Without `every`, a file is written, synced and renamed once, whichever step does it, and points at which nothing new
    has happened are passed over.
    """

    def __init__(self, root: Path, seen: Path, every: bool, files: bool) -> None:
        self.root, self.seen, self.every, self.files = root, seen, every, files
        self.known = set(seen.read_text().splitlines()) if seen.exists() else set()
        self.counts: Counter[str] = Counter()
        self.step = ""

    def reached(self, point: str, *, step: str | None = None) -> None:
        """A point: the step, what is about to happen or just did."""
        name = f"{self.step if step is None or self.every else step}: {point}"
        if self.every:
            self.counts[name] += 1
            name = f"{name} ({self.counts[name]})"
        elif name.endswith(_ALIKE):
            return
        if name not in self.known:
            with self.seen.open("a") as stream:
                stream.write(name + "\n")
            die()

    def audit(self, event: str, values: tuple[Any, ...]) -> None:
        """An audit hook: what is about to be done to a file of the project."""
        match event:
            case "open" if isinstance(values[2], int) and values[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                self.file("before writing", values[0])
            case "os.rename":
                self.file("before renaming to", values[1])
            case "os.remove" | "os.mkdir" | "os.rmdir":
                self.file(f"before {event[3:]}", values[0])

    def file(self, doing: str, path: Any) -> None:
        """A point around something that is done to a file, named without what is different each time."""
        text = os.fsdecode(path) if isinstance(path, str | bytes) else ""
        if self.files and text.startswith(str(self.root)) and text != str(self.seen):
            self.reached(f"{doing} {_NAMES.sub('*', text.removeprefix(str(self.root)))}", step="any step")

    def statement(self, statement: str) -> None:
        """A point before each commit."""
        if statement.strip().upper() == "COMMIT":
            self.reached("before a commit")

    def install(self, project: Project) -> None:
        """Watch everything this process does from now on."""
        import sqlalchemy as sa

        fsync = os.fsync

        def synced(descriptor: int) -> None:
            name = str(Path(f"/proc/self/fd/{descriptor}").readlink())
            self.file("before syncing", name)
            fsync(descriptor)
            self.file("after syncing", name)

        os.fsync = synced  # type: ignore[assignment]
        plain = io.open

        def opened(path: Any, mode: str = "r", *values: Any, **named: Any) -> Any:
            stream = plain(path, mode, *values, **named)
            if "b" not in mode or mode == "rb":
                return stream
            return Torn(stream, lambda: self.file("amid writing", os.fspath(path)))

        io.open = opened  # type: ignore[assignment]
        # The trace sees each statement just before it runs.
        sa.event.listen(sa.pool.Pool, "connect", lambda one, _: one.set_trace_callback(self.statement))
        sa.event.listen(sa.pool.Pool, "checkin", lambda *_: self.reached("after a transaction"))
        store: Any = project.store
        begin, finish = store.begin, store.finish

        def begun(lease: Any, **named: Any) -> Any:
            self.step = f"{named['address']} (intent)"
            entry = begin(lease, **named)
            self.step = named["address"]
            return entry

        def finished(*values: Any, **named: Any) -> Any:
            self.step += " (outcome)"
            result = finish(*values, **named)
            self.step = ""
            return result

        store.begin, store.finish = begun, finished
        stages: Any = compiling._stages()
        stages |= hooked(lambda _: self.reached("after the verb"), lambda _: self.reached("before the verb"))
        sys.addaudithook(self.audit)


def _run(root: Path, verb: str, seen: Path, every: bool, files: bool, hours: int) -> None:
    tempfile.tempdir = str(root.parent)  # what a kill leaves there goes away with the test
    project = Project(root, now=NOW + timedelta(hours=hours), actor="ann")
    Watch(root, seen, every, files).install(project)
    sys.exit(VERBS[verb](project))


def kills(root: Path, verb: str, *, every: bool = False, files: bool = True, hours: int = 0) -> Iterator[str]:
    """Run a verb until it gets through, each run dying at a point of its own; yields after each death where it was.

    The last run must end with 0. Without `files` only the state counts, not what is done to single files.
    """
    seen = root.with_name(f"{root.name}.seen")
    seen.unlink(missing_ok=True)
    while (code := outcome(_run, root, verb, seen, every, files, hours)) != 0:
        assert code == -signal.SIGKILL, (code, seen.read_text())
        yield seen.read_text().splitlines()[-1]
