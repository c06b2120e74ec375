"""Order of resources: what is needed comes first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from tenure.core.errors import TenureError
from tenure.graph.resource import Resource


def in_order(resources: Iterable[Resource]) -> tuple[Resource, ...]:
    """The resources of one model as declared, each after those it needs.

    A need that nobody declares (a section the spec leaves out) is dropped: the resource is made without it. Raises
    TenureError when resources need one another in a circle, which is a defect of the stages, not of a spec.
    """
    declared = {item.local: item for item in resources}
    ordered: dict[str, Resource] = {}

    def visit(item: Resource, trail: tuple[str, ...]) -> None:
        if item.local in ordered:
            return
        if item.local in trail:
            raise TenureError("Resources need one another in a circle.", " -> ".join((*trail, item.local)))
        needs = tuple(need for need in item.needs if need in declared)
        for need in needs:
            visit(declared[need], (*trail, item.local))
        ordered[item.local] = item if needs == item.needs else msgspec.structs.replace(item, needs=needs)

    for item in declared.values():
        visit(item, ())
    return tuple(ordered.values())


def dependents(resources: Sequence[Resource], local: str) -> frozenset[str]:
    """Every local address that is made, directly or not, from `local`."""
    found: set[str] = {local}
    for item in resources:
        if found.intersection(item.needs):
            found.add(item.local)
    return frozenset(found - {local})
