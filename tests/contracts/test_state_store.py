"""What every state backend must do, run against each of them; and against a model in plain Python."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.state.places import place_for

from tenure.core.effect import Effect
from tenure.core.errors import StateError, StateLocked, StateStale
from tenure.graph.resource import Sort
from tenure.state.chain import verify
from tenure.state.opening import open_reader, open_store
from tenure.state.record import (
    Acknowledgement,
    Approval,
    Fact,
    ModelState,
    Observation,
    Record,
    Tombstone,
)
from tenure.state.renaming import renamed
from tenure.state.store import Lease, StateReader, StateStore, Trial

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def backend(state_backend: str) -> str:
    return state_backend


@pytest.fixture
def store(backend: str, tmp_path: Path) -> Iterator[StateStore]:
    store = open_store(*place_for(backend, tmp_path))
    yield store
    store.close()


@pytest.fixture
def reader(backend: str, tmp_path: Path) -> Iterator[StateReader]:
    reader = open_reader(*place_for(backend, tmp_path))
    yield reader
    reader.close()


def a_record(address: str = "churn/training/model", **changes: Any) -> Record:
    record = Record(
        address=address,
        sort=Sort.ARTIFACT,
        fingerprint="sha256:f",
        content="sha256:c",
        metadata="sha256:m",
        config={"training": {"seed": 7, "limits": {"timeout": "2m"}}},
        effects={"training.seed": Effect.RETRAIN, "training.limits.timeout": Effect.RETRAIN},
        digest="sha256:d",
        value={"rows": 3, "score": 0.75, "name": "Åsa", "missing": None},
        artifacts={"model": "sha256:a"},
        inputs={"data/snapshot": "sha256:s"},
        at=NOW,
        by="ada",
        apply_id="apply-1",
        serial=0,
    )
    return msgspec.structs.replace(record, **changes)


def a_fact(**changes: Any) -> Fact:
    fact = Fact(
        id="fact-1",
        model="churn",
        kind="verdict",
        key="performance",
        do="retrain",
        mode="propose",
        sentence="Accuracy fell below 0.6 in 3 of 5 windows.",
        evidence={"windows": [0.55, 0.5, 0.58]},
        at=NOW,
        by="observe",
    )
    return msgspec.structs.replace(fact, **changes)


def an_observation(hours: int = 0, **changes: Any) -> Observation:
    observation = Observation(
        model="churn",
        signal="drift",
        window_start=NOW + hours * HOUR,
        window_end=NOW + (hours + 1) * HOUR,
        verdict="ok",
        value=0.05,
        evidence={},
        subject="sha256:v",
        at=NOW + (hours + 1) * HOUR,
    )
    return msgspec.structs.replace(observation, **changes)


def step(store: StateStore, lease: Lease, address: str = "churn/training/model", at: datetime = NOW) -> int:
    return store.begin(
        lease,
        apply_id="apply-1",
        address=address,
        action="create",
        reason="new",
        fingerprint="sha256:f",
        at=at,
        by="ada",
    )


def commit(store: StateStore, *records: Record) -> int:
    """Realise records one after the other, each at its own time; returns the serial."""
    serial = 0
    for record in records:
        model = record.address.split("/")[0]
        known = store.read(model)
        serial = 0 if known is None else known.serial
        with store.lease(model, "ada@here:1:x") as lease:
            entry = step(store, lease, record.address, record.at)
            serial = store.finish(lease, entry, outcome="done", at=record.at, record=record, serial=serial)
    return serial


# --- reading ----------------------------------------------------------------------------------------------------------


def test_reading_a_state_that_does_not_exist_creates_nothing(
    store: StateStore, reader: StateReader, tmp_path: Path
) -> None:
    for each in (store, reader):
        assert each.read("churn") is None
        assert each.read_many() == {}
        assert each.at("churn", NOW) is None
        assert each.history("churn") == ()
        assert each.journal() == ()
        assert list(each.audit()) == []
        assert each.audit_head() is None
        assert each.tombstone("churn") is None
        assert each.routes_serial() == 0
    assert store.trials("sha256:x") == ()
    assert list(tmp_path.iterdir()) == []


def test_a_record_comes_back_as_it_was_written(store: StateStore, reader: StateReader) -> None:
    record = a_record(seconds=1.5, causes=("fact-1",), ordinal=2)
    assert commit(store, record) == 1
    for each in (store, reader):
        state = each.read("churn")
        assert state is not None
        expected = msgspec.structs.replace(record, serial=1)
        assert state.records == {"training/model": expected}
        assert state.versions == {2: expected}
        assert state.serial == 1
        assert state.lineage


def test_a_new_record_supersedes_and_the_old_one_stays_in_history(store: StateStore) -> None:
    commit(store, a_record(digest="sha256:1", ordinal=1), a_record(digest="sha256:2", ordinal=2))
    commit(store, a_record(digest="sha256:2b", ordinal=2), a_record("churn/data/snapshot", digest="sha256:s"))
    state = store.read("churn")
    assert state is not None
    assert state.serial == 4
    assert state.records["training/model"].digest == "sha256:2b"
    assert {number: version.digest for number, version in state.versions.items()} == {
        1: "sha256:1",
        2: "sha256:2b",
    }
    found = [record.digest for record in store.history("churn", "training/model")]
    assert found == ["sha256:1", "sha256:2", "sha256:2b"]
    assert store.history("churn", "churn/training/model") == store.history("churn", "training/model")
    assert [record.serial for record in store.history("churn")] == [1, 2, 3, 4]


def test_many_models_at_once(store: StateStore) -> None:
    names = ["a", "b", "c"]
    commit(store, *(a_record(f"{name}/training/model", value={"of": name}) for name in names))
    store.add_fact(a_fact(model="b"))
    everything = store.read_many()
    assert list(everything) == names
    assert everything == {name: store.read(name) for name in names}
    assert list(store.read_many(["c", "a", "unknown"])) == ["a", "c"]
    assert store.read_many([]) == {}


def test_what_was_recorded_at_a_moment(store: StateStore) -> None:
    commit(store, a_record(digest="sha256:1", ordinal=1, at=NOW))
    store.add_fact(a_fact(at=NOW + HOUR))
    store.add_approval(Approval("churn", "sha256:p", "risk", "approve", "", "eve", NOW + HOUR))
    commit(store, a_record(digest="sha256:2", ordinal=2, at=NOW + 2 * HOUR))
    store.settle_facts("churn", ["fact-1"], at=NOW + 3 * HOUR, by="ada")
    store.add_observations([an_observation(3)])

    assert store.at("churn", NOW - HOUR) is None
    first = store.at("churn", NOW)
    assert first is not None
    assert first.records["training/model"].digest == "sha256:1"
    assert (list(first.versions), first.facts, first.serial) == ([1], (), 1)
    middle = store.at("churn", NOW + 2 * HOUR)
    assert middle is not None
    assert middle.records["training/model"].digest == "sha256:2"
    assert [fact.settled_at for fact in middle.facts] == [None]
    assert (len(middle.approvals), middle.observations) == (1, ())
    assert store.at("churn", NOW + 9 * HOUR) == store.read("churn")


def test_a_record_is_part_of_the_past_from_when_it_was_recorded(store: StateStore) -> None:
    commit(store, a_record(metadata="sha256:old"))
    with store.lease("churn", "ada@here:1:x") as lease:
        entry = step(store, lease, at=NOW + 2 * HOUR)
        reworded = a_record(metadata="sha256:new", at=NOW)
        store.finish(lease, entry, outcome="done", at=NOW + 2 * HOUR, record=reworded, serial=1)
    for moment, expected in ((NOW, "sha256:old"), (NOW + HOUR, "sha256:old"), (NOW + 2 * HOUR, "sha256:new")):
        state = store.at("churn", moment)
        assert state is not None
        assert state.records["training/model"].metadata == expected


def test_readers_never_wait_for_the_writer(store: StateStore, reader: StateReader) -> None:
    commit(store, a_record())
    with store.lease("churn", "ada@here:1:x") as lease:
        step(store, lease)
        started = time.perf_counter()
        assert reader.read("churn") == store.read("churn")
        assert time.perf_counter() - started < 1.0


# --- steps ------------------------------------------------------------------------------------------------------------


def test_the_intent_is_there_before_the_outcome(store: StateStore, reader: StateReader) -> None:
    with store.lease("churn", "ada@here:1:x") as lease:
        entry = step(store, lease)
        (intent,) = reader.journal("churn")
        assert (intent.id, intent.address, intent.by) == (entry, "churn/training/model", "ada")
        assert (intent.begun_at, intent.ended_at, intent.outcome) == (NOW, None, None)
        store.finish(lease, entry, outcome="failed", at=NOW + HOUR, detail="no space")
    (ended,) = reader.journal()
    assert (ended.outcome, ended.ended_at, ended.detail) == ("failed", NOW + HOUR, "no space")
    assert reader.read("churn") is None, "a failed step records nothing about the model"


def test_a_step_without_a_record_leaves_the_serial(store: StateStore) -> None:
    commit(store, a_record())
    changes = store.routes_serial()
    with store.lease("churn", "ada@here:1:x") as lease:
        assert store.finish(lease, step(store, lease), outcome="blocked", at=NOW) == 1
    assert store.routes_serial() == changes


def test_an_outdated_serial_is_refused_and_nothing_is_written(store: StateStore) -> None:
    commit(store, a_record(), a_record(digest="sha256:2"))
    before, audit = store.read("churn"), len(list(store.audit()))
    with store.lease("churn", "ada@here:1:x") as lease:
        entry = step(store, lease)
        with pytest.raises(StateStale, match="moved") as caught:
            store.finish(lease, entry, outcome="done", at=NOW, record=a_record(digest="sha256:3"), serial=1)
    assert "serial 2" in caught.value.detail
    assert caught.value.exit_code == 4
    assert store.read("churn") == before
    assert store.journal("churn")[0].outcome is None
    assert len(list(store.audit())) == audit + 1, "only the intent was added"


def test_a_step_ends_once(store: StateStore) -> None:
    with store.lease("churn", "ada@here:1:x") as lease:
        entry = step(store, lease)
        store.finish(lease, entry, outcome="done", at=NOW)
        with pytest.raises(StateStale):
            store.finish(lease, entry, outcome="done", at=NOW)
        with pytest.raises(StateStale):
            store.finish(lease, entry + 100, outcome="done", at=NOW)


def test_a_lease_covers_one_model(store: StateStore) -> None:
    with store.lease("churn", "ada@here:1:x") as lease:
        with pytest.raises(ValueError, match="does not cover"):
            step(store, lease, "fraud/training/model")
        entry = step(store, lease)
        with pytest.raises(ValueError, match="does not cover"):
            store.finish(lease, entry, outcome="done", at=NOW, record=a_record("fraud/a/b"), serial=0)
        with pytest.raises(ValueError, match="serial"):
            store.finish(lease, entry, outcome="done", at=NOW, record=a_record())


def test_interrupted_steps_are_found_by_the_next_holder(store: StateStore) -> None:
    with store.lease("churn", "ada@here:1:x") as lease:
        first, second = step(store, lease), step(store, lease, "churn/data/snapshot")
    with store.lease("churn", "bob@here:1:x") as lease:
        closed = store.close_interrupted(lease, NOW + HOUR)
        assert [(entry.id, entry.outcome, entry.ended_at) for entry in closed] == [
            (first, "interrupted", NOW + HOUR),
            (second, "interrupted", NOW + HOUR),
        ]
        assert store.close_interrupted(lease, NOW + HOUR) == ()
    actions = [event.action for event in store.audit()]
    assert actions.count("step.interrupted") == 2


def test_a_step_commits_record_facts_tombstone_and_audit_together(store: StateStore) -> None:
    store.add_fact(a_fact())
    grave = Tombstone("churn", "lineage", NOW, "ada", "churn-2", "sha256:z")
    with store.lease("churn", "ada@here:1:x") as lease:
        entry = step(store, lease)
        serial = store.finish(
            lease,
            entry,
            outcome="done",
            at=NOW + HOUR,
            record=a_record(),
            serial=0,
            settle=["fact-1", "unknown"],
            audit={"approvals": ["risk"], "value": float("nan")},
            tombstone=grave,
        )
    state = store.read("churn")
    assert state is not None
    assert serial == state.serial == 1
    assert [(fact.settled_at, fact.settled_by) for fact in state.facts] == [(NOW + HOUR, "apply-1")]
    assert state.tombstone == store.tombstone("churn") == grave
    *_, event = store.audit()
    assert (event.action, event.subject, event.actor) == ("step.done", "churn/training/model", "ada")
    assert event.data["settled"] == ["fact-1"]
    assert event.data["approvals"] == ["risk"]
    assert event.data["value"] is None


# --- leases -----------------------------------------------------------------------------------------------------------


def test_one_holder_at_a_time(store: StateStore) -> None:
    with store.lease("churn", "ada@laptop:1:x"):
        with pytest.raises(StateLocked) as caught, store.lease("churn", "bob@here:1:x"):
            pytest.fail("two holders")
        assert "ada@laptop:1:x" in caught.value.detail
        assert "since" in caught.value.detail
        assert caught.value.hint
        assert caught.value.exit_code == 4
        with store.lease("fraud", "bob@here:1:x"):
            pass
    with store.lease("churn", "bob@here:1:x") as lease:
        assert lease.token == 2


def test_a_lease_is_given_back_when_the_work_fails(store: StateStore) -> None:
    with suppress(RuntimeError), store.lease("churn", "ada@here:1:x"):
        raise RuntimeError
    with store.lease("churn", "bob@here:1:x"):
        pass


def test_writing_after_the_lease_was_given_back_is_refused(store: StateStore) -> None:
    with store.lease("churn", "ada@here:1:x") as lease:
        entry = step(store, lease)
    for write in (
        lambda: step(store, lease),
        lambda: store.finish(lease, entry, outcome="done", at=NOW),
        lambda: store.close_interrupted(lease, NOW),
    ):
        with pytest.raises(StateStale, match="lost"):
            write()


def test_a_turn_counts_even_when_the_holder_has_the_same_name(store: StateStore) -> None:
    with store.lease("churn", "ada@here:1:x") as first:
        pass
    with store.lease("churn", "ada@here:1:x") as second:
        assert second.token > first.token
        with pytest.raises(StateStale):
            step(store, first)
        step(store, second)


def test_a_heartbeat_keeps_a_lease_beyond_its_life(store: StateStore) -> None:
    with store.lease("churn", "ada@here:1:x", seconds=0.6) as lease:
        time.sleep(1.0)
        with pytest.raises(StateLocked), store.lease("churn", "bob@here:1:x"):
            pytest.fail("taken over a living lease")
        step(store, lease)


def test_an_expired_lease_is_taken_over_and_its_writer_fenced_off(backend: str, tmp_path: Path) -> None:
    slow, other = open_store(*place_for(backend, tmp_path)), open_store(*place_for(backend, tmp_path))
    slow._heartbeat.add = lambda lease, seconds: None  # type: ignore[attr-defined]  # a process that hangs
    with ExitStack() as hanging:
        old = hanging.enter_context(slow.lease("churn", "ada@laptop:1:x", seconds=0.05))
        entry = step(slow, old)
        time.sleep(0.1)
        with other.lease("churn", "bob@here:1:x") as new:
            assert new.token > old.token
            with pytest.raises(StateStale) as caught:
                slow.finish(old, entry, outcome="done", at=NOW, record=a_record(), serial=0)
            assert "bob@here:1:x" in caught.value.detail
            hanging.close()
            with pytest.raises(StateLocked), slow.lease("churn", "eve@here:1:x"):
                pytest.fail("the late end of the first holder freed the lease of the second")
            assert [closed.id for closed in other.close_interrupted(new, NOW)] == [entry]
    slow.close()
    other.close()


def test_threads_racing_for_one_lease(store: StateStore) -> None:
    won, lost = [], []
    start, done = threading.Barrier(6), threading.Barrier(6)

    def race(number: int) -> None:
        start.wait()
        try:
            with store.lease("churn", f"t{number}@here:1:x") as lease:
                won.append(lease)
                done.wait()
        except StateLocked:
            lost.append(number)
            done.wait()

    threads = [threading.Thread(target=race, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 5)


def test_different_models_at_the_same_time_lose_nothing(store: StateStore) -> None:
    def work(model: str) -> None:
        commit(store, *(a_record(f"{model}/training/model", digest=f"sha256:{turn}") for turn in range(5)))

    threads = [threading.Thread(target=work, args=(model,)) for model in ("a", "b", "c", "d")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {model: state.serial for model, state in store.read_many().items()} == dict.fromkeys("abcd", 5)
    assert store.routes_serial() == 20
    assert verify(store.audit(), store.audit_head()) == []


# --- facts, decisions, observations, trials ---------------------------------------------------------------------------


def test_an_open_incident_is_recorded_once(store: StateStore) -> None:
    assert store.add_fact(a_fact(id="1"))
    assert not store.add_fact(a_fact(id="2"))
    assert store.add_fact(a_fact(id="3", model="fraud"))
    assert store.add_fact(a_fact(id="4", key="drift"))
    store.settle_facts("churn", ["1", "3"], at=NOW + HOUR, by="observe")
    state, other = store.read("churn"), store.read("fraud")
    assert state is not None
    assert other is not None
    assert {fact.id: fact.settled_by for fact in state.facts} == {"1": "observe", "4": None}
    assert other.facts[0].settled_at is None, "facts of another model are out of reach"
    assert store.add_fact(a_fact(id="5", at=NOW + 2 * HOUR)), "the incident may come back"
    assert not store.add_fact(a_fact(id="1", key="other")), "an id is used once"


def test_settled_facts_are_bounded_and_open_ones_are_not(store: StateStore) -> None:
    for number in range(60):
        store.add_fact(a_fact(id=f"s{number:02}", key=f"s{number}", at=NOW + number * HOUR))
        store.settle_facts("churn", [f"s{number:02}"], at=NOW + number * HOUR, by="x")
    for number in range(55):
        store.add_fact(a_fact(id=f"o{number:02}", key=f"o{number}", at=NOW + (100 + number) * HOUR))
    state = store.read("churn")
    assert state is not None
    expected = [f"s{number:02}" for number in range(10, 60)] + [f"o{number:02}" for number in range(55)]
    assert [fact.id for fact in state.facts] == expected


def test_decisions_keep_their_order(store: StateStore) -> None:
    approvals = (
        Approval("churn", "sha256:p", "risk", "approve", "looks right", "eve", NOW),
        Approval("churn", "sha256:p", "risk", "reject", "second thoughts", "eve", NOW - HOUR),
    )
    for approval in approvals:
        store.add_approval(approval)
    known = Acknowledgement("churn", "billing", "ben", "moved to churn-2", NOW)
    store.add_acknowledgement(known)
    state = store.read("churn")
    assert state is not None
    assert (state.approvals, state.acknowledgements) == (approvals, (known,))
    actions = [event.action for event in store.audit()]
    assert actions == ["approval.approve", "approval.reject", "acknowledgement.given"]


def test_a_window_observed_again_replaces_its_verdict(store: StateStore) -> None:
    store.add_observations([an_observation(0), an_observation(1), an_observation(0, signal="performance")])
    store.add_observations([an_observation(1, verdict="critical", value=None), an_observation(2)])
    state = store.read("churn")
    assert state is not None
    assert [(one.signal, one.window_start, one.verdict) for one in state.observations] == [
        ("drift", NOW, "ok"),
        ("drift", NOW + HOUR, "critical"),
        ("drift", NOW + 2 * HOUR, "ok"),
        ("performance", NOW, "ok"),
    ]
    store.add_observations([])


def test_the_latest_windows_of_each_signal_are_read(store: StateStore) -> None:
    store.add_observations(an_observation(hours) for hours in range(40))
    store.add_observations(an_observation(hours, signal="performance") for hours in range(3))
    state = store.read("churn")
    assert state is not None
    drift = [one.window_start for one in state.observations if one.signal == "drift"]
    assert drift == [NOW + hours * HOUR for hours in range(10, 40)]
    assert len(state.observations) == 33


def test_whatever_is_written_about_a_model_renews_its_revision(
    store: StateStore, reader: StateReader
) -> None:
    assert reader.revisions() == {}
    commit(store, a_record(), a_record("other/training/model"))
    names, others = [], set()
    tombstone = Tombstone("churn", "churn@1", NOW, "ada", None, None)
    writes: list[Callable[[], object]] = [
        lambda: None,
        lambda: commit(store, a_record(digest="sha256:e")),
        lambda: store.add_fact(a_fact()),
        lambda: store.settle_facts("churn", ["fact-1"], at=NOW, by="ada"),
        lambda: store.add_approval(Approval("churn", "sha256:v", "risk", "approve", "", "eve", NOW)),
        lambda: store.add_acknowledgement(Acknowledgement("churn", "crm", "bob", "known", NOW)),
        lambda: store.add_observations([an_observation()]),
        lambda: store.add_observations([an_observation(verdict="critical")]),
        lambda: _retire(store, tombstone),
    ]
    for write in writes:
        write()
        found = reader.revisions()
        assert list(found) == ["churn", "other"]
        names.append(found["churn"].name)
        others.add(found["other"])
    assert len(set(names)) == len(writes)
    assert len(others) == 1
    assert found["churn"].retired
    assert not found["other"].retired


def _retire(store: StateStore, tombstone: Tombstone) -> None:
    with store.lease("churn", "ada@here:1:x") as lease:
        entry = step(store, lease)
        state = store.read("churn")
        assert state is not None
        store.finish(lease, entry, outcome="done", at=NOW, serial=state.serial, tombstone=tombstone)


def test_what_changes_nothing_that_a_plan_sees_keeps_the_revision(store: StateStore) -> None:
    commit(store, a_record())
    store.add_fact(a_fact())
    before = store.revisions()
    assert not store.add_fact(a_fact(id="fact-2"))
    store.settle_facts("churn", ["unknown"], at=NOW, by="ada")
    with store.lease("churn", "ada@here:1:x") as lease:
        store.finish(lease, step(store, lease), outcome="failed", at=NOW)
    assert store.revisions() == before


def test_trials_are_durable_and_added_once(store: StateStore) -> None:
    good = Trial(2, "xgboost", {"max_depth": 3}, (0.5, 0.25), 0.375, "done", 0.1)
    odd = Trial(1, "ridge", {"alpha": 1e300}, (float("inf"), 1.0), float("inf"), "done", 0.1, "overflow")
    store.add_trial("sha256:s", good)
    store.add_trial("sha256:s", odd)
    store.add_trial("sha256:s", msgspec.structs.replace(good, score=0.9))
    store.add_trial("sha256:other", odd)
    assert store.trials("sha256:s") == (odd, good)


def test_naive_times_are_refused(store: StateStore) -> None:
    with pytest.raises(ValueError, match="aware"):
        store.add_fact(a_fact(at=datetime(2026, 1, 1)))  # noqa: DTZ001
    assert store.read("churn") is None


# --- audit ------------------------------------------------------------------------------------------------------------


def test_every_write_leaves_its_link_in_the_chain(store: StateStore, reader: StateReader) -> None:
    commit(store, a_record())
    store.add_fact(a_fact())
    store.add_fact(a_fact())
    store.settle_facts("churn", ["fact-1"], at=NOW, by="ada")
    store.settle_facts("churn", ["fact-1"], at=NOW, by="ada")
    event = store.append_audit(
        at=NOW, actor="ada", action="audit.exported", subject="log", data={"to": "x", "n": 1.0}
    )
    events = list(reader.audit())
    assert [one.action for one in events] == [
        "step.begun",
        "step.done",
        "fact.recorded",
        "fact.settled",
        "audit.exported",
    ]
    assert [one.seq for one in events] == [1, 2, 3, 4, 5]
    assert events[-1] == event
    head = reader.audit_head()
    assert head is not None
    assert (head.seq, head.hash) == (5, event.hash)
    assert verify(events, head) == []
    assert [one.seq for one in reader.audit(since=4)] == [4, 5]


def test_names_are_sorted_as_python_sorts_them(store: StateStore, reader: StateReader) -> None:
    """A database that sorts by the rules of a language may not: in Danish, `aa` comes last."""
    names = ["z", "aalborg", "b"]
    for name in names:
        commit(store, a_record(f"{name}/training/model"))
    assert list(reader.read_many()) == sorted(names)
    assert list(reader.revisions()) == sorted(names)


# --- any sequence of operations, against a model in plain Python ------------------------------------------------------

MODELS = st.sampled_from(["a", "b"])
LOCALS = st.sampled_from(["data/snapshot", "training/model"])
KEYS = st.sampled_from(["performance", "drift"])


# --- another name, and leaving ----------------------------------------------------------------------------------------


def everything_about_churn(store: StateStore) -> None:
    commit(
        store,
        a_record(),
        a_record("churn/governance/version", ordinal=1, digest="sha256:v1", at=NOW + HOUR),
        a_record("churn/governance/version", ordinal=2, digest="sha256:v2", at=NOW + 2 * HOUR),
        a_record("fraud/training/model"),
    )
    store.add_fact(a_fact(evidence={"address": "churn/training/model", "other": "churn/x"}))
    store.add_approval(Approval("churn", "sha256:v1", "owner", "approve", "fine", "bob", NOW))
    store.add_acknowledgement(Acknowledgement("churn", "shop", "bob", "knows", NOW))
    store.add_observations([an_observation(0), an_observation(1)])


def rename(store: StateStore, old: str, new: str, *, at: datetime = NOW) -> int:
    state = store.read(old)
    with store.lease(old, "ada@here:1:x") as one, store.lease(new, "ada@here:1:x") as other:
        return store.rename(one, other, serial=state.serial if state else 0, at=at, by="ada")


def test_a_renamed_model_takes_everything_along(store: StateStore, reader: StateReader) -> None:
    everything_about_churn(store)
    before = reader.read("churn")
    changes = reader.routes_serial()
    assert before is not None
    serial = rename(store, "churn", "leavers")
    after = reader.read("leavers")
    assert after == msgspec.structs.replace(renamed(before, "leavers"), serial=serial)
    assert after is not None
    assert serial > before.serial
    assert after.lineage == before.lineage
    assert {record.address.split("/")[0] for record in reader.history("leavers")} == {"leavers"}
    assert {entry.address.split("/")[0] for entry in reader.journal("leavers")} == {"leavers"}
    assert after.facts[0].evidence == {"address": "leavers/training/model", "other": "churn/x"}
    stone = reader.tombstone("churn")
    assert stone is not None
    assert (stone.successor, stone.moved, stone.lineage) == ("leavers", True, before.lineage)
    assert not reader.history("churn")
    assert reader.revisions()["churn"].retired
    assert reader.routes_serial() > changes
    assert reader.read("fraud") is not None
    assert reader.at("leavers", NOW + HOUR) is not None
    assert verify(reader.audit(), reader.audit_head()) == []
    commit(store, a_record("leavers/training/model", digest="sha256:next"))


def test_a_name_can_be_moved_back_and_forth_but_not_onto_another(store: StateStore) -> None:
    everything_about_churn(store)
    before = store.read("churn")
    assert before is not None
    rename(store, "churn", "leavers")
    with pytest.raises(StateError, match="no such model to move"):
        rename(store, "churn", "again")
    with pytest.raises(StateError, match="new name is taken"):
        rename(store, "leavers", "fraud")
    with pytest.raises(StateError, match="new name is taken"):
        rename(store, "fraud", "churn")
    rename(store, "leavers", "churn")
    after = store.read("churn")
    assert after is not None
    assert msgspec.structs.replace(after, serial=before.serial) == before
    assert store.tombstone("churn") is None
    assert store.tombstone("leavers") is not None


def test_renaming_or_forgetting_from_an_old_view_changes_nothing(store: StateStore) -> None:
    everything_about_churn(store)
    before = store.read("churn")
    assert before is not None
    with store.lease("churn", "a") as one, store.lease("leavers", "a") as other:
        with pytest.raises(StateStale):
            store.rename(one, other, serial=before.serial - 1, at=NOW, by="ada")
        with pytest.raises(StateStale):
            store.forget(one, serial=before.serial - 1, at=NOW, by="ada", reason="tidy", archive="sha256:x")
    assert store.read("churn") == before
    assert store.read("leavers") is None


def test_a_forgotten_model_leaves_nothing_but_the_log(store: StateStore, reader: StateReader) -> None:
    everything_about_churn(store)
    state, other = reader.read("churn"), reader.read("fraud")
    assert state is not None
    with store.lease("churn", "a") as lease:
        store.forget(lease, serial=state.serial, at=NOW, by="ada", reason="tidy", archive="sha256:x")
    assert reader.read("churn") is None
    assert not reader.history("churn")
    assert not reader.journal("churn")
    assert "churn" not in reader.revisions()
    assert reader.read("fraud") == other
    last = list(reader.audit())[-1]
    assert (last.action, last.subject, last.data["archive"]) == ("model.forgotten", "churn", "sha256:x")
    assert verify(reader.audit(), reader.audit_head()) == []
    assert commit(store, a_record()) == 1
    fresh = reader.read("churn")
    assert fresh is not None
    assert fresh.lineage != state.lineage


def test_a_forgotten_model_that_was_retired_keeps_its_name_taken(store: StateStore) -> None:
    everything_about_churn(store)
    _retire(store, Tombstone("churn", "l", NOW, "ada", None, "sha256:archive"))
    state = store.read("churn")
    assert state is not None
    with store.lease("churn", "a") as lease:
        store.forget(lease, serial=state.serial, at=NOW, by="ada", reason="tidy", archive="sha256:x")
    left = store.read("churn")
    assert left is not None
    assert not left.records
    assert left.tombstone is not None


class Recorded(RuleBasedStateMachine):
    """Random steps, facts and approvals; after each, the store says what a dictionary says."""

    backend = "sqlite"
    folder: Path

    @initialize()
    def start(self) -> None:
        self.store = open_store(*place_for(self.backend, self.folder / uuid4().hex))
        self.clock = NOW
        self.serials: dict[str, int] = {}
        self.current: dict[str, dict[str, str]] = {}
        self.versions: dict[str, dict[int, str]] = {}
        self.open: dict[tuple[str, str], str] = {}
        self.approved: dict[str, list[str]] = {}
        self.past: list[tuple[datetime, dict[str, dict[str, str]]]] = []
        self.unfinished = 0
        self.count = 0
        self.revisions: dict[str, ModelState] = {}

    def teardown(self) -> None:
        if hasattr(self, "store"):
            assert verify(self.store.audit(), self.store.audit_head()) == []
            for moment, expected in self.past:
                for model, locals_ in expected.items():
                    state = self.store.at(model, moment)
                    assert state is not None
                    assert {local: record.digest for local, record in state.records.items()} == locals_
            self.store.close()

    def fresh(self) -> str:
        self.count += 1
        self.clock += HOUR
        return f"sha256:{self.count}"

    @rule(
        model=MODELS,
        local=LOCALS,
        ordinal=st.none() | st.integers(1, 3),
        settle=st.booleans(),
        wrong=st.booleans(),
    )
    def realise(self, model: str, local: str, ordinal: int | None, settle: bool, wrong: bool) -> None:
        if local != "training/model":
            ordinal = None  # one resource of a model has numbers: its versions
        digest = self.fresh()
        seen = self.serials.get(model, 0)
        record = a_record(f"{model}/{local}", digest=digest, ordinal=ordinal, at=self.clock)
        ids = [one for (of, _), one in self.open.items() if of == model] if settle else []
        with self.store.lease(model, "ada@here:1:x") as lease:
            entry = step(self.store, lease, record.address, self.clock)
            if wrong:
                with pytest.raises(StateStale):
                    self.store.finish(
                        lease, entry, outcome="done", at=self.clock, record=record, serial=seen + 1
                    )
                self.unfinished += 1
                return
            after = self.store.finish(
                lease, entry, outcome="done", at=self.clock, record=record, serial=seen, settle=ids
            )
        assert after == seen + 1
        self.serials[model] = after
        self.current.setdefault(model, {})[local] = digest
        if ordinal is not None:
            self.versions.setdefault(model, {})[ordinal] = digest
        self.open = {key: one for key, one in self.open.items() if one not in ids}
        self.past.append((self.clock, {of: dict(locals_) for of, locals_ in self.current.items()}))

    @rule(model=MODELS)
    def fail(self, model: str) -> None:
        self.fresh()
        with self.store.lease(model, "ada@here:1:x") as lease:
            entry = step(self.store, lease, f"{model}/training/model", self.clock)
            after = self.store.finish(lease, entry, outcome="failed", at=self.clock, detail="x")
        assert after == self.serials.get(model, 0)

    @precondition(lambda self: self.unfinished)
    @rule()
    def recover(self) -> None:
        closed = 0
        for model in ("a", "b"):
            with self.store.lease(model, "ada@here:1:x") as lease:
                closed += len(self.store.close_interrupted(lease, self.clock))
        assert closed == self.unfinished
        self.unfinished = 0

    @rule(model=MODELS, key=KEYS)
    def report(self, model: str, key: str) -> None:
        name = self.fresh()
        new = self.store.add_fact(a_fact(id=name, model=model, key=key, at=self.clock))
        assert new == ((model, key) not in self.open)
        if new:
            self.open[model, key] = name
            self.serials.setdefault(model, 0)

    @rule(model=MODELS)
    def approve(self, model: str) -> None:
        subject = self.fresh()
        self.store.add_approval(Approval(model, subject, "risk", "approve", "", "eve", self.clock))
        self.approved.setdefault(model, []).append(subject)
        self.serials.setdefault(model, 0)

    @rule()
    def reopen(self) -> None:
        self.store.close()

    @invariant()
    def the_store_says_what_the_model_says(self) -> None:
        if not hasattr(self, "store"):
            return
        states = self.store.read_many()
        assert {name: state.serial for name, state in states.items()} == self.serials
        for name, state in states.items():
            assert {local: one.digest for local, one in state.records.items()} == self.current.get(name, {})
            assert {number: one.digest for number, one in state.versions.items()} == self.versions.get(
                name, {}
            )
            assert [one.subject for one in state.approvals] == self.approved.get(name, [])
            open_ones = {(name, fact.key): fact.id for fact in state.facts if fact.settled_at is None}
            assert open_ones == {key: one for key, one in self.open.items() if key[0] == name}
        for name, revision in self.store.revisions().items():
            assert self.revisions.setdefault(revision.name, states[name]) == states[name]


def test_any_sequence_of_operations(backend: str, tmp_path: Path) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    machine = type("RecordedIn", (Recorded,), {"backend": backend, "folder": tmp_path})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=15, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
