"""Order of resources: what is needed comes first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from graphlib import CycleError, TopologicalSorter

from tenure.core.errors import TenureError
from tenure.graph.resource import Resource


def in_order(resources: Iterable[Resource]) -> tuple[Resource, ...]:
    """The resources of one model, each after those it needs, otherwise as declared.

    A need that nobody declares (a section the spec leaves out) is dropped: the resource is made without it. Raises
    TenureError when resources need one another in a circle, which is a defect of the stages, not of a spec.
    """
    by_local = {item.local: item for item in resources}
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for local, item in by_local.items():
        sorter.add(local, *(need for need in item.needs if need in by_local))
    declared = {local: position for position, local in enumerate(by_local)}
    ordered: list[str] = []
    try:
        sorter.prepare()
    except CycleError as error:
        raise TenureError("Resources need one another in a circle.", " -> ".join(error.args[1])) from error
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=declared.__getitem__)
        ordered += ready
        sorter.done(*ready)
    return tuple(by_local[local] for local in ordered)


def dependents(resources: Sequence[Resource], local: str) -> frozenset[str]:
    """Every local address that is made, directly or not, from `local`."""
    found: set[str] = {local}
    for item in resources:
        if found.intersection(item.needs):
            found.add(item.local)
    return frozenset(found - {local})
