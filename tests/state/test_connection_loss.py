"""Connections that break in the middle of a write: every write happens, and happens once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from tests.state.servers import VARIABLE, Server, postgres_server
from tests.state.wire import Break, Wire, wire_to

from tenure.core.errors import StateError, StateLocked
from tenure.graph.resource import Sort
from tenure.state.chain import verify
from tenure.state.database import Database
from tenure.state.opening import database_of, open_reader, open_store
from tenure.state.record import Approval, Fact, Observation, Record
from tenure.state.sql import SqlStateStore
from tenure.state.store import Lease, StateStore, Trial

pytestmark = pytest.mark.postgres

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HERE = Path()
BREAKS: tuple[Break, ...] = get_args(Break)
HOLDER = "ada@elsewhere:1:x"


def a_record(digest: str = "sha256:d") -> Record:
    return Record(
        address="churn/training/model", sort=Sort.ARTIFACT, fingerprint="f", content="c", metadata="m", config={"a": 1},
        effects={}, digest=digest, value={}, artifacts={}, inputs={}, at=NOW, by="ada", apply_id="a1", serial=0,
    )  # fmt: skip


def a_fact() -> Fact:
    return Fact(
        id="fact-1", model="churn", kind="verdict", key="drift", do="retrain", mode="propose", sentence="It drifts.",
        evidence={}, at=NOW, by="observe",
    )  # fmt: skip


def begin(store: StateStore, lease: Lease) -> int:
    return store.begin(
        lease, apply_id="a1", address="churn/training/model", action="create", reason="new", fingerprint="f",
        at=NOW, by="ada",
    )  # fmt: skip


@pytest.fixture
def wire(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """All connections of ours lead over this wire; what the fixture `postgres` does itself does not."""
    with wire_to(postgres.port) as wire:
        monkeypatch.setenv(VARIABLE, postgres.url.replace(f":{postgres.port}/", f":{wire.port}/"))
        yield wire


@pytest.mark.parametrize("how", BREAKS)
def test_every_write_happens_once_although_its_commit_breaks(
    wire: Wire, postgres: Server, how: Break
) -> None:
    """One model's first apply with everything around it, in which every single commit breaks."""
    settings = postgres.settings()
    with closing(open_store(HERE, settings)) as store:
        store.append_audit(at=NOW, actor="ada", action="test", subject="x", data={})  # makes the tables

        def broken(write: Callable[[], Any]) -> Any:
            before = wire.broken
            wire.next = [how]
            answer = write()
            assert wire.broken == before + 1, "the commit of this write broke"
            return answer

        holding = store.lease("churn", HOLDER)
        lease = broken(holding.__enter__)
        assert lease.token == 1
        entry = broken(lambda: begin(store, lease))
        serial = broken(
            lambda: store.finish(lease, entry, outcome="done", at=NOW, record=a_record(), serial=0)
        )
        assert serial == 1
        abandoned = begin(store, lease)
        assert [one.id for one in broken(lambda: store.close_interrupted(lease, NOW))] == [abandoned]
        assert broken(lambda: store.add_fact(a_fact())) is True
        broken(lambda: store.add_approval(Approval("churn", "v1", "owner", "approve", "", "bob", NOW)))
        broken(lambda: store.add_observations([Observation("churn", "s", NOW, NOW, "ok", 0.1, {}, "v", NOW)]))
        broken(lambda: store.add_trial("search", Trial(1, "ridge", {}, (0.5,), 0.5, "done", 0.1)))
        broken(lambda: store.settle_facts("churn", ["fact-1"], at=NOW, by="ada"))
        event = broken(
            lambda: store.append_audit(at=NOW, actor="ada", action="last", subject="x", data={"n": 1})
        )
        holding.__exit__(None, None, None)

    with closing(open_reader(HERE, settings)) as reader:
        state = reader.read("churn")
        assert state is not None
        assert (state.serial, len(reader.history("churn")), reader.routes_serial()) == (1, 1, 1)
        assert [(one.id, one.outcome) for one in reader.journal("churn")] == [
            (abandoned, "interrupted"),
            (entry, "done"),
        ]
        assert len(state.approvals) == len(state.observations) == len(state.facts) == 1
        events = list(reader.audit())
        assert [one.action for one in events] == [
            *("test", "step.begun", "step.done", "step.begun", "step.interrupted", "fact.recorded"),
            *("approval.approve", "fact.settled", "last"),
        ]
        assert events[-1] == event
        assert verify(events, reader.audit_head()) == []
    with closing(open_store(HERE, settings)) as store, store.lease("churn", HOLDER) as again:
        assert again.token == 2


