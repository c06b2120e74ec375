"""The `lifecycle` section: protection from destruction, and the earlier name of a model that was renamed.

Protection is a record of its own: it holds until `prevent_destroy: false` was applied, whatever else happens to the
section or to the file. That change counts from the next apply on, since everything is decided by what is recorded:
nobody lifts a protection and ends the model in one step.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import StringConstraints

from tenure.core.digest import digest
from tenure.core.effect import Effect
from tenure.graph.declare import Part, resource
from tenure.graph.resource import Resource, Sort
from tenure.plan.action import Action, Reason
from tenure.plan.view import Target, View
from tenure.spec.base import SpecModel, field
from tenure.stages.base import (
    PROTECTION,
    Identity,
    Output,
    StageContext,
    no_conditions,
    no_inputs,
    nothing_observed,
    nothing_to_verify,
)

NAME = "lifecycle"

observe_inputs = no_inputs
observe = nothing_observed
verify = nothing_to_verify
conditions = no_conditions


class Lifecycle(SpecModel):
    """What protects the model's record, and under which name it was known before."""

    prevent_destroy: bool | None = field(
        Effect.REAPPROVE,
        "With `true`, retiring or forgetting the model is blocked. Kept in the state: removing this line or the file "
        "lifts nothing; `false` does, from the next apply on.",
        None,
    )
    moved_from: Annotated[str, StringConstraints(min_length=1)] | None = field(
        Effect.METADATA,
        "The name the model had before. Its versions, history and approvals come along, and callers of the old name "
        "are told the new one. May be removed once it has been applied.",
        None,
        examples=["churn-2024"],
    )


Section = Lifecycle


def describe(item: Resource) -> str:
    """What setting this up does."""
    return "protect the model from being retired or forgotten"


def declare(identity: Identity, section: Lifecycle | None) -> Iterable[Resource]:
    """The protection, when the spec says anything about it."""
    if section is not None and section.prevent_destroy is not None:
        yield resource(
            identity.model, PROTECTION, Sort.BINDING, {"lifecycle": Part(section, ("prevent_destroy",))}
        )


def target(item: Resource, view: View) -> Target:
    """The protection the spec asks for; the recorded one without the section, and once the model is retired."""
    if item.undeclared:
        return Target(view.value(PROTECTION) or {})
    wanted = item.config["lifecycle"]["prevent_destroy"]
    standing = view.value("retirement/policy")
    if standing is not None and standing["state"] == "retired":
        return Target(view.value(PROTECTION) or {"prevent_destroy": wanted})
    sentence = describe(item) if wanted else "lift the protection: from the next apply on it may be retired"
    return Target({"prevent_destroy": wanted}, Action.UPDATE, Reason.CONFIG_CHANGED, sentence)


def realise(item: Resource, wanted: Target | None, context: StageContext) -> Output:
    """Record it: whoever would end the model reads the record."""
    assert wanted is not None
    return Output(digest(wanted.value), wanted.value)
