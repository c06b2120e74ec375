"""Processes that write to one state at the same time; the libraries are loaded only once."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.state.places import Place
from tests.state.servers import VARIABLE, Server

from tenure.core.errors import StateError, StateLocked
from tenure.graph.resource import Sort
from tenure.state.leases import this_process
from tenure.state.opening import open_store
from tenure.state.record import Approval, Fact, Observation, Record
from tenure.state.store import Lease, StateStore

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    ["tenure.state.sql", "tenure.state.postgres", "sqlalchemy.dialects.sqlite.pysqlite",
     "sqlalchemy.dialects.postgresql.psycopg"]
)  # fmt: skip
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHARED = "shared"


class Worker:
    """A process that runs one of the functions below. A value it puts into `said` can be waited for."""

    def __init__(self, target: Any, *values: Any) -> None:
        self.said: Any = CONTEXT.Queue()
        # The server of forks was started before the variable was set.
        environment = {VARIABLE: os.environ.get(VARIABLE, "")}
        self._process = CONTEXT.Process(target=_run, args=(target, environment, self.said, *values))
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def hears(self) -> Any:
        return self.said.get(timeout=60)

    def end(self) -> int:
        self._process.join(120)
        assert self._process.exitcode is not None, "it hangs"
        self.said.close()
        return self._process.exitcode


def _run(target: Any, environment: dict[str, str], said: Any, *values: Any) -> None:
    os.environ.update(environment)
    target(said, *values)


def counted(model: str, count: int, by: str) -> Record:
    return Record(
        address=f"{model}/training/model", sort=Sort.ARTIFACT, fingerprint="f", content="c", metadata="m",
        config={"rows": count % 3}, effects={}, digest=f"sha256:{count}", value={"count": count}, artifacts={},
        inputs={}, at=NOW, by=by, apply_id=f"apply-{by}", serial=0,
    )  # fmt: skip


def begin(store: StateStore, lease: Lease, by: str) -> int:
    return store.begin(
        lease, apply_id=f"apply-{by}", address=f"{lease.model}/training/model", action="create", reason="new",
        fingerprint="f", at=NOW, by=by,
    )  # fmt: skip


def count_up(store: StateStore, lease: Lease, by: str) -> int:
    """One step that makes the number in a model's record one more; returns it."""
    state = store.read(lease.model)
    count = state.records["training/model"].value["count"] if state and state.records else 0
    entry = begin(store, lease, by)
    serial = state.serial if state else 0
    store.finish(
        lease, entry, outcome="done", at=NOW, record=counted(lease.model, count + 1, by), serial=serial
    )
    return int(count) + 1


def write_much(said: Any, place: Place, number: int, rounds: int, gate: Any) -> None:
    """Everything that writes, to a model of its own and to one that all share."""
    store = open_store(*place)
    by = f"writer-{number}"
    gate.wait(60)
    for turn in range(rounds):
        for model in (f"own-{number}", SHARED):
            while True:
                try:
                    with store.lease(model, this_process(by)) as lease:
                        count_up(store, lease, by)
                    break
                except StateLocked as error:
                    # What a user sees of others' writing is that the model is in use; never that the file is.
                    if error.summary != "The model is in use":
                        raise
                    time.sleep(0.005)
        at = NOW + timedelta(hours=turn)
        for model in (f"own-{number}", SHARED):
            name = f"{by}-{turn}-{model}"
            store.add_fact(Fact(name, model, "request", name, "retrain", "propose", "x", {}, at, by))
        store.add_fact(
            Fact(f"{by}-{turn}", SHARED, "verdict", f"drift-{turn}", "retrain", "propose", "x", {}, at, by)
        )
        store.add_observations([Observation(SHARED, "drift", at, at, "ok", float(number), {}, "v", at)])
        store.add_approval(Approval(SHARED, f"v{turn}", "owner", "approve", "", by, at))
        store.append_audit(at=at, actor=by, action="wrote", subject=by, data={"turn": turn})
    store.close()
    said.put("done")


def hold(said: Any, place: Place, holder: str | None, seconds: float, go_on: Path) -> None:
    """Hold a model as somebody (None: as this process) and begin a step; when a file appears finish the step, and say
    what came of it."""
    from tenure.state import postgres

    postgres._WRITING = postgres._WRITING.replace("'20s'", "'1s'")
    store = open_store(*place)
    try:
        with store.lease(SHARED, holder or this_process("slow"), seconds) as lease:
            entry = begin(store, lease, "slow")
            said.put(entry)
            while not go_on.exists():
                time.sleep(0.01)
            time.sleep(seconds)  # the heartbeat comes first
            store.finish(lease, entry, outcome="done", at=NOW, record=counted(SHARED, 99, "slow"), serial=0)
            said.put([0, "finished"])
    except StateError as error:
        said.put([error.exit_code, str(error)])
        sys.exit(error.exit_code)


def stop_inside_a_write(said: Any, place: Place, go_on: Path) -> None:
    """Stop in the middle of a transaction that has written something, and finish it when woken."""
    from tenure.state import postgres

    postgres._WRITING = postgres._WRITING.replace("'20s'", "'1s'")
    store: Any = open_store(*place)
    passes = []

    def work(connection: Any) -> None:
        from tenure.state import writing

        passes.append(
            writing.append_event(connection, at=NOW, actor="slow", action="slow", subject="x", data={})
        )
        said.put(len(passes))
        while not go_on.exists():
            time.sleep(0.01)

    store.database.write(work)
    said.put(json.dumps([one.seq for one in passes]))


def apply_until_the_server_stops(said: Any, root: Path, at: datetime, server: Server) -> None:
    """Apply everything; the server stops when the model is trained. Says the result and the events, as plain data."""
    import msgspec
    from tests.engine.processes import Hooked

    from tenure.core.events import Event
    from tenure.engine import fleet
    from tenure.engine.compiling import stage_of
    from tenure.engine.project import Project

    def crash(resource: Any) -> None:
        if resource.local == "training/model":
            server.stop("immediate")

    fleet.stage_of = lambda item: Hooked(stage_of(item), crash)  # type: ignore[assignment]
    events: list[Event] = []
    project = Project(root, now=at, actor="ann", emit=events.append)
    result = project.apply(project.plan())
    said.put(msgspec.to_builtins([result, events]))
