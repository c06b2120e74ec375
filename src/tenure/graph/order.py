"""Order of resources: what is needed comes first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

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
    for local in declared:
        _place(local, (), declared, ordered)
    return tuple(ordered.values())


def _place(
    local: str, trail: tuple[str, ...], declared: Mapping[str, Resource], ordered: dict[str, Resource]
) -> None:
    """Put one resource, and before it all that it needs, at the end of `ordered`."""
    if local in ordered:
        return
    if local in trail:
        raise TenureError("Resources need one another in a circle.", " -> ".join((*trail, local)))
    item = declared[local]
    needs = tuple(need for need in item.needs if need in declared)
    for need in needs:
        _place(need, (*trail, local), declared, ordered)
    ordered[local] = item if needs == item.needs else msgspec.structs.replace(item, needs=needs)


def dependents(resources: Sequence[Resource], local: str) -> frozenset[str]:
    """Every local address that is made, directly or not, from `local`."""
    found: set[str] = {local}
    for item in resources:
        if found.intersection(item.needs):
            found.add(item.local)
    return frozenset(found - {local})
