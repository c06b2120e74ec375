"""What must be true of the whole, whatever happens in whatever order: one function per promise.

Each raises AssertionError with what it saw. `always` runs after every step; the others belong to one kind of step.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from tests.fuzz.faults import Ended
from tests.fuzz.world import CANARY, ENVIRONMENTS, Applied, Ledger, World, ending

from tenure.core.effect import Effect, worst
from tenure.core.errors import SpecError, TenureError
from tenure.engine.planning import plan_afresh
from tenure.engine.project import Project
from tenure.engine.removing import REMOVED
from tenure.plan.action import Action, Reason
from tenure.plan.change import Change, ModelPlan, Plan, from_json, to_json
from tenure.plan.diff import RETIRED
from tenure.state.chain import event_hash, genesis
from tenure.state.record import ModelState, Record
from tenure.state.renaming import renamed
from tenure.state.store import AuditEvent

MADE = ("data/", "features/", "training/")
"""What is expensive: data are read, models are trained."""
TRAINING = {Effect.RETRAIN, Effect.BREAKING}
Answer = tuple[str, Any]


def always(world: World) -> None:
    """Everything that holds after every step, in every environment that exists."""
    assert not world.script.without_intent, f"4. ran without a durable intent: {world.script.without_intent}"
    for env in ENVIRONMENTS:
        if env != "dev" and not (world.root / ".tenure" / env).exists():
            continue
        plan_is_pure_and_remembered_right(world, env)
        with world.project(env) as project:
            begun = project.reader.audit_head() is not None
        if begun:
            states = world.states(env)
            state_opens_and_is_whole(world, env)
            nothing_recorded_is_lost(world, env, states)
            the_log_only_grows(world, env)
            what_serves_can_serve(states)
    secrets_are_nowhere(world)


# ---- 1 ---------------------------------------------------------------------------------------------------------------


def plan_after_success_is_empty(world: World, applied: Applied) -> None:
    """1. After an apply that ended well nothing is left to do; after one that was stopped by a rule, nothing that acts.

    What another model, another person or time still asks for belongs to other plans.
    """
    assert applied.result is not None
    plan = world.plan(applied.env)
    assert plan is not None
    by_model = {model.model: model for model in plan.models}
    for result in applied.result.models:
        if result.model not in by_model:
            continue  # it was forgotten
        left = by_model[result.model]
        if result.exit_code == 0:
            assert not left.changed, f"1. after success {left.model} wants {_told(left.changes)}"
        elif result.exit_code == 3 and not [
            step for step in result.steps if step.sentence == "a check failed"
        ]:
            assert not left.acting, f"1. after what could be done {left.model} wants {_told(left.acting)}"


# ---- 2 ---------------------------------------------------------------------------------------------------------------


def plan_is_pure_and_remembered_right(world: World, env: str) -> None:
    """2. A plan changes nothing; asked again it is the same to the last byte, remembered or made afresh, also when a
    spec is wrong; and what is read back from its file is the plan."""
    marks, tree = world.marks(env), _tree(world.root)
    quick = _plan(world, env, lambda project: project.plan())
    world.settle()
    again = _plan(world, env, lambda project: project.plan())
    fresh = _plan(world, env, lambda project: plan_afresh(project, (), (), True))
    assert quick == fresh, f"2. the plan right after the step differs: {_difference(quick, fresh)}"
    assert again == fresh, f"2. the remembered plan differs from one made afresh: {_difference(again, fresh)}"
    assert (marks, tree) == (world.marks(env), _tree(world.root)), "2. planning changed something"
    if fresh[0] == "plan":
        plan = from_json(fresh[1])
        assert to_json(plan) == fresh[1], "2. a plan is another one after it was written to a file and read"
        for model in plan.models:
            every_renewal_has_a_reason(model)
            nothing_is_destroyed_unasked(world, env, model)


def _plan(world: World, env: str, made: Callable[[Project], Plan]) -> Answer:
    with world.project(env) as project:
        try:
            return "plan", to_json(made(project))
        except SpecError as error:
            return "wrong", [str(item) for item in error.diagnostics]
        except TenureError as error:
            return "refused", str(error)


def _tree(root: Path) -> dict[str, tuple[int, int]]:
    """Every file of the project, except what a plan may remember and what a database keeps beside itself."""
    found = {}
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if path.is_file() and "/cache/" not in name and "state.db" not in name:
            status = path.stat()
            found[name] = (status.st_mtime_ns, status.st_size)
    return found


def _difference(one: Answer, other: Answer) -> str:
    if one[0] != other[0] or one[0] != "plan":
        return f"{one} instead of {other}"
    ours, theirs = from_json(one[1]), from_json(other[1])
    for mine, its in zip(ours.models, theirs.models, strict=False):
        if mine != its:
            pairs = zip(mine.changes, its.changes, strict=False)
            return f"{mine.model}: {[(a, b) for a, b in pairs if a != b] or (mine, its)}"
    return f"{ours} instead of {theirs}"


# ---- 3 ---------------------------------------------------------------------------------------------------------------


def did_what_was_shown(world: World, applied: Applied) -> None:
    """3. Every step of an apply was in its plan, with the action shown, or with less where the result was open; what
    stood behind a blocked step may follow it. Nothing else is recorded: what changed in the state has a step."""
    if applied.result is None:
        return
    with world.project(applied.env) as project:
        journal = [
            entry
            for entry in project.reader.journal(limit=10_000)
            if entry.apply_id == applied.result.apply_id
        ]
    shown = {change.address: change for model in applied.plan.models for change in model.changes}
    behind = {
        model.model
        for model in applied.plan.models
        if any(change.sort == "binding" for change in model.blocked)
    }
    started: set[str] = set()
    for entry in reversed(journal):
        change = shown.get(entry.address)
        assert change is not None, f"3. {entry.address} was no part of the plan"
        if change.action.acts and entry.address not in started:
            started.add(entry.address)
            allowed = {change.action.value} | (set() if change.known else {"update", "adopt"})
            if change.sort == "binding" and not change.known:
                allowed |= {"promote", "create"}
            assert entry.action in allowed, (
                f"3. {entry.address} was shown to {change.action.value} and did {entry.action}"
            )
        elif not change.action.acts:
            assert entry.model in behind, (
                f"3. {entry.address} was shown as {change.action.value}, did {entry.action}"
            )
    for result in applied.result.models:
        if "The plan is stale." in result.error:
            begun = [entry.address for entry in journal if entry.model == result.model]
            assert not begun, f"3. found stale only after {begun}: {result.error}"
    done = {entry.address for entry in journal if entry.outcome == "done"}
    moved = {model.model: model.moved_from for model in applied.plan.models if model.moved_from}
    for model, state in world.states(applied.env).items():
        before = applied.before.get(model)
        if model in moved and (source := applied.before.get(moved[model])) is not None:
            before = renamed(source, model)
        for local, record in state.records.items():
            if before is None or before.records.get(local) != record:
                assert record.address in done, f"3. {record.address} changed without a step of this apply"


def refused_before_any_effect(world: World, applied: Applied) -> None:
    """3. What is refused as stale, for the clock or for the environment left no trace."""
    if applied.error is not None:
        assert world.marks(applied.env) == applied.marks, (
            f"3. refused ({applied.error}), and yet something was written"
        )


def stale_exactly_when_it_moved(applied: Applied, fresh: Plan | None) -> None:
    """3. A saved plan is applied when a new one would show the same steps, and refused when it would show others."""
    names = {model.model for model in applied.plan.models if model.changed}
    if fresh is None or not names:
        return
    now = {model.model: model for model in fresh.models}
    accepted = applied.error is None and applied.result is not None
    accepted = (
        accepted and not any(model.error for model in applied.result.models) if applied.result else False
    )
    for model in applied.plan.models:
        if model.model not in names:
            continue
        same = model.model in now and _steps(now[model.model]) == _steps(model)
        if accepted:
            assert same, (
                f"3. applied although it moved: {_told(model.changes)} shown, now it is "
                f"{_told(now[model.model].changes) if model.model in now else 'gone'}"
            )
    untouched = all(name in now and now[name] in applied.plan.models for name in names)
    if untouched and applied.error is not None:
        raise AssertionError(f"3. refused although nothing moved: {applied.error}")


def _steps(model: ModelPlan) -> list[tuple[str, str]]:
    return [(change.address, change.action.value) for change in model.changes if change.action.acts]


# ---- 4 ---------------------------------------------------------------------------------------------------------------


def state_opens_and_is_whole(world: World, env: str) -> None:
    """4. The database is sound to its last page, the log's chain holds, and at most one step of a model is open."""
    path = world.root / ".tenure" / env / "state.db"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",), (
            "4. the database is damaged"
        )
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == [], "4. a row refers to nothing"
        models = connection.execute("SELECT model FROM journal WHERE ended_at IS NULL").fetchall()
    assert len(models) == len(set(models)), f"4. more than one open step: {models}"


