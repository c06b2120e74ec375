"""Real processes killed with SIGKILL at each point of a step, and real processes racing for one model."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.state.places import in_file

from tenure.state import sqlite
from tenure.state.chain import verify
from tenure.state.leases import this_process
from tenure.state.opening import open_reader, open_store

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(sqlite.__file__).parents[2])}

APPLY = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from tenure.graph.resource import Sort
from tenure.state.leases import this_process
from tenure.state.opening import open_store
from tenure.state.record import Record

path, point, effect = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
now = datetime(2026, 3, 1, 12, tzinfo=UTC)

def reached(name):
    if name == point:
        os.kill(os.getpid(), signal.SIGKILL)

store = open_store(path.parent, {'type': 'sqlite', 'path': path.name})
with store.lease("churn", this_process("ada")) as lease:
    reached("before begin")
    entry = store.begin(lease, apply_id="a1", address="churn/training/model", action="create", reason="new",
                        fingerprint="f", at=now, by="ada")
    reached("after begin")
    effect.write_text("half")
    reached("mid-effect")
    effect.write_text("whole")
    record = Record(address="churn/training/model", sort=Sort.ARTIFACT, fingerprint="f", content="c", metadata="m",
                    config={}, effects={}, digest="d", value={}, artifacts={}, inputs={}, at=now, by="ada",
                    apply_id="a1", serial=0)
    if point == "before commit":
        # Everything of the step is written in the open transaction, and nothing of it is committed.
        import sqlalchemy
        sqlalchemy.event.listen(store.database._engine, "commit", lambda connection: reached("before commit"))
    store.finish(lease, entry, outcome="done", at=now, record=record, serial=0)
    reached("after finish")
"""


@pytest.mark.parametrize(
    ("point", "interrupted", "serial", "effect"),
    [
        ("before begin", 0, None, None),
        ("after begin", 1, None, None),
        ("mid-effect", 1, None, "half"),
        ("before commit", 1, None, "whole"),
        ("after finish", 0, 1, "whole"),
    ],
)
def test_killed_at_any_point_the_state_opens_and_knows_what_was_open(
    tmp_path: Path, point: str, interrupted: int, serial: int | None, effect: str | None
) -> None:
    path, made = tmp_path / "state.db", tmp_path / "effect"
    done = subprocess.run([sys.executable, "-c", APPLY, path, point, made], env=ENVIRONMENT, check=False)
    assert done.returncode == -signal.SIGKILL

    with closing(open_reader(*in_file(path))) as reader:
        state = reader.read("churn")
        assert (None if state is None else state.serial) == serial
        assert (made.read_text() if made.exists() else None) == effect
        assert made.exists() <= bool(reader.journal("churn")), "nothing ran without a durable intent"
    with closing(open_store(*in_file(path))) as store:
        with store.lease("churn", this_process("bob")) as lease:  # the dead process no longer holds it
            closed = store.close_interrupted(lease, NOW + timedelta(hours=1))
            assert [entry.outcome for entry in closed] == ["interrupted"] * interrupted
        assert verify(store.audit(), store.audit_head()) == []
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


RACE = """
import sys
from pathlib import Path
from tenure.core.errors import StateLocked
from tenure.state.leases import this_process
from tenure.state.opening import open_store
path = Path(sys.argv[1])
store = open_store(path.parent, {'type': 'sqlite', 'path': path.name})
print("ready", flush=True)
sys.stdin.readline()
try:
    with store.lease("churn", this_process("ada")) as lease:
        print("won", lease.token, flush=True)
        sys.stdin.readline()
except StateLocked as error:
    print("lost", error.exit_code, flush=True)
    sys.stdin.readline()
"""


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_of_two_processes_exactly_one_gets_the_lease(tmp_path: Path) -> None:
    """On a state that does not exist yet, so that both also create it."""
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, tmp_path / "state.db"],
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        go_on(racer)
    said = sorted(racer.stdout.readline() for racer in racers if racer.stdout is not None)
    for racer in racers:
        go_on(racer)
    for racer in racers:
        with racer:
            assert racer.wait(20) == 0
    assert said == ["lost 4\n", "won 1\n"]
