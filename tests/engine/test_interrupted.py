"""Asked to stop: the running step stops safely, the lease is given back, and the next apply goes on from there.

Asked again, it ends at once, which is like a kill. A reader that leaves is no request: what is being done goes on.
"""

from __future__ import annotations

import os
import pty
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.engine.processes import CONTEXT, applied_until, outcome, tried_by
from tests.engine.projects import NOW, make_project

from tenure.engine.project import Project


class Signalled:
    """Signals that arrive one after the other; those in `ignored` were ignored by whoever started the command."""

    def __init__(self, *numbers: int, ignored: tuple[int, ...] = ()) -> None:
        self.numbers, self.ignored = numbers, ignored

    def before(self, output: Path) -> None:
        # Whoever runs the tests in the background has them ignore Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number in self.ignored:
            signal.signal(number, signal.SIG_IGN)

    def __call__(self, output: Path) -> None:
        for number in self.numbers:
            os.kill(os.getpid(), number)


class ReaderLeaves:
    """Standard output is a pipe that nobody reads any more, or a file on a disk that is full."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __call__(self, output: Path) -> None:
        if self.kind == "full":
            os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
            return
        reading, writing = os.pipe()
        os.dup2(writing, 1)
        os.close(reading)


class TerminalCloses:
    """Everything goes to a terminal of its own, which somebody closes meanwhile."""

    def __init__(self, name: str) -> None:
        self.name = name

    def before(self, output: Path) -> None:
        os.setsid()
        terminal = os.open(self.name, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(terminal, standard)

    def __call__(self, output: Path) -> None:
        output.write_text("ready")
        time.sleep(1)  # the signal comes while it sleeps


def cut_off(root: Path, output: Path, then: Callable[[Path], None], trials: int = 3) -> int:
    return outcome(applied_until, root, trials, output, then)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_project(tmp_path / "project", {"training": {"limits": {"max_trials": 5}}})


def goes_on(root: Path) -> None:
    """The next apply may act at once, and repeats no finished trial."""
    project = Project(root, now=NOW, actor="bob")
    codes: list[int] = []
    before, tried = tried_by(lambda: codes.append(project.apply(project.plan()).exit_code), project)
    assert codes == [0]
    assert len(before) >= 3
    assert len(tried) <= 5 - len(before)
    assert not [one for one in tried for other in before if one.items() <= other.items()]
    assert not project.plan().changed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_time(root: Path, tmp_path: Path, number: int) -> None:
    output = tmp_path / "output.txt"
    assert cut_off(root, output, Signalled(number)) == 130
    said = output.read_text()
    assert "Traceback" not in said
    assert f"tenure apply flowers -C {root}" in said[said.index("Interrupted.") :]

    project = Project(root, now=NOW, actor="bob")
    assert {entry.outcome for entry in project.reader.journal("flowers")} == {"done", "interrupted"}
    with project.store.lease("flowers", "bob@elsewhere:1:x"):
        pass
    goes_on(root)


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_the_second_time_is_like_a_kill(
    root: Path, tmp_path: Path, second: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "output.txt"
    assert cut_off(root, output, Signalled(signal.SIGINT, second)) == 130
    assert "Stopped at once" in output.read_text()
    (open_entry,) = [
        entry for entry in Project(root, now=NOW).reader.journal("flowers") if entry.outcome is None
    ]
    assert open_entry.address == "flowers/training/search"
    goes_on(root)


def test_a_closed_terminal(root: Path, tmp_path: Path) -> None:
    output = tmp_path / "output.txt"
    terminal, inside = pty.openpty()
    process = CONTEXT.Process(
        target=applied_until, args=(root, 3, output, TerminalCloses(os.ttyname(inside)))
    )
    process.start()
    shown = b""
    while not output.exists() or output.read_text() != "ready":
        shown += os.read(terminal, 10_000)
        assert process.exitcode is None, shown
    os.close(terminal)
    os.close(inside)
    process.join(60)
    assert process.exitcode == 130
    assert {entry.outcome for entry in Project(root, now=NOW).reader.journal("flowers")} == {
        "done",
        "interrupted",
    }
    goes_on(root)


def test_what_is_started_to_outlive_the_terminal_does(root: Path, tmp_path: Path) -> None:
    nohup = Signalled(signal.SIGHUP, signal.SIGHUP, ignored=(signal.SIGHUP,))
    assert cut_off(root, tmp_path / "output.txt", nohup) == 0
    assert not Project(root, now=NOW).plan().changed


@pytest.mark.parametrize("kind", ["pipe", "full"])
def test_a_reader_that_leaves(root: Path, tmp_path: Path, kind: str) -> None:
    """`tenure apply | head`: nothing is left half-done for want of a reader; what came of it is said on stderr."""
    output = tmp_path / "output.txt"
    assert cut_off(root, output, ReaderLeaves(kind)) == 0
    said = output.read_text()
    assert "Traceback" not in said
    assert "Exception ignored" not in said
    assert "flowers" in said[said.index("training/search") :]
    assert {entry.outcome for entry in Project(root, now=NOW).reader.journal("flowers")} == {"done"}
    assert not Project(root, now=NOW).plan().changed


def test_what_is_left_is_shown_as_it_was_planned(applied: Path) -> None:
    """An interrupted retraining is not called pointless: the new rows have not been read yet."""
    from tests.engine.processes import hooked
    from tests.engine.projects import write_flowers

    from tenure.core.errors import Interrupted
    from tenure.engine import compiling

    def stop(resource: object) -> None:
        raise Interrupted("stopped")

    write_flowers(applied / "data" / "flowers.csv", rows=160, seed=4)
    project = Project(applied, now=NOW, actor="ann")
    project.retrain("flowers", reason="more rows")
    plan = project.plan()
    with pytest.MonkeyPatch.context() as patch:
        for name, stage in hooked(stop).items():
            patch.setitem(compiling._stages(), name, stage)
        result = project.apply(plan)
    assert result.exit_code == 130
    assert [(change.address, change.action) for change in result.models[0].remaining] == [
        (change.address, change.action) for change in plan.models[0].acting
    ]
    assert project.apply(plan).exit_code == 0