def converged(world: World, twin: World, env: str) -> None:
    """4. A killed apply that was taken up again ends where one that was never killed ends."""
    ours, theirs = ending(world.states(env)), ending(twin.states(env))
    for model in theirs:
        for part in theirs[model]:
            differing = list(_differing(ours[model][part], theirs[model][part], part))
            assert not differing, f"4. {model} ended otherwise after kills: {differing[:5]}"
    assert ours.keys() == theirs.keys()


def _differing(one: Any, other: Any, path: str) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            yield from _differing(one.get(key), other.get(key), f"{path}.{key}")
    elif one != other:
        yield f"{path} is {one!r} instead of {other!r}"


def nothing_is_open(world: World, env: str, models: Sequence[str]) -> None:
    """4. Once an apply has gone through, no step of its models is open and this process holds none of them."""
    path = world.root / ".tenure" / env / "state.db"
    if not world.states(env):
        return
    with closing(sqlite3.connect(path)) as connection:
        left = {model for (model,) in connection.execute("SELECT model FROM journal WHERE ended_at IS NULL")}
        held = dict(connection.execute("SELECT model, holder FROM leases WHERE holder IS NOT NULL"))
    assert not left & {*models}, f"4. a step stayed open: {left}"
    assert not [holder for holder in held.values() if f":{os.getpid()}:" in holder], f"4. still held: {held}"


