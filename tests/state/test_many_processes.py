"""Many processes on one state: nothing is lost, nobody is told of locks, and who slept too long writes nothing."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from tests.state.places import Place, place_for
from tests.state.processes import (
    CONTEXT,
    NOW,
    SHARED,
    Worker,
    count_up,
    hold,
    stop_inside_a_write,
    write_much,
)

from tenure.core.errors import StateLocked
from tenure.state.chain import verify
from tenure.state.leases import this_process
from tenure.state.opening import open_reader, open_store

WRITERS, ROUNDS = 8, 3
LIFE = 1.2
"""Seconds. The first heartbeat comes after half of it: nobody is paused in the middle of one."""


@contextmanager
def paused(pid: int) -> Iterator[None]:
    """A process that does nothing until it is woken, at the end at the latest."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@pytest.fixture
def place(state_backend: str, tmp_path: Path) -> Place:
    return place_for(state_backend, tmp_path)


def test_eight_processes_lose_no_update(place: Place) -> None:
    """From the first write on, which has to create everything; on models of their own and on one they share."""
    gate = CONTEXT.Barrier(WRITERS)
    writers = [Worker(write_much, place, number, ROUNDS, gate) for number in range(WRITERS)]
    assert [writer.end() for writer in writers] == [0] * WRITERS
    with closing(open_reader(*place)) as reader:
        states = reader.read_many()
        assert {name: state.serial for name, state in states.items()} == {
            SHARED: WRITERS * ROUNDS,
            **{f"own-{number}": ROUNDS for number in range(WRITERS)},
        }
        shared = states[SHARED]
        assert shared.records["training/model"].value["count"] == WRITERS * ROUNDS
        counts = [record.value["count"] for record in reader.history(SHARED)]
        assert counts == list(range(1, WRITERS * ROUNDS + 1))
        assert len(shared.approvals) == WRITERS * ROUNDS
        assert len([fact for fact in shared.facts if fact.kind == "request"]) == WRITERS * ROUNDS
        assert len([fact for fact in shared.facts if fact.kind == "verdict"]) == ROUNDS, (
            "one key, one open cause"
        )
        assert len(shared.observations) == ROUNDS, "one window, one verdict"
        entries = reader.journal(limit=1_000)
        assert len(entries) == 2 * WRITERS * ROUNDS
        assert {entry.outcome for entry in entries} == {"done"}
        assert len([event for event in reader.audit() if event.action == "wrote"]) == WRITERS * ROUNDS
        assert verify(reader.audit(), reader.audit_head()) == []
        assert reader.routes_serial() == 2 * WRITERS * ROUNDS


def test_a_paused_holder_that_wakes_after_another_took_over_writes_nothing(
    place: Place, tmp_path: Path
) -> None:
    go_on = tmp_path / "go on"
    slow = Worker(hold, place, "slow@elsewhere:1:x", LIFE, go_on)
    slow.hears()
    with paused(slow.pid), closing(open_store(*place)) as store:
        with pytest.raises(StateLocked), store.lease(SHARED, this_process("bob")):
            pass
        time.sleep(LIFE)
        with store.lease(SHARED, this_process("bob")) as lease:
            assert lease.token == 2
            (interrupted,) = store.close_interrupted(lease, NOW)
            assert interrupted.by == "slow"
            count_up(store, lease, "bob")
            go_on.touch()
            os.kill(slow.pid, signal.SIGCONT)
            code, said = slow.hears()
            count_up(store, lease, "bob")
    assert slow.end() == code == 4
    assert "The hold on the model was lost" in said
    with closing(open_reader(*place)) as reader:
        assert [record.by for record in reader.history(SHARED)] == ["bob", "bob"]
        assert [entry.outcome for entry in reader.journal()] == ["done", "done", "interrupted"]
        assert verify(reader.audit(), reader.audit_head()) == []


def test_the_lease_of_a_process_that_was_killed_elsewhere_ends_by_itself(
    place: Place, tmp_path: Path
) -> None:
    """Nobody here can know that it is dead; only its heartbeat is missing."""
    slow = Worker(hold, place, "slow@elsewhere:1:x", LIFE, tmp_path / "never")
    slow.hears()
    os.kill(slow.pid, signal.SIGKILL)
    with closing(open_store(*place)) as store:
        with pytest.raises(StateLocked, match="in use") as caught, store.lease(SHARED, this_process("bob")):
            pass
        assert "slow@elsewhere" in caught.value.detail
        assert "ends by itself" in caught.value.hint
        time.sleep(LIFE)
        with store.lease(SHARED, this_process("bob")) as lease:
            assert [one.by for one in store.close_interrupted(lease, NOW)] == ["slow"]
    assert slow.end() == -signal.SIGKILL


def test_the_lease_of_a_process_that_was_killed_here_is_free_at_once(place: Place, tmp_path: Path) -> None:
    slow = Worker(hold, place, None, 60.0, tmp_path / "never")
    slow.hears()
    with closing(open_store(*place)) as store:
        with pytest.raises(StateLocked), store.lease(SHARED, this_process("bob")):
            pass
        os.kill(slow.pid, signal.SIGKILL)
        assert slow.end() == -signal.SIGKILL
        with store.lease(SHARED, this_process("bob")) as lease:
            assert lease.token == 2


@pytest.mark.postgres
def test_a_process_that_is_paused_inside_a_write_does_not_stop_the_others(
    postgres: object, tmp_path: Path
) -> None:
    """The server ends its session after a while; when it wakes, it writes anew, and once."""
    place, go_on = place_for("postgres", tmp_path), tmp_path / "go on"
    slow = Worker(stop_inside_a_write, place, go_on)
    assert slow.hears() == 1
    with paused(slow.pid), closing(open_store(*place)) as store:
        event = store.append_audit(at=NOW, actor="bob", action="quick", subject="x", data={})
        assert event.seq == 1
        go_on.touch()
    assert slow.hears() == 2
    assert json.loads(slow.hears()) == [1, 2]
    assert slow.end() == 0
    with closing(open_reader(*place)) as reader:
        assert [one.actor for one in reader.audit()] == ["bob", "slow"]