def test_what_is_kept_to_recognise_a_write_does_not_grow(postgres: Server) -> None:
    settings = postgres.settings()
    with closing(open_store(HERE, settings)) as store:
        for number in range(20):
            store.append_audit(at=NOW, actor="ada", action="test", subject="x", data={"n": number})
    assert postgres.execute(f"SELECT count(*) FROM {settings['schema']}.writes") == [(1,)]


class Disturbed:
    """A database that is disturbed before, inside and after its n-th write."""

    def __init__(self, database: Database, disturb: Callable[[], object], at: int, moment: str) -> None:
        self._database, self._disturb, self._at, self._moment = database, disturb, at, moment
        self._count = 0
        self.look, self.close = database.look, database.close

    def write(self, work: Callable[[Any], Any], *, persistent: bool = True) -> Any:
        mine = self._count == self._at
        self._count += 1
        fresh = [True]

        def disturbed(connection: Any) -> Any:
            answer = work(connection)
            if mine and self._moment == "inside" and fresh.pop():
                fresh.append(False)
                self._disturb()
            return answer

        if mine and self._moment == "before":
            self._disturb()
        answer = self._database.write(disturbed, persistent=persistent)
        if mine and self._moment == "after":
            self._disturb()
        return answer


def small_apply(store: StateStore) -> None:
    """Writes 0 to 4: the lease, what is left open, two steps with their intents."""
    with store.lease("churn", HOLDER) as lease:
        assert store.close_interrupted(lease, NOW) == ()
        for number in (1, 2):
            serial = number - 1
            entry = begin(store, lease)
            store.finish(
                lease, entry, outcome="done", at=NOW, record=a_record(f"sha256:{number}"), serial=serial
            )


def check_small_apply(settings: dict[str, Any]) -> None:
    with closing(open_reader(HERE, settings)) as reader:
        assert [record.digest for record in reader.history("churn")] == ["sha256:1", "sha256:2"]
        assert [one.outcome for one in reader.journal("churn")] == ["done", "done"]
        assert [one.action for one in reader.audit()] == ["step.begun", "step.done"] * 2
        assert verify(reader.audit(), reader.audit_head()) == []


@pytest.mark.parametrize("moment", ["before", "inside", "after"])
@pytest.mark.parametrize("at", range(6))
def test_sessions_that_an_administrator_ends_at_any_point_of_the_journal(
    postgres: Server, at: int, moment: str
) -> None:
    settings, said = postgres.settings(), []
    database = database_of(HERE, settings, said.append)
    with closing(SqlStateStore(Disturbed(database, postgres.end_sessions, at, moment))) as store:
        small_apply(store)
    check_small_apply(settings)
    assert said == [], "a new connection was there at once"


@pytest.mark.parametrize(
    ("at", "moment"), [(0, "inside"), (2, "inside"), (2, "after"), (3, "inside"), (3, "after"), (5, "before")]
)
def test_a_server_that_crashes_at_any_point_of_the_journal(postgres: Server, at: int, moment: str) -> None:
    settings = postgres.settings()
    database = database_of(HERE, settings)
    with closing(
        SqlStateStore(Disturbed(database, lambda: postgres.restart("immediate"), at, moment))
    ) as store:
        small_apply(store)
    check_small_apply(settings)


