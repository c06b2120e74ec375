"""The `retirement` section: when and how the model ends, who has to know, and what stays."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, TypeAdapter, model_validator

from tenure.core.effect import Effect
from tenure.graph.declare import resource
from tenure.graph.resource import Resource, Sort
from tenure.plan.view import Target, View
from tenure.spec.base import DurationText, SpecModel, default, field
from tenure.stages.base import (
    Identity,
    Output,
    StageContext,
    no_conditions,
    no_inputs,
    nothing_observed,
    nothing_to_verify,
)
from tenure.stages.retirement import archive, lifecycle
from tenure.stages.retirement.age import AgeCriterion
from tenure.stages.retirement.date import DateCriterion
from tenure.stages.retirement.performance import PerformanceCriterion

NAME = "retirement"
POLICY = "retirement/policy"

observe_inputs = no_inputs
observe = nothing_observed
verify = nothing_to_verify
conditions = no_conditions

Criterion = Annotated[AgeCriterion | PerformanceCriterion | DateCriterion, Field(discriminator="type")]
"""Every kind of criterion: adding one is a new file and its name in this line."""


class OnMatch(enum.StrEnum):
    """What a matched criterion leads to."""

    PROPOSE = "propose"
    DEPRECATE = "deprecate"


class Acknowledge(enum.StrEnum):
    """Whether a consumer has to confirm that it knows."""

    REQUIRED = "required"
    OPTIONAL = "optional"


class Consumer(SpecModel):
    """Somebody who calls the model."""

    name: str = field(
        Effect.RETIRE, "Name of the consumer, as given to `tenure acknowledge --consumer`.", min_length=1
    )
    owner: str | None = field(Effect.METADATA, "Who answers for the consumer.", None)
    acknowledge: Acknowledge = field(
        Effect.RETIRE,
        "Whether retirement waits until this consumer has confirmed that it knows.",
        Acknowledge.REQUIRED,
    )


class Successor(SpecModel):
    """The model that takes over."""

    model: str = field(
        Effect.RETIRE, "Name of the model to call instead. Named in headers and in the 410 answer."
    )


class Retirement(SpecModel):
    """When the model ends and how. Nothing here ever deletes a model."""

    criteria: tuple[Criterion, ...] = field(
        Effect.OPERATE, "Any of these makes the plan propose the end of the model.", ()
    )
    on_match: OnMatch = field(
        Effect.OPERATE,
        "What a matched criterion leads to: a proposal in the plan, or deprecation by the next apply.",
        OnMatch.PROPOSE,
    )
    deprecation_date: datetime.date | None = field(
        Effect.RETIRE,
        "From this day (UTC) on the model is deprecated: it answers with deprecation headers.",
        None,
    )
    retirement_date: datetime.date | None = field(
        Effect.RETIRE, "From this day (UTC) on the model is retired: it answers 410.", None
    )
    minimum_notice: DurationText | None = field(
        Effect.RETIRE, "The shortest time between deprecation and retirement.", None, examples=["90d"]
    )
    successor: Successor | None = field(Effect.RETIRE, "The model that takes over.", None)
    consumers: tuple[Consumer, ...] = field(Effect.RETIRE, "Who calls the model and has to be told.", ())

    @model_validator(mode="after")
    def _dates(self) -> Retirement:
        if self.deprecation_date and self.retirement_date and self.retirement_date <= self.deprecation_date:
            raise ValueError("retirement_date has to be after deprecation_date")
        names = [consumer.name for consumer in self.consumers]
        if len(set(names)) < len(names):
            raise ValueError("two consumers have the same name")
        return self


_BLOCK: TypeAdapter[Retirement] = TypeAdapter(Retirement)


def describe(resource: Resource) -> str:
    """What setting this up does."""
    return "keep track of where the model is in its life"


def declare(identity: Identity, section: Retirement | None) -> Iterable[Resource]:
    """The policy; without a section its defaults, so that `state: retired` always works."""
    yield resource(
        identity.model,
        POLICY,
        Sort.BINDING,
        {"retirement": section or default(Retirement)},
    )


def target(item: Resource, view: View) -> Target:
    """Where the model stands in its life; see `lifecycle.standing`."""
    return lifecycle.standing(_BLOCK.validate_python(item.config["retirement"]), view)


def realise(item: Resource, wanted: Target | None, context: StageContext) -> Output:
    """Record where the model stands; archive a retired one."""
    assert wanted is not None
    return archive.carry_out(item, wanted.value, context)
