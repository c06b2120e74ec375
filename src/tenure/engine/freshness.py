"""Whether a plan still fits: what it relies on has not moved, and it shows what would be done now."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from tenure.core.errors import StalePlan
from tenure.graph.order import dependents
from tenure.graph.resource import Sort
from tenure.plan.action import Action
from tenure.plan.change import ModelPlan
from tenure.plan.diff import Desired, diff, inputs_digest
from tenure.plan.view import Inputs
from tenure.state.record import ModelState


def check_fresh(
    plan: ModelPlan,
    state: ModelState | None,
    desired: Desired,
    inputs: Mapping[str, Inputs],
    now: datetime,
) -> None:
    """Refuse a plan before any effect when what it relies on has moved, or when it does not show what would be done.

    A source that cannot be found any more is left to the stage that reads it: it knows where the spec names it. Raises
    StalePlan.
    """
    lineage, serial = (state.lineage, state.serial) if state else ("", 0)
    moved = []
    if plan.lineage and plan.lineage != lineage:
        moved.append("the state is another one")
    elif plan.serial != serial:
        moved.append(f"the state moved from serial {plan.serial} to {serial}")
    if plan.spec_digest != desired.spec_digest:
        moved.append("the spec was edited")
    absent = any(seen.missing for seen in inputs.values())
    if not absent and plan.inputs_digest != inputs_digest(list(plan.changes), inputs):
        moved.append("the data sources changed")
    if not moved and not absent:
        moved += _unannounced(plan, diff(desired, state, inputs, now), desired)[:3]
    if moved:
        raise StalePlan(
            "The plan is stale.",
            f"Since the plan of {plan.model} was made, {' and '.join(moved)}. Nothing was done.",
            f"Look at a new plan: tenure plan {plan.model}",
        )


def _unannounced(plan: ModelPlan, now: ModelPlan, desired: Desired) -> list[str]:
    """What would be done now and is not what the plan shows: a date has passed, a cause came or went, or the file was
    edited. What waits behind a blocked step of the plan may be taken as soon as it is free."""
    announced = {change.address: change for change in plan.changes}
    behind = behind_blocked(plan, desired)
    found = []
    for change in now.changes:
        shown = announced.pop(change.address, None)
        if change.address in behind:
            if change.action is Action.RETIRE and (shown is None or shown.intended is not Action.RETIRE):
                found.append(f"{change.address} would be retired now")
        elif shown is None or shown.action is not change.action:
            was = shown.action.value if shown else "nothing"
            found.append(f"{change.address} is now to {change.action.value} instead of {was}")
        elif {cause.id for cause in shown.causes} != {cause.id for cause in change.causes}:
            found.append(f"the causes for {change.address} are other ones")
    return [*found, *(f"{address} is no part of the model" for address in announced)]


def behind_blocked(plan: ModelPlan, desired: Desired) -> frozenset[str]:
    """The bindings that the plan shows as blocked, and those that follow from them: a person or a date frees them."""
    blocked = {change.address for change in plan.blocked if change.sort is Sort.BINDING}
    freed = {
        local
        for item in desired.resources
        if item.address in blocked
        for local in (item.local, *dependents(desired.resources, item.local))
    }
    return frozenset(
        item.address for item in desired.resources if item.sort is Sort.BINDING and item.local in freed
    )