def test_a_server_that_stays_away_is_waited_for_and_the_user_is_told(
    postgres: Server,
) -> None:
    settings, said = postgres.settings(), []
    with closing(open_store(HERE, settings, said.append)) as store:
        small_apply(store)
        postgres.stop("immediate")
        back = threading.Timer(1.0, postgres.start)
        back.start()
        store.append_audit(at=NOW, actor="ada", action="later", subject="x", data={})
        back.join()
        assert [one.action for one in store.audit()][-1] == "later"
    lost, found = said
    assert "The connection to the state was lost (" in lost
    assert "Trying again for up to 20 s." in lost
    assert found.startswith("The state can be reached again, after ")
    assert "hunter2" not in lost


def test_a_server_that_does_not_come_back_is_given_up_once() -> None:
    with postgres_server() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, server.url)
        settings = server.settings(timeout="1s")
        with closing(open_store(HERE, settings)) as store:
            small_apply(store)
            server.stop()
            began = time.monotonic()
            with (
                pytest.raises(StateError, match="cannot be reached") as caught,
                store.lease("churn", HOLDER),
            ):
                pass
            assert 0.5 < time.monotonic() - began < 4
            assert "is lost" in caught.value.detail
            assert "repeat the command" in caught.value.hint
            assert "hunter2" not in str(caught.value)
            assert not isinstance(caught.value, StateLocked)
            began = time.monotonic()
            with pytest.raises(StateError, match="cannot be reached"):
                store.read("churn")
            assert time.monotonic() - began < 0.5, "it is not waited for again"
            server.start()
            assert store.read("churn") is not None
            with store.lease("churn", HOLDER) as lease:
                assert lease.token == 2


def test_a_heartbeat_survives_an_outage(postgres: Server) -> None:
    settings = postgres.settings()
    with (
        closing(open_store(HERE, settings)) as store,
        closing(open_store(HERE, settings)) as other,
        store.lease("churn", HOLDER, seconds=1.0) as lease,
    ):
        postgres.end_sessions()
        postgres.restart("immediate")
        time.sleep(2.5)
        with pytest.raises(StateLocked), other.lease("churn", "bob@elsewhere:2:y"):
            pass
        begin(store, lease)


def test_a_heartbeat_that_fails_makes_nobody_else_give_up(postgres: Server) -> None:
    settings, said = postgres.settings(), []
    with (
        closing(open_store(HERE, settings, said.append)) as store,
        store.lease("churn", HOLDER, seconds=0.4) as lease,
    ):
        postgres.stop("immediate")
        back = threading.Timer(2.0, postgres.start)
        back.start()
        begin(store, lease)
        back.join()
    assert [text.split(" (")[0].split(",")[0] for text in said] == [
        "The connection to the state was lost",
        "The state can be reached again",
    ]


def test_threads_that_wait_for_the_same_server_say_so_once(postgres: Server) -> None:
    settings, said = postgres.settings(), []
    with closing(open_store(HERE, settings, said.append)) as store, ThreadPoolExecutor(4) as pool:
        small_apply(store)
        postgres.stop("immediate")
        waiting = [
            pool.submit(
                store.append_audit, at=NOW, actor="ada", action="later", subject="x", data={"n": number}
            )
            for number in range(4)
        ]
        time.sleep(1.0)
        postgres.start()
        assert sorted(one.result(30).data["n"] for one in waiting) == [0, 1, 2, 3]
        assert verify(store.audit(), store.audit_head()) == []
    assert len(said) == 2, said


def test_a_reader_goes_on_where_its_connection_was(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenure.state.reading._PAGE", 1)
    settings = postgres.settings()
    with closing(open_store(HERE, settings)) as store, closing(open_reader(HERE, settings)) as reader:
        for _ in range(3):
            store.append_audit(at=NOW, actor="ada", action="test", subject="x", data={})
        seen = []
        for event in reader.audit():
            seen.append(event.seq)
            assert postgres.end_sessions() > 0
        assert seen == [1, 2, 3]
