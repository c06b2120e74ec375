"""From a validated document to what the engine works with: its resources in order, as plain data."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from tenure.core.address import Address
from tenure.core.units import as_instant
from tenure.graph.order import in_order
from tenure.graph.resource import Resource
from tenure.plan.diff import Desired
from tenure.plan.view import Condition, Target, View
from tenure.stages.base import Identity, Stage

if TYPE_CHECKING:
    from tenure.lifecycle import Model


class Compiled(msgspec.Struct, frozen=True):
    """One spec, compiled. `digest` covers the canonical document: reformatting the file changes nothing."""

    model: str
    file: str
    owner: str | None
    labels: dict[str, str]
    lifecycle: str
    digest: str
    resources: tuple[Resource, ...]
    retires: datetime | None = None
    moved_from: str | None = None


def compile_model(document: Model, file: str) -> Compiled:
    """Ask every stage what it wants for this document."""
    from tenure.graph.declare import document_digest
    from tenure.lifecycle import STAGES, section_of

    spec_digest = document_digest(document)
    metadata = document.metadata
    business = document.business
    identity = Identity(
        metadata.name,
        document.state.value,
        metadata,
        spec_digest,
        business,
        business.value if business else None,
    )
    ending = document.retirement.retirement_date if document.retirement else None
    declared = [item for stage in STAGES for item in stage.declare(identity, section_of(document, stage))]
    return Compiled(
        model=metadata.name,
        file=file,
        owner=metadata.owner,
        labels=dict(metadata.labels),
        lifecycle=document.state.value,
        digest=spec_digest,
        resources=in_order(declared),
        retires=as_instant(ending) if ending else None,
        moved_from=document.lifecycle.moved_from if document.lifecycle else None,
    )


def desired_of(compiled: Compiled) -> Desired:
    """What the spec asks for, with the pure decisions of the stages."""
    return Desired(
        model=compiled.model,
        file=compiled.file,
        lifecycle=compiled.lifecycle,
        spec_digest=compiled.digest,
        resources=compiled.resources,
        target=_target,
        conditions=_conditions,
        describe=_describe,
        retires=compiled.retires,
    )


def stage_of(item: Resource) -> Stage:
    """The stage that owns a resource."""
    return _stages()[Address(item.address).stage]


@cache
def _stages() -> dict[str, Stage]:
    """The stages by name. They take half a second to load, which a plan with nothing to do can do without."""
    from tenure.lifecycle import STAGES

    return {stage.NAME: stage for stage in STAGES}


def _target(item: Resource, view: View) -> Target:
    return stage_of(item).target(item, view)


def _describe(item: Resource) -> str:
    return stage_of(item).describe(item)


def _conditions(item: Resource) -> tuple[Condition, ...]:
    return stage_of(item).conditions(item)