# ---- 5 ---------------------------------------------------------------------------------------------------------------


def one_acted(world: World, env: str, plan: Plan, ended: Mapping[str, Ended], before: int) -> None:
    """5. Of several applies of one plan at once one acts on each model, and what the plan asks for is done."""
    with world.project(env) as project:
        journal = [entry for entry in project.reader.journal(limit=10_000) if entry.id > before]
    for model in plan.models:
        actors = {entry.by for entry in journal if entry.model == model.model}
        assert len(actors) <= 1, f"5. {actors} acted on {model.model}"
        if model.lifecycle == REMOVED and model.acting:
            assert model.model not in world.states(env), f"5. {model.model} was to be forgotten: {ended}"
        elif model.acting:
            assert actors, f"5. nobody acted on {model.model}: {ended}"
    for name, one in ended.items():
        assert not one.killed, name
        said = str(one.answer)
        assert "locked" not in said.replace("StateLocked", "").lower() or "is held by" in said, said


# ---- 6 ---------------------------------------------------------------------------------------------------------------


def reformatting_changed_nothing(before: Plan | None, after: Plan | None) -> None:
    """6. The same document written in another way gives the same plan."""
    assert (before is None) == (after is None)
    if before is None or after is None:
        return
    for old, new in zip(before.models, after.models, strict=True):
        assert old.spec_digest == new.spec_digest, f"6. {old.model} has another digest"
        mine = [(change.address, change.action, change.reason, change.effect) for change in old.changes]
        its = [(change.address, change.action, change.reason, change.effect) for change in new.changes]
        assert mine == its, f"6. {old.model}: {_told(old.changes)} became {_told(new.changes)}"


# ---- 7 ---------------------------------------------------------------------------------------------------------------


def secrets_are_nowhere(world: World) -> None:
    """7. The value of a secret is in no byte below `.tenure` and in no saved plan."""
    canary = CANARY.encode()
    for env in ENVIRONMENTS:
        seen = world.ledgers[env].searched
        for path in (world.root / ".tenure" / env).rglob("*"):
            if not path.is_file():
                continue
            status = path.stat()
            mark = (status.st_mtime_ns, status.st_size)
            if seen.get(path) != mark:
                assert canary not in path.read_bytes(), f"7. a secret is in {path.relative_to(world.root)}"
                seen[path] = mark
    assert not any(canary in one.data for one in world.saved), "7. a secret is in a saved plan"


# ---- 8 ---------------------------------------------------------------------------------------------------------------


def nothing_recorded_is_lost(world: World, env: str, states: Mapping[str, ModelState]) -> None:
    """8. History only grows, a tombstone stays, and every blob that a record ever named is there, whole. Only a person
    who asks for it by name gives a model another name or takes it out of the state."""
    ledger = world.ledgers[env]
    with world.project(env) as project:
        for event in project.reader.audit(ledger.audit.seq + 1 if ledger.audit else 1):
            if event.action in ("model.renamed", "model.forgotten"):
                _followed(world, ledger, event)
        for model, seen in ledger.history.items():
            assert model in states or not seen, f"8. everything about {model} is gone"
            assert project.reader.history(model)[: len(seen)] == seen, (
                f"8. the history of {model} was rewritten"
            )
        for model, state in states.items():
            ledger.history[model] = project.reader.history(model)
            known = ledger.tombstones.get(model)
            assert known is None or state.tombstone is not None, f"8. {model} is no longer retired"
            ledger.tombstones[model] = state.tombstone
            for record in ledger.history[model]:
                _blobs_are_whole(project, ledger.blobs, record)
            _heads_are_the_last(state, ledger.history[model])
        entries = {entry.id: entry for entry in project.reader.journal(limit=10_000)}
    for number, entry in ledger.journal.items():
        assert number in entries, f"8. step {number} is gone from the journal"
        assert entry.outcome is None or entries[number] == entry, f"8. step {number} was rewritten"
    ledger.journal = entries


