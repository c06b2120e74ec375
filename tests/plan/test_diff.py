"""The diff as users rely on it: what is renewed, what stays, and why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tenure.core.digest import digest
from tenure.core.effect import Effect
from tenure.graph.declare import resource
from tenure.graph.resource import Resource, Sort
from tenure.plan.action import Action, Reason
from tenure.plan.change import Plan, from_json, to_json
from tenure.plan.diff import Desired, diff
from tenure.plan.view import Blocker, Condition, Inputs, Target, View
from tenure.spec.base import SpecModel, field
from tenure.state.record import Fact, ModelState, Record

NOW = datetime(2026, 5, 3, tzinfo=UTC)


class Source(SpecModel):
    """A source."""

    path: str = field(Effect.RETRAIN, "Where.", "a.csv")
    note: str | None = field(Effect.METADATA, "Why.", None)
    labels: dict[str, str] = field(Effect.METADATA, "Labels.", dict)


class Search(SpecModel):
    """A search."""

    trials: int = field(Effect.RETRAIN, "How many.", 10)


class Gate(SpecModel):
    """A gate."""

    min: float = field(Effect.EVALUATE, "At least.", 0.6)


class Endpoint(SpecModel):
    """An endpoint."""

    sample: float = field(Effect.RELEASE, "Share.", 1.0)


def resources(
    source: Source = Source(), search: Search = Search(), gate: Gate = Gate(), endpoint: Endpoint = Endpoint(),
    triggers: tuple[str, ...] = ("retrain",),
) -> tuple[Resource, ...]:  # fmt: skip
    return (
        resource("m", "data/snapshot", Sort.ARTIFACT, {"data.source": source}, triggers=triggers),
        resource("m", "training/model", Sort.ARTIFACT, {"training": search}, needs=("data/snapshot",)),
        resource("m", "evaluation/report", Sort.ARTIFACT, {"evaluation": gate}, needs=("training/model",)),
        resource("m", "governance/version", Sort.ARTIFACT, {}, needs=("training/model", "evaluation/report"),
                 identity=("training/model",)),
        resource("m", "deployment/endpoint", Sort.BINDING, {"deployment": endpoint}, needs=("governance/version",)),
    )  # fmt: skip


def serve_newest(item: Resource, view: View) -> Target:
    version = view.records.get("governance/version")
    live = view.value("deployment/endpoint") or {}
    serving = (
        live.get("version") if version is None or "governance/version" in view.renewing else version.digest
    )
    return Target(
        {"version": serving, "sample": item.config["deployment"]["sample"]},
        Action.PROMOTE,
        Reason.NEW_VERSION,
    )


def describe(item: Resource) -> str:
    return f"make {item.local}"


def gates(item: Resource) -> tuple[Condition, ...]:
    return (Condition("gate", "score >= 0.6"),) if item.local == "evaluation/report" else ()


def desired(
    items: tuple[Resource, ...], target: Callable[[Resource, View], Target] = serve_newest, **more: Any
) -> Desired:
    return Desired(
        "m", "specs/m.yaml", more.get("lifecycle", "active"), "sha256:spec", items, target, gates, describe
    )


def applied(items: tuple[Resource, ...], **more: Any) -> ModelState:
    """The state after a successful apply of these resources."""
    records: dict[str, Record] = {}
    for item in items:
        inputs = {need: records[need].digest for need in item.needs}
        value: dict[str, Any] = {}
        output = digest([item.content, inputs])
        if item.identity is not None:
            output = digest([inputs[name] for name in item.identity])
        if item.sort is Sort.BINDING:
            value = serve_newest(item, View("m", "active", NOW, records, {})).value
        records[item.local] = Record(
            item.address, item.sort, item.fingerprint(inputs), item.content, item.metadata, item.config, item.effects,
            output, value, {}, inputs, NOW, "ann", "a1", 1, seconds=12.0,
        )  # fmt: skip
    return ModelState("m", "lineage", len(records), records, **more)


def actions(plan: Any) -> dict[str, Action]:
    return {change.address.split("/", 1)[1]: change.action for change in plan.changes}


def test_a_new_model_is_created_from_end_to_end_with_its_gate_as_condition() -> None:
    plan = diff(desired(resources()), None, {}, NOW)
    assert set(actions(plan).values()) == {Action.CREATE}
    endpoint = plan.changes[-1]
    assert not endpoint.known
    assert Condition("gate", "score >= 0.6") in endpoint.conditions


def test_a_plan_after_a_successful_apply_is_empty() -> None:
    items = resources()
    plan = diff(desired(items), applied(items), {"data/snapshot": Inputs(changed=False)}, NOW)
    assert not plan.changed


@pytest.mark.parametrize(
    ("edited", "renewed", "effect"),
    [
        ({"source": Source(note="words")}, {"data/snapshot": Action.UPDATE}, Effect.METADATA),
        ({"source": Source(labels={"b": "1", "a": "2"})}, {"data/snapshot": Action.UPDATE}, Effect.METADATA),
        (
            {"source": Source(path="b.csv")},
            {"data/snapshot": Action.REPLACE, "training/model": Action.REPLACE, "evaluation/report": Action.REPLACE,
             "governance/version": Action.REPLACE, "deployment/endpoint": Action.PROMOTE},
            Effect.RETRAIN,
        ),
        (
            {"search": Search(trials=20)},
            {"training/model": Action.REPLACE, "evaluation/report": Action.REPLACE,
             "governance/version": Action.REPLACE, "deployment/endpoint": Action.PROMOTE},
            Effect.RETRAIN,
        ),
        (
            {"gate": Gate(min=0.7)},
            {"evaluation/report": Action.REPLACE, "governance/version": Action.UPDATE},
            Effect.EVALUATE,
        ),
        ({"endpoint": Endpoint(sample=0.5)}, {"deployment/endpoint": Action.PROMOTE}, Effect.RELEASE),
    ],
)  # fmt: skip
def test_an_edit_renews_what_depends_on_it_and_nothing_else(
    edited: dict[str, Any], renewed: dict[str, Action], effect: Effect
) -> None:
    plan = diff(desired(resources(**edited)), applied(resources()), {}, NOW)
    assert {local: action for local, action in actions(plan).items() if action is not Action.NONE} == renewed
    assert plan.effect is effect


def test_combining_edits_is_never_milder_than_the_worst_of_them() -> None:
    plan = diff(
        desired(resources(source=Source(note="words"), gate=Gate(min=0.7), search=Search(trials=3))),
        applied(resources()),
        {},
        NOW,
    )
    assert plan.effect is Effect.RETRAIN


def test_field_changes_show_path_old_new_and_effect() -> None:
    plan = diff(desired(resources(search=Search(trials=20))), applied(resources()), {}, NOW)
    change = plan.changes[1]
    assert [(f.path, f.old, f.new, f.effect) for f in change.fields] == [
        ("training.trials", 10, 20, Effect.RETRAIN)
    ]
    assert change.seconds == 12.0


@pytest.mark.parametrize("backwards", [False, True])
def test_a_list_or_mapping_that_is_filled_or_emptied_shows_its_entries_alone(backwards: bool) -> None:
    empty, filled = resources(), resources(source=Source(labels={"team": "growth"}))
    before, after = (filled, empty) if backwards else (empty, filled)
    plan = diff(desired(after), applied(before), {}, NOW)
    (field,) = plan.changes[0].fields
    values = ("growth", None) if backwards else (None, "growth")
    assert (field.path, field.old, field.new, field.effect) == (
        "data.source.labels.team", *values, Effect.METADATA
    )  # fmt: skip


def test_a_confirmed_breach_renews_the_snapshot_and_carries_its_evidence() -> None:
    fact = Fact(
        "f1", "m", "breach", "k", "retrain", "propose", "Accuracy fell.", {"windows": 3}, NOW, "observe"
    )
    plan = diff(
        desired(resources()),
        applied(resources(), facts=(fact,)),
        {"data/snapshot": Inputs(changed=True)},
        NOW,
    )
    first = plan.changes[0]
    assert (first.action, first.reason, first.causes[0].evidence) == (
        Action.REPLACE,
        Reason.CAUSE,
        {"windows": 3},
    )
    assert actions(plan)["deployment/endpoint"] is Action.PROMOTE


def test_retraining_on_identical_data_is_refused_as_pointless() -> None:
    fact = Fact("f1", "m", "breach", "k", "retrain", "propose", "Accuracy fell.", {}, NOW, "observe")
    plan = diff(
        desired(resources()),
        applied(resources(), facts=(fact,)),
        {"data/snapshot": Inputs(changed=False)},
        NOW,
    )
    assert plan.changes[0].action is Action.BLOCKED
    assert plan.changes[0].blockers[0].kind == "pointless"
    assert not plan.acting


@pytest.mark.parametrize("mode", ["notify"])
def test_a_notification_is_a_note_and_no_change(mode: Any) -> None:
    fact = Fact("f1", "m", "breach", "k", "retrain", mode, "Accuracy fell.", {}, NOW, "observe")
    plan = diff(
        desired(resources()),
        applied(resources(), facts=(fact,)),
        {"data/snapshot": Inputs(changed=True)},
        NOW,
    )
    assert not plan.changed
    assert "Accuracy fell." in plan.notes


def test_a_settled_cause_acts_no_more() -> None:
    fact = Fact(
        "f1",
        "m",
        "breach",
        "k",
        "retrain",
        "auto",
        "Fell.",
        {},
        NOW,
        "observe",
        settled_at=NOW,
        settled_by="a1",
    )
    plan = diff(
        desired(resources()),
        applied(resources(), facts=(fact,)),
        {"data/snapshot": Inputs(changed=True)},
        NOW,
    )
    assert not plan.changed


def test_new_data_alone_is_only_a_note_unless_the_spec_asks_for_it() -> None:
    seen = {"data/snapshot": Inputs(changed=True, sentences=("31 new rows.",))}
    quiet = diff(desired(resources()), applied(resources()), seen, NOW)
    assert not quiet.changed
    assert quiet.notes == ("31 new rows.",)
    eager = resources(triggers=("retrain", "new_data"))
    plan = diff(desired(eager), applied(eager), seen, NOW)
    assert (plan.changes[0].action, plan.changes[0].reason) == (Action.REPLACE, Reason.DATA_CHANGED)


def test_a_blocked_binding_says_what_it_would_do_and_how_to_go_on() -> None:
    def blocked(item: Resource, view: View) -> Target:
        return Target(
            view.value("deployment/endpoint") or {}, Action.PROMOTE, Reason.NEW_VERSION,
            blockers=(Blocker("approval", "not approved", "tenure approve m@2"),),
        )  # fmt: skip

    plan = diff(desired(resources(), blocked), applied(resources()), {}, NOW)
    change = plan.changes[-1]
    assert (change.action, change.intended) == (Action.BLOCKED, Action.PROMOTE)
    assert change.blockers[0].hint == "tenure approve m@2"
    assert plan.changed
    assert not plan.acting


def test_the_same_inputs_give_the_same_bytes_and_json_reads_back() -> None:
    def plan() -> Plan:
        model = diff(desired(resources(search=Search(trials=20))), applied(resources()), {}, NOW)
        return Plan(tool_version="0", environment="dev", at=NOW, models=(model,))

    assert to_json(plan()) == to_json(plan())
    assert from_json(to_json(plan())) == plan()
    assert from_json(to_json(plan())).digest == plan().digest


def test_an_approval_survives_a_repeated_plan_but_not_another_change() -> None:
    state = applied(resources())
    later = datetime(2027, 1, 1, tzinfo=UTC)
    first = diff(desired(resources(search=Search(trials=20))), state, {}, NOW)
    same = diff(desired(resources(search=Search(trials=20))), state, {}, later)
    other = diff(desired(resources(source=Source(path="b.csv"))), state, {}, NOW)
    assert first.digest == same.digest != other.digest


def test_a_version_is_a_new_one_when_its_model_changed_even_if_its_report_is_written_anew_too() -> None:
    """After an apply that failed between the model and its report."""
    items = resources()
    state = applied(items)
    model = msgspec.structs.replace(state.records["training/model"], digest="sha256:other")
    half = msgspec.structs.replace(state, records={**state.records, "training/model": model})
    plan = diff(desired(items), half, {}, NOW)
    assert actions(plan)["governance/version"] is Action.REPLACE
    assert actions(plan)["deployment/endpoint"] is Action.PROMOTE
