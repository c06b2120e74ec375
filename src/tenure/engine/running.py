"""Which parts of a plan may be applied without a person: those that the spec's own policies allow."""

from __future__ import annotations

from tenure.plan.action import Action, Reason
from tenure.plan.change import Change, ModelPlan

FOLLOWS = (
    Reason.INPUT_RENEWED,
    Reason.INPUT_CHANGED,
    Reason.NEW_VERSION,
    Reason.UNCHANGED,
    Reason.NEED_BLOCKED,
    Reason.LIFECYCLE,
    Reason.RETIRED,
)
"""Reasons that follow from another change or continue an apply; they need no permission of their own."""

ALLOWED = (Reason.ROLLOUT, Reason.DATE_PASSED, Reason.DATA_CHANGED, Reason.RULE)
"""Reasons that a spec allows by what it says: rollout steps, dates, `refresh: on_change`, `on_match: deprecate`."""


def unattended(plan: ModelPlan) -> bool:
    """Whether everything the plan of a model would do may be done without a person."""
    return bool(plan.acting) and all(_allowed(change) for change in plan.acting)


def proposals(plan: ModelPlan) -> tuple[str, ...]:
    """A sentence for each change that waits for a person."""
    waiting = [change for change in plan.acting if not _allowed(change)]
    waiting += [
        change for change in plan.changes if change.action is Action.BLOCKED and change.reason not in FOLLOWS
    ]
    return tuple(f"{change.address}: {_said(change)}" for change in waiting)


def _said(change: Change) -> str:
    """The change, or what stands in its way."""
    if change.action is not Action.BLOCKED:
        return change.sentence
    return " ".join(
        (change.sentence, "; ".join(f"Blocked: {blocker.text}." for blocker in change.blockers))
    ).strip()


def _allowed(change: Change) -> bool:
    if change.fields:  # an edit of the spec, whatever else is a reason for the same step
        return False
    if change.reason in FOLLOWS or change.reason in ALLOWED:
        return True
    return change.reason in (Reason.CAUSE, Reason.DAMAGED) and all(
        cause.mode == "auto" for cause in change.causes
    )