def _followed(world: World, ledger: Ledger, event: AuditEvent) -> None:
    """What an observer expects after somebody renamed or forgot a model: nobody does either by editing a spec alone."""
    if event.action == "model.forgotten":
        assert event.subject in world.asked_to_forget, (
            f"8. {event.subject} was forgotten, and nobody asked for it"
        )
        ledger.history.pop(event.subject, None)
        ledger.journal = {number: one for number, one in ledger.journal.items() if one.model != event.subject}
        return
    old, new = str(event.data["from"]), event.subject
    assert (old, new) in world.asked_to_move, f"8. {old} became {new}, and nobody asked for it"
    address = "{}/{}".format
    ledger.history[new] = tuple(
        msgspec.structs.replace(record, address=address(new, record.address.split("/", 1)[1]))
        for record in ledger.history.pop(old, ())
    )
    ledger.tombstones.pop(new, None)
    ledger.journal = {
        number: msgspec.structs.replace(one, model=new, address=address(new, one.address.split("/", 1)[1]))
        if one.model == old
        else one
        for number, one in ledger.journal.items()
    }


def _blobs_are_whole(project: Project, known: dict[str, tuple[int, int]], record: Record) -> None:
    for name in record.artifacts.values():
        path = project.artifacts._path(name)  # type: ignore[attr-defined]
        assert path.is_file(), f"8. {record.address} names {name}, which is gone"
        status = path.stat()
        mark = (status.st_mtime_ns, status.st_size)
        if known.get(name) != mark:
            project.artifacts.get(name)  # raises when its content is not what its name says
            known[name] = mark


def _heads_are_the_last(state: ModelState, history: Sequence[Record]) -> None:
    latest = {record.address.split("/", 1)[1]: record for record in history}
    assert state.records == latest, "8. what counts now is not what was recorded last"
    versions = {record.ordinal: record for record in history if record.ordinal is not None}
    assert state.versions == versions, "8. a version is not as it was recorded last"


def what_serves_can_serve(states: Mapping[str, ModelState]) -> None:
    """8. An endpoint's routes lead to registered versions and share all of the traffic, until the model is retired."""
    for state in states.values():
        record = state.records.get("deployment/endpoint")
        if record is None:
            continue
        routes = record.value["routes"]
        assert all(route["version"] in state.versions for route in routes), routes
        if record.value["state"] == "gone":
            assert routes == []
            assert state.records["retirement/policy"].value["state"] == RETIRED
        else:
            assert sum(route["share"] for route in routes) in (0, 100), routes
            if record.value["released"]:
                assert routes, f"8. {state.model} stopped serving without being retired"


def nothing_is_destroyed_unasked(world: World, env: str, model: ModelPlan) -> None:
    """8. No plan forgets anything, and one that retires a model was asked to: by its spec or by the spec's own date."""
    asked = model.lifecycle == RETIRED or any(
        document.get("metadata", {}).get("name") == model.model
        and _passed(document.get("retirement") or {}, world.now)
        for document in world.docs.values()
    )
    for change in model.changes:
        if change.action is Action.FORGET:
            assert model.model in world.asked_to_forget, f"8. {change.address} would be forgotten"
        if Action.RETIRE in (change.action, change.intended):
            assert asked, f"8. {change.address} would be retired: {change.sentence}"


def _passed(retirement: Mapping[str, Any], now: datetime) -> bool:
    day = retirement.get("retirement_date")
    return day is not None and str(day) <= now.date().isoformat()


# ---- 9 ---------------------------------------------------------------------------------------------------------------


