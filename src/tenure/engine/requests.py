"""What people decide outside a spec: approvals, acknowledgements, rollbacks, retrainings. Each is recorded."""

from __future__ import annotations

import re
import uuid
from datetime import datetime
from pathlib import Path
from typing import Literal

from tenure.core.diagnostics import closest
from tenure.core.digest import PREFIX
from tenure.core.errors import PlanError, TenureError
from tenure.plan.change import Plan, from_json
from tenure.state.record import Acknowledgement, Approval, Fact, ModelState
from tenure.state.store import StateReader

LARGEST_PLAN = 1 << 30
"""Bytes. The plan of 10,000 models takes a twentieth of it; what is larger would only fill the memory."""

_VERSION = re.compile(r"(?P<model>[a-z0-9-]+)@v?(?P<number>\d+)")


def known(reader: StateReader, model: str) -> ModelState:
    """The state of a model. Raises TenureError when nothing is recorded about it."""
    state = reader.read(model)
    if state is None:
        near = closest(model, list(reader.read_many()))
        raise TenureError(
            "Unknown model.",
            f"Nothing is recorded about {model!r} in this environment.",
            f"Did you mean {near!r}?" if near else f"Create it with: tenure apply {model}",
        )
    return state


def approvals(
    reader: StateReader,
    subject: str,
    *,
    role: str,
    reason: str,
    decision: Literal["approve", "reject"],
    by: str,
    at: datetime,
) -> tuple[Approval, ...]:
    """The decisions to record for a saved plan (one per model that changes) or for a version (`weather@2`)."""
    if match := _VERSION.fullmatch(subject):
        state = known(reader, match["model"])
        bound = version_subject(state, int(match["number"]))
        rules = state.records["governance/approval"].config["governance"]["approvals"]
        if decision == "approve":
            _asked(role, {rule["role"] for rule in rules}, f"version {match['number']} of {state.model}")
        return (Approval(state.model, bound, role, decision, reason, by, at),)
    path = Path(subject)
    if not path.is_file():
        raise PlanError(
            "Nothing to approve.",
            f"{subject!r} is neither a plan file nor a version such as weather@2.",
            "Save a plan with: tenure plan --out plan.json",
        )
    plan = saved_plan(path)
    changed = [model for model in plan.models if model.changed]
    if not changed:
        raise PlanError("Nothing to approve.", f"The plan in {subject} changes nothing.")
    if decision == "approve":
        changes = [change for model in changed for change in model.changes]
        roles = {item.subject for change in changes for item in change.conditions if item.kind == "approval"}
        roles |= {item.subject for change in changes for item in change.blockers if item.kind == "approval"}
        _asked(role, roles, f"the plan in {subject}")
    return tuple(Approval(model.model, model.digest, role, decision, reason, by, at) for model in changed)


def saved_plan(path: Path) -> Plan:
    """The plan in a file. Raises PlanError when it cannot be read, is none, or was edited."""
    try:
        # A pipe would be waited for without an end, and a device has none.
        if path.exists() and not path.is_file():
            raise PlanError(
                "Not a plan file.", f"{path} is no regular file.", "Name a file that holds a plan."
            )
        if path.stat().st_size > LARGEST_PLAN:
            raise PlanError(
                "Not a plan file.", f"{path} is larger than any plan.", "Name a file that holds a plan."
            )
        return from_json(path.read_bytes())
    except OSError as error:
        raise PlanError(
            "The plan cannot be read.",
            f"{path}: {error.strerror}.",
            "Write one with: tenure plan --out plan.json",
        ) from error


def _asked(role: str, roles: set[str], what: str) -> None:
    """Refuse an approval in a role that nobody asks for: it would change nothing. A rejection always counts."""
    if role in roles:
        return
    near = closest(role, sorted(roles))
    raise TenureError(
        "Nobody asks for this role.",
        f"{what} needs the approval of: {', '.join(sorted(roles)) or 'nobody'}; {role!r} is none of them.",
        f"Did you mean {near!r}?" if near else "Add the role under governance.approvals if it should decide.",
    )


