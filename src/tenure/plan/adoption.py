"""Adopting what was made elsewhere: which resources come to be so, and what of the spec then counts as content."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tenure.graph.resource import Adoption, Resource
from tenure.plan.action import Reason
from tenure.plan.change import Change
from tenure.plan.view import View
from tenure.state.record import Record


def pending(resource: Resource, records: Mapping[str, Record]) -> bool:
    """Whether the spec names something for this resource that is still to be adopted."""
    adoption = resource.adoption
    return adoption is not None and bool(adoption.given) and adoption.until not in records


def adoption_of(resource: Resource, record: Record | None, view: View) -> Adoption | None:
    """What a resource comes from when it is not made: the spec names it, or the one it follows is or was adopted.

    None when it is to be made, or stays as it is.
    """
    adoption = resource.adoption
    if adoption is None or adoption.until in view.records:
        return None
    if adoption.follows:
        made = adoption.follows in view.renewing and adoption.follows not in view.adopting
        followed = view.value(adoption.follows) or {}
        adopted = adoption.follows in view.adopting or bool(followed.get("adopted"))
        return adoption if adopted and not made else None
    return None if record is not None and _current(resource, record, adoption, view) else adoption


def _current(resource: Resource, record: Record, adoption: Adoption, view: View) -> bool:
    """Whether what is recorded is what the spec names, adopted for the inputs there are."""
    adopted = record.value.get("adopted") or {}
    return (
        adopted.get("given") == adoption.given
        and record.content == resource.content
        and not view.renewing.intersection(resource.needs)
        and all(
            view.records[need].digest == digest
            for need, digest in record.inputs.items()
            if need in view.records
        )
    )


def content(resources: Iterable[Resource], changes: Iterable[Change]) -> Mapping[str, Any]:
    """What the spec asks for without the words about it, by local address; and what is adopted, which counts only now.

    An approval of a plan that adopts one file must not hold for another file.
    """
    adopting = {change.address for change in changes if change.reason is Reason.ADOPTED}
    found: dict[str, Any] = {}
    for item in resources:
        found[item.local] = item.content
        if item.address in adopting and item.adoption is not None and item.adoption.given:
            found[item.local] = [item.content, item.adoption.given]
    return found
