"""Where a model stands in its life: active, deprecated or retired, by the spec, by dates and by criteria. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tenure.core.units import as_instant, format_instant, parse_duration, parse_instant
from tenure.plan.action import Action, Reason
from tenure.plan.view import Blocker, Target, View
from tenure.stages.base import protected, protection

if TYPE_CHECKING:
    from tenure.stages.retirement.section import Retirement

STATES = ("active", "deprecated", "retired")
POLICY = "retirement/policy"


def standing(policy: Retirement, view: View) -> Target:
    """The desired state of the model with the evidence for it.

    The furthest of three counts: what the spec says, what the dates say at `view.now`, and deprecation by a matched
    criterion when the policy allows it. A retirement is blocked while a consumer has not acknowledged it or the
    notice has not run out. A moment that apply decides (`deprecated_at`) is None until it is recorded. Where a
    criterion holds only for the model that this plan renews, the state is open until that is done.
    """
    recorded = view.value(POLICY) or {}
    if recorded.get("state") == "retired":
        return Target(value=recorded)
    matched = _matched(policy, view)
    wanted, reason, why = _wanted(policy, view, recorded.get("state", "active"), matched)
    # A model that this plan trains is old no more, unless it comes out as it was: that is known after apply.
    trained = replace(view, records={k: v for k, v in view.records.items() if k not in view.renewing})
    otherwise, *_ = _wanted(policy, view, recorded.get("state", "active"), _matched(policy, trained))
    if otherwise != wanted:
        why = f"{otherwise} once the model is trained again; {wanted} if it comes out as before. {why}"
    notes = tuple(_notes(policy, view, matched, wanted))
    blockers = _blockers(policy, view, recorded) if wanted == "retired" else ()
    state = (recorded.get("state", "active") if blockers else wanted) if recorded else wanted
    if not recorded and wanted == "retired":
        blockers, state = (
            (Blocker("never_active", f"{view.model} was never released, so there is nothing to retire"),),
            "active",
        )
    if blockers and state == "active" and view.versions and not protected(view.records):
        # Consumers must hear of it before they can acknowledge: a blocked retirement deprecates first. One that the
        # protection forbids is not announced.
        state = "deprecated"
    return Target(
        value=_value(policy, view, recorded, state),
        action=Action.RETIRE if wanted == "retired" else Action.UPDATE,
        reason=reason,
        sentence=why,
        blockers=blockers,
        notes=notes,
        holds_until=_next_turn(policy, view, recorded),
        known=otherwise == wanted,
    )


def _matched(policy: Retirement, view: View) -> list[str]:
    """What each criterion that holds says."""
    return [sentence for sentence in (criterion.matched(view) for criterion in policy.criteria) if sentence]


def _next_turn(policy: Retirement, view: View, recorded: dict[str, Any]) -> datetime | None:
    """The next moment at which a date, an age or the end of the notice may change what is wanted."""
    dates = [as_instant(day) for day in (policy.deprecation_date, policy.retirement_date) if day]
    turns = [moment for criterion in policy.criteria if (moment := criterion.turns(view))]
    notice = _notice_ends(policy, recorded)
    return min((moment for moment in (*dates, *turns, notice) if moment and moment > view.now), default=None)


def _notice_ends(policy: Retirement, recorded: dict[str, Any]) -> datetime | None:
    since = recorded.get("deprecated_at")
    if not since or not policy.minimum_notice:
        return None
    return parse_duration(policy.minimum_notice).after(parse_instant(since))


def _wanted(policy: Retirement, view: View, recorded: str, matched: list[str]) -> tuple[str, Reason, str]:
    wanted, why = view.lifecycle, f"state: {view.lifecycle} in the spec."
    reason = Reason.LIFECYCLE if wanted == recorded else Reason.CONFIG_CHANGED
    if policy.retirement_date and view.now >= as_instant(policy.retirement_date):
        return "retired", Reason.DATE_PASSED, f"retirement_date {policy.retirement_date} has come."
    if wanted == "active" and policy.deprecation_date and view.now >= as_instant(policy.deprecation_date):
        return "deprecated", Reason.DATE_PASSED, f"deprecation_date {policy.deprecation_date} has come."
    if wanted == "active" and matched and policy.on_match == "deprecate":
        return "deprecated", Reason.RULE, f"Criterion matched: {'; '.join(matched)}."
    return wanted, reason, why


def _notes(policy: Retirement, view: View, matched: list[str], wanted: str) -> list[str]:
    if not matched or wanted != "active" or policy.on_match != "propose":
        return []
    return [
        f"Proposed: deprecate {view.model} ({'; '.join(matched)}). To accept, set `state: deprecated` in the spec."
    ]


def _blockers(policy: Retirement, view: View, recorded: dict[str, Any]) -> tuple[Blocker, ...]:
    known = {item.consumer for item in view.acknowledgements}
    found = [protection(view.model)] if protected(view.records) else []
    found += [
        Blocker(
            "consumer",
            f"{consumer.name} has not acknowledged the retirement",
            f'tenure acknowledge {view.model} --consumer {consumer.name} --reason "..."',
        )
        for consumer in policy.consumers
        if consumer.acknowledge == "required" and consumer.name not in known
    ]
    if policy.minimum_notice:
        until = _notice_ends(policy, recorded)
        if until is None or view.now < until:
            text = f"consumers get {policy.minimum_notice} of notice" + (
                f", until {format_instant(until)}" if until else ""
            )
            found.append(
                Blocker("notice", text, f"tenure apply {view.model}   # once the notice has run out")
            )
    return tuple(found)


def _value(policy: Retirement, view: View, recorded: dict[str, Any], state: str) -> dict[str, Any]:
    since = recorded.get("deprecated_at") if state != "active" else None
    sunset = None
    if state != "active":
        if policy.retirement_date:
            sunset = format_instant(as_instant(policy.retirement_date))
        elif since and policy.minimum_notice:
            sunset = format_instant(parse_duration(policy.minimum_notice).after(parse_instant(since)))
    known = {item.consumer for item in view.acknowledgements}
    return {
        "state": state,
        "deprecated_at": since,
        "sunset": sunset,
        "retired_at": None,
        "successor": policy.successor.model if policy.successor else None,
        "consumers": [
            {
                "name": consumer.name,
                "required": consumer.acknowledge == "required",
                "acknowledged": consumer.name in known,
            }
            for consumer in policy.consumers
        ],
        "archive": None,
    }