def version_subject(state: ModelState, number: int) -> str:
    """What an approval of a version is bound to: the version under the approval rules of the moment."""
    if number not in state.versions:
        have = ", ".join(str(known) for known in sorted(state.versions)) or "none"
        raise TenureError("Unknown version.", f"{state.model} has no version {number}; it has: {have}.")
    standing = state.records.get("governance/approval")
    value = standing.value if standing else {}
    if value.get("number") != number or not str(value.get("subject", "")).startswith(PREFIX):
        raise TenureError(
            "The version awaits no approval.",
            f"Version {number} of {state.model} is not the one that waits for a release, or it did not pass its gates.",
            f"See where it stands: tenure show {state.model}",
        )
    return str(value["subject"])


def acknowledgement(
    state: ModelState, *, consumer: str, reason: str, by: str, at: datetime
) -> Acknowledgement:
    """A consumer's confirmation. Raises TenureError for a consumer the model does not have."""
    policy = state.records.get("retirement/policy")
    names = [item["name"] for item in policy.value.get("consumers", [])] if policy else []
    if consumer not in names:
        near = closest(consumer, names)
        raise TenureError(
            "Unknown consumer.",
            f"{state.model} has these consumers: {', '.join(names) or 'none'}.",
            f"Did you mean {near!r}?" if near else "Add it under retirement.consumers and apply.",
        )
    return Acknowledgement(state.model, consumer, by, reason, at)


def retraining(state: ModelState, *, reason: str, by: str, at: datetime) -> Fact:
    """A person's request for a retraining, as a cause."""
    return Fact(
        id=_identifier(), model=state.model, kind="request", key=f"retrain:{by}:{reason}", do="retrain", mode="propose",
        sentence=f"{by} asked for a retraining: {reason}", evidence={"reason": reason}, at=at, by=by,
    )  # fmt: skip


def serving(state: ModelState, *, to: int | None, reason: str, by: str, at: datetime) -> Fact:
    """A request to serve an earlier (or later) version, as a cause. `to` defaults to the version served before."""
    endpoint = state.records.get("deployment/endpoint")
    if endpoint is None:
        raise TenureError(
            "Nothing is deployed.",
            f"{state.model} has no endpoint yet.",
            f"Release it: tenure apply {state.model}",
        )
    live = max((route["version"] for route in endpoint.value["routes"]), default=0)
    released = [
        number for number in endpoint.value.get("released", []) if number < live and number in state.versions
    ]
    number = to if to is not None else max(released, default=0)
    if number not in state.versions:
        raise TenureError(
            "No version to go back to.",
            f"{state.model} has {'no earlier released version' if to is None else f'no version {to}'}; "
            f"recorded versions: {', '.join(map(str, sorted(state.versions))) or 'none'}.",
            f"See them with: tenure history {state.model}",
        )
    hold = endpoint.value.get("hold")
    newest = max(state.versions)
    kept = number == newest or (hold is not None and hold["version"] == number and hold["above"] >= newest)
    if kept and endpoint.value["routes"] == [{"version": number, "share": 100}]:
        raise TenureError(
            "That version serves already.",
            f"Version {number} of {state.model} takes all of the traffic.",
            f"See the others with: tenure history {state.model}",
        )
    return Fact(
        id=_identifier(), model=state.model, kind="request", key=f"serve:{number}:{at.isoformat()}", do="serve",
        mode="propose", sentence=f"{by} asked for version {number}: {reason}",
        evidence={"version": number, "above": max(state.versions), "reason": reason}, at=at, by=by,
    )  # fmt: skip


def serving_version(state: ModelState) -> int:
    """The number of the version with the largest share of the traffic, else of the latest one; 0 without versions."""
    endpoint = state.records.get("deployment/endpoint")
    routes = endpoint.value.get("routes", []) if endpoint else []
    live = max(routes, key=lambda route: route["share"], default=None)
    return int(live["version"]) if live else max(state.versions, default=0)


def _identifier() -> str:
    return uuid.uuid4().hex[:12]
