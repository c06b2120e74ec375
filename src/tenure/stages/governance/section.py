"""The `governance` section: the registered version with its card and lineage, and who may promote it."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any

from tenure.core.effect import Effect
from tenure.graph.declare import Part, resource
from tenure.graph.resource import Resource, Sort
from tenure.plan.action import Action, Reason
from tenure.plan.view import Condition, Target, View
from tenure.spec.base import SpecModel, default, field
from tenure.stages.base import Identity, Output, StageContext, no_inputs, nothing_observed, nothing_to_verify
from tenure.stages.governance import approval, version
from tenure.stages.governance.approval import APPROVAL

NAME = "governance"
VERSION = "governance/version"

observe_inputs = no_inputs
observe = nothing_observed
verify = nothing_to_verify


class RiskTier(enum.StrEnum):
    """How much harm a wrong prediction can do."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class ApprovalRule(SpecModel):
    """A role that has to approve a version before it may serve."""

    role: str = field(
        Effect.REAPPROVE, "The role that approves, as given to `tenure approve --role`.", min_length=1
    )
    min: int = field(
        Effect.REAPPROVE, "How many different people of this role have to approve.", 1, ge=1, le=10
    )


class Governance(SpecModel):
    """Who answers for the model, what it is for, and who has to agree before a version goes live."""

    risk_tier: RiskTier = field(Effect.REAPPROVE, "How much harm a wrong prediction can do.", RiskTier.LOW)
    approvals: tuple[ApprovalRule, ...] = field(
        Effect.REAPPROVE, "Approvals a version needs before it may serve. None by default.", ()
    )
    intended_use: str | None = field(
        Effect.METADATA, "What the model is for. Goes into the model card.", None
    )
    out_of_scope: str | None = field(
        Effect.METADATA, "What the model must not be used for. Goes into the card.", None
    )
    limitations: str | None = field(Effect.METADATA, "Known weaknesses. Goes into the card.", None)
    ethical_considerations: str | None = field(
        Effect.METADATA, "Who may be harmed, and what is done about it. Goes into the card.", None
    )
    license: str | None = field(
        Effect.METADATA,
        "Licence of the model as an SPDX identifier. Goes into the card.",
        None,
        examples=["Apache-2.0"],
    )


RULES = ("risk_tier", "approvals")
TEXTS = ("intended_use", "out_of_scope", "limitations", "ethical_considerations", "license")

PURPOSE = ("objective", "kpi", "running_cost_per_month")
"""What the card says of the section `business`; what its values amount to is in the report."""


def declare(identity: Identity, section: Governance | None) -> Iterable[Resource]:
    """The version with the texts of its card, and the approval with its rules."""
    block = section or default(Governance)
    yield resource(
        identity.model,
        VERSION,
        Sort.ARTIFACT,
        {
            "metadata": identity.metadata,
            "business": Part(identity.business, PURPOSE) if identity.business else None,
            "governance": Part(block, TEXTS),
        },
        needs=("data/snapshot", "features/recipe", "training/search", "training/model", "evaluation/report"),
        identity=("training/model",),
    )
    yield resource(
        identity.model, APPROVAL, Sort.BINDING, {"governance": Part(block, RULES)}, needs=(VERSION,)
    )


def describe(item: Resource) -> str:
    """What is kept of a version, or who has to agree."""
    if item.local == VERSION:
        return "register the version with its lineage and model card"
    roles = ", ".join(rule["role"] for rule in item.config["governance"]["approvals"])
    return f"needs the approval of: {roles}" if roles else "no approval is needed"


def conditions(item: Resource) -> tuple[Condition, ...]:
    """The approvals a promotion waits for."""
    if item.local != APPROVAL:
        return ()
    return tuple(
        Condition(
            "approval",
            f"approved by {rule['role']}" + (f" ({rule['min']} people)" if rule["min"] > 1 else ""),
            rule["role"],
        )
        for rule in item.config["governance"]["approvals"]
    )


def target(item: Resource, view: View) -> Target:
    """The approval as it stands for the newest version; see `approval.standing`."""
    registered = view.records.get(VERSION)
    recorded = view.value(APPROVAL)
    if view.lifecycle == "retired" or (registered is None and recorded is not None):
        return Target(value=recorded or {})
    # A candidate that failed its gates is judged again: if it passes now, it needs approval like a new one.
    judged = VERSION in view.revised and registered is not None and _gated(registered.value, recorded)
    if registered is None or VERSION in view.renewing or judged:
        return Target(
            value=recorded or {},
            action=Action.UPDATE,
            reason=Reason.NEW_VERSION,
            sentence=describe(item),
            known=not judged,
        )
    return approval.standing(item.config["governance"], registered, recorded, view)


def realise(item: Resource, wanted: Target | None, context: StageContext) -> Output:
    """Register the version, or record how its approval stands."""
    if item.local == VERSION:
        return version.register(item, context)
    assert wanted is not None
    return Output(digest=approval.digest_of(wanted.value), value=wanted.value)


def _gated(registered: dict[str, Any], recorded: dict[str, Any] | None) -> bool:
    """Whether a version failed its gates and was never up for approval."""
    if registered["passed"]:
        return False
    return recorded is None or recorded["number"] != registered["number"] or recorded.get("state") == "gated"
