"""How the approval of a version stands. Pure."""

from __future__ import annotations

from typing import Any

from tenure.core.digest import digest
from tenure.plan.action import Action, Reason
from tenure.plan.view import Blocker, Target, View
from tenure.state.record import Approval, Record

APPROVAL = "governance/approval"


def subject_of(version_digest: str, rules: dict[str, Any]) -> str:
    """What a decision is bound to: the version under these rules. Changed rules re-open it."""
    return digest([version_digest, rules["risk_tier"], rules["approvals"]])


def digest_of(value: dict[str, Any]) -> str:
    """The digest of a standing: another decision is another approval."""
    return digest(value)


def standing(rules: dict[str, Any], version: Record, recorded: dict[str, Any] | None, view: View) -> Target:
    """Who has approved this version under these rules, and who is missing.

    Decisions count when they are about the version, or about the plan that is being applied; those of a plan are kept
    in the value, since a later plan has another digest. The latest decision of a person in a role counts.
    """
    number = version.value["number"]
    if not version.value["passed"]:
        value = recorded or {"number": number, "state": "gated", "subject": "", "granted": {}, "missing": []}
        return Target(value=value, notes=(f"Version {number} did not pass its gates and needs no approval.",))
    subject = subject_of(version.digest, rules)
    granted: dict[str, list[str]] = {}
    rejected: list[str] = []
    counted = None
    if recorded and recorded.get("subject") == subject:
        granted = {role: list(people) for role, people in recorded["granted"].items()}
        rejected = list(recorded.get("rejected", ()))
        counted = view.records[APPROVAL].at if APPROVAL in view.records else None
    for decision in sorted(view.approvals, key=lambda item: item.at):
        if decision.subject not in (subject, view.plan_digest):
            continue
        if counted and decision.at < counted and decision.subject == subject:
            continue  # it is in what was recorded, perhaps overruled by a decision about an earlier plan
        people = granted.setdefault(decision.role, [])
        if decision.decision == "reject":
            if decision.by in people:
                people.remove(decision.by)
            rejected = _without(rejected, decision)
            rejected.append(f"{decision.role} ({decision.by}): {decision.reason}")
        else:
            rejected = _without(rejected, decision)
            if decision.by not in people:
                people.append(decision.by)
    missing = [
        rule["role"] for rule in rules["approvals"] if len(granted.get(rule["role"], [])) < rule["min"]
    ]
    state = "rejected" if rejected else "waiting" if missing else "granted"
    value = {
        "number": number,
        "subject": subject,
        "state": state,
        "granted": {role: people for role, people in granted.items() if people},
        "missing": missing,
        "rejected": rejected,
    }
    blockers = tuple(
        Blocker(
            "approval",
            f"version {number} is not approved by {role}",
            f'tenure approve {view.model}@{number} --role {role} --reason "..."',
            role,
        )
        for role in missing
    ) + tuple(Blocker("rejected", f"version {number} was rejected by {line}") for line in rejected)
    return Target(
        value=value,
        action=Action.UPDATE,
        reason=Reason.NEW_VERSION if not recorded or recorded.get("number") != number else Reason.RULE,
        sentence=f"Approval of version {number} is {state}." if rules["approvals"] else "",
        blockers=blockers,
    )


def _without(rejected: list[str], decision: Approval) -> list[str]:
    """The rejections of everybody but the person who decides anew."""
    return [line for line in rejected if not line.startswith(f"{decision.role} ({decision.by}): ")]
