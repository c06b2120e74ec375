"""plan = diff(desired, recorded, inputs, now): no I/O, no clock, no randomness.

Artifacts follow one rule for all stages: they are renewed when their configuration, their stage's code or the output of
something they are made from changed, or when a recorded cause asks for it. A binding has a target value that its stage
computes with a pure function; it is updated when the target differs from what is recorded. `apply` asks the same
`decide` again before each step, with the outputs that are known by then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec

from tenure.core.digest import digest
from tenure.core.effect import Effect, worst
from tenure.graph.resource import Resource, Sort
from tenure.plan import adoption, promotion
from tenure.plan.action import Action, Reason
from tenure.plan.change import Cause, Change, FieldChange, ModelPlan
from tenure.plan.expiry import expired
from tenure.plan.fields import field_changes, listed
from tenure.plan.leftover import left_over
from tenure.plan.view import Blocker, Condition, Inputs, Offer, Target, View
from tenure.state.record import Fact, ModelState, Record

RETIRED = "retired"
REBUILD = "rebuild"
"""What a cause of damage asks for: the one resource that its evidence names is made again, as it was."""
NO_INPUTS = Inputs(changed=False)

EFFECT_OF_REASON = {
    Reason.LIFECYCLE: Effect.RETIRE,
    Reason.DATE_PASSED: Effect.RETIRE,
    Reason.ROLLOUT: Effect.RELEASE,
    Reason.REQUEST: Effect.RELEASE,
}
"""What a binding's change costs where no field was edited: a state, a date, a bake time, a person's request."""


@dataclass(frozen=True)
class Desired:
    """What the spec of one model asks for: its resources in order, and the pure decisions of their stages."""

    model: str
    file: str
    lifecycle: str
    spec_digest: str
    resources: tuple[Resource, ...]
    target: Callable[[Resource, View], Target]
    conditions: Callable[[Resource], tuple[Condition, ...]]
    describe: Callable[[Resource], str]
    retires: datetime | None = None
    """From when on the spec itself retires the model, whatever its `lifecycle` says."""
    offer: Offer | None = None
    """What a promotion may take over from another environment."""

    def ended(self, now: datetime) -> bool:
        """Whether the spec wants the model retired at this moment."""
        return self.lifecycle == RETIRED or (self.retires is not None and now >= self.retires)


def diff(
    desired: Desired, recorded: ModelState | None, inputs: Mapping[str, Inputs], now: datetime
) -> ModelPlan:
    """The plan of one model. `inputs` holds what was seen of the sources, by local address."""
    view = view_of(desired, recorded, now)
    changes: list[Change] = []
    for resource in (*desired.resources, *left_over(desired.resources, view.records)):
        change = decide(resource, desired, view, inputs.get(resource.local, NO_INPUTS))
        changes.append(change)
        view = _after(resource, change, desired, view)
    return ModelPlan(
        model=desired.model,
        file=desired.file,
        lineage=recorded.lineage if recorded else "",
        serial=recorded.serial if recorded else 0,
        spec_digest=desired.spec_digest,
        inputs_digest=inputs_digest(changes, inputs),
        lifecycle=desired.lifecycle,
        changes=tuple(changes),
        notes=(*_notes(recorded, inputs), *promotion.differences(desired.resources, desired.offer, view)),
        content_digest=digest(adoption.content(desired.resources, changes)),
        promotes=promotion.promises(desired.offer) if desired.offer else None,
    )


def view_of(desired: Desired, recorded: ModelState | None, now: datetime, plan_digest: str = "") -> View:
    """What the decisions about one model may look at."""
    state = recorded or ModelState(model=desired.model, lineage="", serial=0)
    return View(
        model=desired.model,
        lifecycle=RETIRED if state.tombstone else desired.lifecycle,
        now=now,
        records=state.records,
        versions=state.versions,
        facts=state.facts,
        approvals=state.approvals,
        acknowledgements=state.acknowledgements,
        observations=state.observations,
        plan_digest=plan_digest,
    )


def decide(resource: Resource, desired: Desired, view: View, inputs: Inputs = NO_INPUTS) -> Change:
    """What happens to one resource, given everything decided or done before it."""
    record = view.records.get(resource.local)
    if view.lifecycle == RETIRED and not desired.ended(view.now):
        return _change(
            resource,
            record,
            Action.BLOCKED,
            Reason.RETIRED,
            "The name belongs to a retired model and is not used again.",
            blockers=(
                Blocker("retired", f"{view.model} is retired", "Give the new model another metadata.name."),
            ),
        )
    held = [need for need in resource.needs if need in view.held]
    if held:
        return _change(
            resource,
            record,
            Action.BLOCKED,
            Reason.NEED_BLOCKED,
            f"Waits for {', '.join(held)}.",
            blockers=(Blocker("need", f"{', '.join(held)} could not be brought up to date"),),
        )
    if resource.sort is Sort.BINDING:
        return _binding(resource, record, desired, view)
    if view.lifecycle == RETIRED:
        return _change(
            resource, record, Action.NONE, Reason.RETIRED, "The model is retired; this stays as it is."
        )
    return _artifact(resource, record, desired, view, inputs)


def inputs_digest(changes: list[Change], inputs: Mapping[str, Inputs]) -> str:
    """Digest of what was seen of the sources the plan relies on: those of resources that will be read."""
    acting = {change.address.split("/", 1)[1] for change in changes if change.action.acts}
    return digest({local: seen.seen for local, seen in inputs.items() if local in acting})


def open_causes(resource: Resource, facts: tuple[Fact, ...]) -> tuple[Fact, ...]:
    """The open facts that ask for what this resource is triggered by, or for this very resource to be made again; a
    `notify` fact asks for nothing."""
    return tuple(
        fact
        for fact in facts
        if fact.settled_at is None
        and fact.mode != "notify"
        and (
            fact.evidence.get("address") == resource.address
            if fact.do == REBUILD
            else fact.do in resource.triggers
        )
    )


def _artifact(
    resource: Resource, record: Record | None, desired: Desired, view: View, inputs: Inputs
) -> Change:
    causes = open_causes(resource, view.facts)
    offered = promotion.offered(resource, desired.offer, view)
    if (
        offered is not None
        and desired.offer is not None
        and (record is None or record.digest != offered.digest)
    ):
        return _change(
            resource, record, Action.ADOPT, Reason.PROMOTED, f"taken over from {desired.offer.name}",
            fields=field_changes(record, resource), causes=causes, after=offered.digest, effect=Effect.RELEASE,
        )  # fmt: skip
    if (adopted := adoption.adoption_of(resource, record, view)) is not None:
        return _change(
            resource, record, Action.ADOPT, Reason.ADOPTED, adopted.sentence, known=False, notes=adopted.notes
        )
    if record is None:
        # Of what a promotion brings, this is what cannot be taken over: what is to be a release becomes a training.
        refused = desired.offer is not None and resource.local in desired.offer.records
        return _change(
            resource,
            record,
            Action.CREATE,
            Reason.NEW,
            desired.describe(resource),
            known=False,
            effect=Effect.RETRAIN if refused else None,
        )
    if record.content != resource.content:
        fields = field_changes(record, resource)
        if fields:
            sentence, reason = f"{listed(fields)} changed.", Reason.CONFIG_CHANGED
        else:
            sentence, reason = "This version of Tenure makes it in another way.", Reason.STAGE_CHANGED
        # What its identity needs alone decides its output: the rest is said about the same one.
        same = _same_identity(resource, record, view)
        return _change(
            resource, record, Action.UPDATE if same else Action.REPLACE, reason, sentence, fields=fields,
            causes=causes, known=same, after=record.digest if same else None,
        )  # fmt: skip
    damages = tuple(fact for fact in causes if fact.do == REBUILD)
    if causes != damages and (inputs.changed is not False or not damages):
        return _caused(resource, record, causes, inputs)
    if "new_data" in resource.triggers and inputs.changed:
        return _change(
            resource,
            record,
            Action.REPLACE,
            Reason.DATA_CHANGED,
            " ".join(inputs.sentences),
            fields=field_changes(record, resource),
            causes=damages,
            known=False,
            effect=Effect.RETRAIN,
        )
    renewed = [need for need in resource.needs if need in view.renewing]
    current = {need: view.records[need].digest for need in resource.needs if need in view.records}
    moved = [need for need, now in current.items() if record.inputs.get(need) != now]
    missing = [need for need in resource.needs if need not in current and need not in renewed]
    if missing:
        return _change(
            resource,
            record,
            Action.BLOCKED,
            Reason.NEED_BLOCKED,
            f"Waits for {', '.join(missing)}.",
            blockers=(Blocker("need", f"{', '.join(missing)} is not recorded"),),
        )
    if renewed or moved or set(record.inputs) != set(resource.needs):
        other = [need for need in moved if need not in renewed]
        named = [*renewed, *other] or sorted(set(record.inputs) ^ set(resource.needs))
        stays = resource.identity is not None and not set(resource.identity) & {*named}
        return _change(
            resource,
            record,
            Action.UPDATE if stays else Action.REPLACE,
            Reason.INPUT_RENEWED if renewed else Reason.INPUT_CHANGED,
            _again(resource, desired, named, stays),
            fields=field_changes(record, resource),
            causes=damages,
            known=stays,
            after=record.digest if stays else None,
        )
    if (over := expired(record, view.now)) is not None:
        return _change(
            resource, record, Action.REPLACE, Reason.DATE_PASSED, over, causes=damages, known=False,
            effect=Effect.EVALUATE,
        )  # fmt: skip
    if damages:
        return _rebuilt(resource, record, damages, inputs)
    if record.metadata != resource.metadata:
        fields = field_changes(record, resource)
        return _change(
            resource, record, Action.UPDATE, Reason.METADATA_CHANGED, f"{listed(fields)} changed.",
            fields=fields, after=record.digest,
        )  # fmt: skip
    return _change(resource, record, Action.NONE, Reason.UNCHANGED, "Nothing changed.", after=record.digest)


def _same_identity(resource: Resource, record: Record, view: View) -> bool:
    """Whether a resource with an identity of its own is made from the very outputs that decide it."""
    return resource.identity is not None and all(
        need not in view.renewing
        and need in view.records
        and view.records[need].digest == record.inputs.get(need)
        for need in resource.identity
    )


def _caused(resource: Resource, record: Record, causes: tuple[Fact, ...], inputs: Inputs) -> Change:
    sentence = " ".join(fact.sentence for fact in causes)
    if inputs.changed is False:
        return _change(
            resource,
            record,
            Action.BLOCKED,
            Reason.CAUSE,
            sentence,
            causes=causes,
            intended=Action.REPLACE,
            blockers=(
                Blocker(
                    "pointless",
                    "retraining on identical data and spec would give the same model",
                    "Bring new data to the sources, or edit the spec.",
                ),
            ),
        )
    return _change(
        resource,
        record,
        Action.REPLACE,
        Reason.CAUSE,
        sentence,
        fields=field_changes(record, resource),
        causes=causes,
        known=False,
        effect=Effect.RETRAIN,
    )


def _rebuilt(resource: Resource, record: Record, damages: tuple[Fact, ...], inputs: Inputs) -> Change:
    """Made again from what it was made from. The same content stops there; what reads the world may find another."""
    sentence = _damage_sentence(damages)
    if inputs.seen and inputs.changed:
        sentence += (
            f" {' '.join(inputs.sentences)} It comes out differently, and what follows from it is made anew."
        )
    elif inputs.seen and inputs.changed is None:
        sentence += " Whether its sources still give the same is known once they are read."
    elif inputs.seen:
        sentence += " Its sources are as they were: where the same comes out, nothing that follows is made."
    # A resource with an identity of its own stays that one, whatever is written about it again.
    stays = resource.identity is not None
    return _change(
        resource,
        record,
        Action.UPDATE if stays else Action.REPLACE,
        Reason.DAMAGED,
        sentence,
        fields=field_changes(record, resource),
        causes=damages,
        known=stays,
        after=record.digest if stays else None,
        effect=Effect.RETRAIN if inputs.changed else None,
    )


def _binding(resource: Resource, record: Record | None, desired: Desired, view: View) -> Change:
    target = desired.target(resource, view)
    fields = field_changes(record, resource)
    renewing = bool(view.renewing & set(resource.needs)) or not target.known
    same = record is not None and target.value == record.value
    configured = record is not None and not fields and record.content == resource.content
    conditions = target.conditions
    if renewing:
        upstream = [
            item
            for item in desired.resources
            if item.local in view.renewing | view.revised or item.local in resource.needs
        ]
        conditions = (*(c for item in upstream for c in desired.conditions(item)), *conditions)
    causes = open_causes(resource, view.facts)
    damages = tuple(fact for fact in causes if fact.do == REBUILD)
    if same and configured and target.blockers:
        return _change(
            resource, record, Action.BLOCKED, target.reason, target.sentence, target=target, conditions=conditions,
            intended=target.action, after=target.value, causes=causes, effect=EFFECT_OF_REASON.get(target.reason),
        )  # fmt: skip
    if same and configured and not renewing and damages:
        return _change(
            resource, record, Action.UPDATE, Reason.DAMAGED, _damage_sentence(damages), target=target,
            after=target.value, causes=damages,
        )  # fmt: skip
    if same and configured and not renewing:
        return _change(
            resource,
            record,
            Action.NONE,
            Reason.UNCHANGED,
            "Nothing changed.",
            target=target,
            after=target.value,
        )
    if record is None:
        return _change(
            resource, record, Action.CREATE, Reason.NEW, target.sentence or desired.describe(resource), target=target,
            conditions=conditions, after=None if renewing else target.value, known=not renewing, causes=causes,
        )  # fmt: skip
    if same and not configured and not renewing:
        return _change(
            resource, record, Action.UPDATE,
            Reason.METADATA_CHANGED if record.content == resource.content else Reason.CONFIG_CHANGED,
            f"{listed(fields)} changed.", fields=fields, target=target, after=target.value,
        )  # fmt: skip
    return _change(
        resource, record, target.action, Reason.INPUT_RENEWED if renewing and same else target.reason,
        target.sentence or (f"{listed(fields)} changed." if fields else f"again: {desired.describe(resource)}"),
        fields=fields, target=target, conditions=conditions, after=None if renewing else target.value,
        known=not renewing, causes=causes, effect=None if renewing else EFFECT_OF_REASON.get(target.reason),
    )  # fmt: skip


def _change(
    resource: Resource,
    record: Record | None,
    action: Action,
    reason: Reason,
    sentence: str,
    *,
    target: Target | None = None,
    fields: tuple[FieldChange, ...] = (),
    causes: tuple[Fact, ...] = (),
    conditions: tuple[Condition, ...] = (),
    blockers: tuple[Blocker, ...] = (),
    intended: Action | None = None,
    after: Any = None,
    known: bool = True,
    effect: Effect | None = None,
    notes: tuple[str, ...] = (),
) -> Change:
    before = None if record is None else record.digest if record.sort is Sort.ARTIFACT else record.value
    return Change(
        address=resource.address,
        sort=resource.sort,
        action=action,
        reason=reason,
        sentence=sentence,
        intended=intended,
        effect=worst([*(item.effect for item in fields), *([effect] if effect else [])]),
        fields=fields,
        before=before,
        after=after,
        known=known,
        conditions=conditions,
        blockers=(*blockers, *(target.blockers if target else ())),
        causes=tuple(Cause(f.id, f.kind, f.do, f.mode, f.sentence, f.evidence) for f in causes),
        notes=target.notes if target else notes,
        seconds=record.seconds if record and action.acts and record.seconds else None,
    )


def _after(resource: Resource, change: Change, desired: Desired, view: View) -> View:
    """The view as it will be once the change is made: an output that is open, or the new value of a binding."""
    if not change.action.acts:
        return view
    if change.reason is Reason.PROMOTED and desired.offer is not None:
        return replace(view, records={**view.records, resource.local: desired.offer.records[resource.local]})
    if resource.sort is Sort.ARTIFACT:
        if change.reason is Reason.ADOPTED:
            view = replace(view, adopting=view.adopting | {resource.local})
        if change.action in (Action.CREATE, Action.REPLACE, Action.ADOPT):
            return replace(view, renewing=view.renewing | {resource.local})
        return replace(view, revised=view.revised | {resource.local})
    if not change.known:
        return replace(view, renewing=view.renewing | {resource.local})
    record = view.records.get(resource.local) or _planned(resource, view)
    records = {**view.records, resource.local: msgspec.structs.replace(record, value=change.after)}
    return replace(view, records=records)


def _planned(resource: Resource, view: View) -> Record:
    """A binding that does not exist yet, as the decisions after it see it."""
    return Record(
        address=resource.address, sort=resource.sort, fingerprint="", content=resource.content,
        metadata=resource.metadata, config=resource.config, effects=resource.effects, digest="", value={},
        artifacts={}, inputs={}, at=view.now, by="", apply_id="", serial=0,
    )  # fmt: skip


def _notes(recorded: ModelState | None, inputs: Mapping[str, Inputs]) -> Iterator[str]:
    for seen in inputs.values():
        yield from seen.sentences
        yield from (f"{name} cannot be found now." for name in seen.missing)
    for fact in recorded.facts if recorded else ():
        if fact.settled_at is None and fact.mode == "notify":
            yield fact.sentence


def _damage_sentence(damages: tuple[Fact, ...]) -> str:
    return f"{'; '.join(fact.sentence for fact in damages)}."


def _again(resource: Resource, desired: Desired, named: list[str], stays: bool) -> str:
    """What is done again because of other inputs; where the result stays the same one, which inputs those are."""
    return f"updated with the new {', '.join(named)}" if stays else f"again: {desired.describe(resource)}"
