"""Progress of a running apply: a live tree with bars on a terminal, plain lines in a log, JSON lines for a program.

Each of the three is an event sink that may be called from several threads, and a context that tidies up at the end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TextIO

from tenure.core.events import (
    Event,
    Note,
    StepBlocked,
    StepFailed,
    StepFinished,
    StepProgress,
    StepSkipped,
    StepStarted,
)
from tenure.core.units import format_seconds
from tenure.render.json import event_line
from tenure.render.page import Line, Styled, clip, line
from tenure.render.text import Screen, paint

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

QUIET_SECONDS = 10.0
"""How often a long step says in a log how far it is."""

MARKS = {
    "done": ("✓", "good"),
    "skipped": ("=", "quiet"),
    "blocked": ("?", "blocked"),
    "failed": ("✗", "bad"),
}

DONE = {
    "create": "created",
    "update": "updated",
    "replace": "replaced",
    "promote": "promoted",
    "retire": "retired",
    "adopt": "adopted",
    "forget": "forgotten",
}


class Progress(Protocol):
    """An event sink with an end."""

    def __call__(self, event: Event) -> None:
        """Take one event."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def progress_on(
    stream: TextIO, screen: Screen, *, as_json: bool = False, notes_only: bool = False
) -> Progress:
    """The sink that suits the stream. `notes_only` is for verbs whose result says all but the remarks on the way."""
    if as_json:
        return JsonProgress(stream)
    if notes_only:
        return PlainProgress(stream, screen, notes_only=True)
    return LiveProgress(stream, screen) if screen.terminal else PlainProgress(stream, screen)


def event_text(event: Event) -> Line | None:
    """The line an event leaves behind; None for those that only move a bar."""
    address = Styled(f"{event.address}  ", "strong") if event.address else Styled("")
    match event:
        case StepStarted(action=action, sentence=sentence):
            return line("  ", address, f"{action}: {sentence}" if sentence else action, hang=4)
        case StepFinished(action=action, seconds=seconds, sentence=sentence):
            said = f"{DONE.get(action, action)}: {sentence}" if sentence else DONE.get(action, action)
            return _ended("done", address, said, f"  {format_seconds(seconds)}")
        case StepSkipped(sentence=sentence):
            return _ended("skipped", address, sentence)
        case StepBlocked(sentence=sentence):
            return _ended("blocked", address, f"blocked: {sentence}")
        case StepFailed(summary=summary):
            return _ended("failed", address, f"failed: {summary}")
        case Note(text=text):
            return line("  ", address, text, hang=4)
        case _:
            return None


class PlainProgress:
    """One line per event; a running step speaks at most every ten seconds."""

    def __init__(
        self,
        stream: TextIO,
        screen: Screen,
        *,
        notes_only: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream, self._screen, self._notes_only, self._clock = stream, screen, notes_only, clock
        self._spoke: dict[str, float] = {}
        self._gone = False
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Write the event's line, if it has one."""
        if self._notes_only and not isinstance(event, Note):
            return
        with self._lock:
            text = self._far(event) if isinstance(event, StepProgress) else event_text(event)
            if isinstance(event, StepStarted):
                self._spoke[event.address] = self._clock()
            if text is not None and not self._gone:
                self._gone = not _written(self._stream, paint([text], self._screen))

    def _far(self, event: StepProgress) -> Line | None:
        now = self._clock()
        if now - self._spoke.get(event.address, -QUIET_SECONDS) < QUIET_SECONDS:
            return None
        self._spoke[event.address] = now
        done = f"{event.done} of {event.total}" if event.total else str(event.done)
        return line("  ", Styled(f"{event.address}  ", "strong"), f"{done}  {event.note}", hang=4)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Nothing is left open."""


class JsonProgress:
    """Every event as one line of JSON, with the real time it was seen at."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._gone = False
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Write the event."""
        with self._lock:
            if not self._gone:
                self._gone = not _written(self._stream, event_line(event, datetime.now(UTC)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Nothing is left open."""


class LiveProgress:
    """Finished steps stay as lines, a heading per model; running steps are bars with their time below them."""

    def __init__(self, stream: TextIO, screen: Screen) -> None:
        self._stream, self._screen = stream, screen
        self._bars: Bars | None = None
        self._running: dict[str, TaskID] = {}
        self._heading = ""
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Move a bar or leave a line."""
        with self._lock:
            match event:
                case StepStarted(address=address, action=action):
                    bars = self._live()
                    self._running[address] = bars.add_task(f"{address}  {action}", total=None, note="")
                case StepProgress(address=address, done=done, total=total, note=note):
                    if address in self._running:
                        self._live().update(
                            self._running[address],
                            completed=done,
                            total=total or None,
                            note=clip(line(note).text, 48),
                        )
                case _:
                    self._leave(event)

    def _leave(self, event: Event) -> None:
        text = event_text(event)
        if not isinstance(event, Note) and event.address in self._running and self._bars is not None:
            self._bars.remove_task(self._running.pop(event.address))
        if text is None:
            return
        model = event.address.split("/", 1)[0]
        lines = [text]
        if model and model != self._heading:
            self._heading = model
            lines.insert(0, line(Styled(model, "title")))
        written = paint(lines, self._screen)
        if self._bars is not None:
            # Already laid out and coloured: rich must neither wrap it nor read markup in it.
            self._bars.console.out(written.rstrip("\n"), highlight=False)
        else:
            self._stream.write(written)

    def _live(self) -> Bars:
        if self._bars is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
            from rich.table import Column

            console = Console(
                file=self._stream,
                width=self._screen.width,
                no_color=not self._screen.colour,
                highlight=False,
                markup=False,
            )
            self._bars = Progress(
                TextColumn(" "),
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=max(10, min(30, self._screen.width - 80))),
                TimeElapsedColumn(table_column=Column(no_wrap=True, min_width=7)),
                TextColumn("{task.fields[note]}", markup=False, table_column=Column(no_wrap=True)),
                console=console,
                transient=True,
            )
            self._bars.start()
        return self._bars

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        with self._lock:
            if self._bars is not None:
                self._bars.stop()
                self._bars = None
                self._running.clear()


def _written(stream: TextIO, text: str) -> bool:
    """Whether anybody still reads. A reader that left must not stop an apply in the middle of a step."""
    try:
        stream.write(text)
        stream.flush()
    except OSError:
        return False
    return True


def _ended(outcome: str, address: Styled, *texts: str) -> Line:
    mark, style = MARKS[outcome]
    said, *rest = texts
    return line(Styled(f"{mark} ", style), address, said, *(Styled(text, "quiet") for text in rest), hang=4)
