"""Models that leave the state: what `removed` in the project's configuration asks for, planned and carried out.

Removing a spec ends nothing: the model goes on as it is, and every plan names it as unmanaged. A `removed` entry says
in review that its records may go. They go only when nothing serves and nothing protects; a copy is kept in a file.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from tenure.core.digest import digest
from tenure.core.effect import Effect
from tenure.core.errors import Blocked, StalePlan, TenureError
from tenure.core.events import StepFinished, StepStarted
from tenure.engine.result import ModelResult, StepResult
from tenure.graph.resource import Sort
from tenure.plan.action import Action, Reason
from tenure.plan.change import Change, ModelPlan
from tenure.plan.view import Blocker
from tenure.stages.base import protected, protection

if TYPE_CHECKING:
    from tenure.engine.run import Run
    from tenure.spec.project import Removed
    from tenure.state.record import ModelState

RECORD = "lifecycle/record"
"""Where a plan shows that a model is forgotten."""

REMOVED = "removed"
"""What such a plan says about where the model is in its life."""

PLACE = "conf/config.yaml"


def pending(removed: Iterable[str], recorded: Mapping[str, bool]) -> list[str]:
    """Which models are still recorded and asked to be removed. `recorded` says of each whether it has ended: one that
    was retired keeps its records, which are the evidence of its life."""
    return [model for model in removed if recorded.get(model) is False]


def removal(state: ModelState, reason: str) -> ModelPlan:
    """The plan to forget a model."""
    blockers = tuple(_blockers(state))
    count = len(state.records)
    change = Change(
        address=f"{state.model}/{RECORD}",
        sort=Sort.BINDING,
        action=Action.BLOCKED if blockers else Action.FORGET,
        intended=Action.FORGET if blockers else None,
        reason=Reason.REMOVED,
        sentence=f"its {count} records leave the state, and a copy is kept: {reason}",
        effect=Effect.RETIRE,
        before={"serial": state.serial, "records": count},
        blockers=blockers,
    )
    return ModelPlan(
        model=state.model,
        file=PLACE,
        lineage=state.lineage,
        serial=state.serial,
        spec_digest=spec_digest(state.model, reason),
        inputs_digest=digest({}),
        lifecycle=REMOVED,
        changes=(change,),
    )


def spec_digest(model: str, reason: str) -> str:
    """What such a plan was made for: the entry as it was written."""
    return digest([REMOVED, model, reason])


def removals(
    entries: Sequence[Removed],
    states: Mapping[str, ModelState],
    select: Sequence[str],
    exclude: Sequence[str],
) -> tuple[ModelPlan, ...]:
    """The plans of the models to forget, where they are selected by name or everything is."""
    return tuple(
        removal(states[entry.model], entry.reason)
        for entry in entries
        if entry.model in states and entry.model not in exclude and (not select or entry.model in select)
    )


def refuse_specs_of(entries: Sequence[Removed], models: Iterable[str]) -> None:
    """Raises TenureError when a model has both a spec and an entry that removes it: they contradict one another."""
    both = sorted({entry.model for entry in entries} & set(models))
    if both:
        raise TenureError(
            "A removed model has a spec.",
            f"{PLACE} removes {', '.join(both)}, and there is a spec of that name.",
            f"Take the entry out of removed in {PLACE}, or remove the spec.",
        )


def refuse_moves_of(leaving: Iterable[ModelPlan], plans: Iterable[ModelPlan]) -> None:
    """Raises TenureError when records that are to leave the state are to get another name as well."""
    gone = {plan.model for plan in leaving}
    for plan in plans:
        if plan.moved_from in gone:
            raise TenureError(
                "A removed model is moved.",
                f"{PLACE} removes {plan.moved_from}, and {plan.file} moves what is recorded about it to {plan.model}.",
                f"Take the entry out of removed in {PLACE}, or the line moved_from out of {plan.file}.",
            )


def forget(run: Run, plan: ModelPlan) -> ModelResult:
    """Carry out such a plan under the model's lease. Raises StalePlan and Blocked before any effect."""
    (change,) = plan.changes
    started = time.monotonic()
    with run.store.lease(plan.model, run.holder) as lease:
        state = run.store.read(plan.model)
        if state is None or (state.lineage, state.serial) != (plan.lineage, plan.serial) or state.tombstone:
            raise StalePlan(
                "The plan is stale.",
                f"Since the plan of {plan.model} was made, its state moved. Nothing was done.",
                "Look at a new plan: tenure plan",
            )
        blockers = list(_blockers(state))
        if blockers:
            raise Blocked("The model may not be forgotten.", f"{blockers[0].text}.", blockers[0].hint)
        run.emit(StepStarted(change.address, change.action.value, change.sentence))
        run.store.close_interrupted(lease, run.now)
        name, content = run.keep_copy(plan.model)
        run.store.forget(
            lease, serial=state.serial, at=run.now, by=run.actor, reason=change.sentence, archive=content
        )
    seconds = round(time.monotonic() - started, 3)
    sentence = f"forgotten; a copy of its records is in {name}"
    run.emit(StepFinished(change.address, change.action.value, seconds, sentence))
    step = StepResult(change.address, change.action.value, "done", sentence, seconds)
    return ModelResult(model=plan.model, serial=0, steps=(step,))


def _blockers(state: ModelState) -> Iterable[Blocker]:
    if protected(state.records):
        yield protection(state.model)
    endpoint = state.records.get("deployment/endpoint")
    routes = endpoint.value["routes"] if endpoint else []
    if routes:
        served = ", ".join(f"version {route['version']} takes {route['share']} %" for route in routes)
        yield Blocker(
            "live",
            f"{state.model} serves: {served}",
            "End it first: bring its spec back with `state: retired`, and apply it.",
        )