def every_renewal_has_a_reason(model: ModelPlan) -> None:
    """9. Data are read and models trained only for an edit that says so, a cause, new data or a renewed input; words
    about an artifact update it in place."""
    renewed: set[str] = set()
    for change in model.changes:
        local = change.address.split("/", 1)[1]
        if change.action not in (Action.CREATE, Action.REPLACE) or change.sort == "binding":
            continue
        renewed.add(local)
        effects = {item.effect for item in change.fields}
        match change.reason:
            case Reason.CONFIG_CHANGED if local.startswith(MADE):
                assert effects & TRAINING, f"9. {change.address} would be renewed for {change.fields}"
            case Reason.CONFIG_CHANGED:
                assert effects - {Effect.METADATA}, (
                    f"9. {change.address} would be renewed for {change.fields}"
                )
            case Reason.INPUT_RENEWED:
                assert renewed - {local}, f"9. {change.address} would be renewed, and none of its inputs"
            case Reason.CAUSE:
                assert change.causes, f"9. {change.address} would be renewed for a cause that is not named"
            case Reason.METADATA_CHANGED | Reason.UNCHANGED:
                raise AssertionError(f"9. {change.address} would be renewed for words")


def protection_held(before: ModelState, refused: bool) -> None:
    """8. A model that serves, is protected or has ended is not forgotten."""
    endpoint, guard = before.records.get("deployment/endpoint"), before.records.get("lifecycle/protection")
    serves = endpoint is not None and bool(endpoint.value["routes"])
    guarded = guard is not None and bool(guard.value["prevent_destroy"])
    assert refused or not (serves or guarded or before.tombstone), (
        f"8. {before.model} was forgotten all the same"
    )


def what_is_promoted_is_the_same(
    plan: Plan, source: ModelState, target: ModelState, applied: Applied
) -> None:
    """3. A promotion takes over the very artifacts, by their digests, and makes none of them again."""
    (model,) = plan.models
    if applied.result is None or applied.result.exit_code not in (0, 3) or model.promotes is None:
        return
    for change in model.changes:
        local = change.address.split("/", 1)[1]
        if change.action is Action.ADOPT:
            assert target.records[local].digest in {model.promotes.digests.get(local), change.after}, (
                f"3. {change.address} is another one than was promoted"
            )


def an_edit_costs_what_it_says(declared: Sequence[Effect], plan: ModelPlan) -> None:
    """9. From a state with nothing to do, the plan of edits has the worst effect that their fields declare; only a rule
    or a date that the spec itself names may bring more. Of a retired model nothing is made again."""
    excused = (Reason.RULE, Reason.DATE_PASSED, Reason.DATA_CHANGED, Reason.RETIRED)
    if any(change.reason in excused for change in plan.changes):
        return
    found = worst([effect for effect in (plan.effect,) if effect is not None])
    assert found == worst(declared), (
        f"9. {[str(effect) for effect in declared]} were edited, and the plan says {found}: {_told(plan.changes)}"
    )


def more_edits_cost_no_less(one: ModelPlan, other: ModelPlan, both: ModelPlan) -> None:
    """9. Two edits together cost at least what each costs."""
    single = worst([effect for effect in (one.effect, other.effect) if effect is not None])
    together = worst([effect for effect in (both.effect, single) if effect is not None])
    assert both.effect == together, f"9. {one.effect} and {other.effect} together cost only {both.effect}"


# ---- 10, and the log -----------------------------------------------------------------------------------------------


def the_log_only_grows(world: World, env: str) -> None:
    """4. Each event follows the one before it, from the beginning of the log to its recorded end."""
    ledger = world.ledgers[env]
    with world.project(env) as project:
        head = project.reader.audit_head()
        assert head is not None
        last = ledger.audit
        assert last is None or (last.log == head.log and last.seq <= head.seq), "4. the log was cut off"
        seq, previous = (last.seq, last.hash) if last else (0, genesis(head.log))
        for event in project.reader.audit(seq + 1):
            assert event.seq == seq + 1
            assert event.previous == previous, f"4. event {event.seq} does not follow the one before it"
            assert event_hash(event) == event.hash, f"4. event {event.seq} was changed"
            seq, previous = event.seq, event.hash
        if last is not None and last.seq:
            (kept,) = [event for event in project.reader.audit(last.seq) if event.seq == last.seq]
            assert kept.hash == last.hash, f"4. event {last.seq} was rewritten"
    assert (seq, previous) == (head.seq, head.hash), "4. the log does not end where it says"
    ledger.audit = head


def no_pickle_was_loaded(loaded: Sequence[str]) -> None:
    """10. Nothing was unpickled."""
    assert not loaded, f"10. pickles were loaded: {loaded[:5]}"


def _told(changes: Sequence[Change]) -> str:
    return "; ".join(
        f"{change.address} {change.action.value} ({change.reason.value}: {change.sentence})"
        for change in changes
        if change.action is not Action.NONE
    )
