"""From a validated document to what the engine works with: its resources in order, as plain data."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tenure.core.address import Address
from tenure.core.digest import digest
from tenure.core.units import as_instant
from tenure.graph.order import in_order
from tenure.graph.resource import Resource
from tenure.lifecycle import STAGES, Model, section_of
from tenure.plan.diff import Desired
from tenure.plan.view import Condition, Target, View
from tenure.spec.base import config_of
from tenure.stages.base import Identity, Stage

_BY_NAME = {stage.NAME: stage for stage in STAGES}


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


def compile_model(document: Model, file: str) -> Compiled:
    """Ask every stage what it wants for this document."""
    spec_digest = digest(config_of(document))
    metadata = document.metadata
    identity = Identity(metadata.name, document.state.value, metadata, spec_digest)
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
        retires=compiled.retires,
    )


def stage_of(item: Resource) -> Stage:
    """The stage that owns a resource."""
    return _BY_NAME[Address(item.address).stage]


def _target(item: Resource, view: View) -> Target:
    return stage_of(item).target(item, view)


def _conditions(item: Resource) -> tuple[Condition, ...]:
    return stage_of(item).conditions(item)
