"""Adopting what was made elsewhere: which resources come to be that way, and what of the spec then counts as content."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tenure.graph.resource import Adoption, Resource
from tenure.plan.action import Reason
from tenure.plan.change import Change
from tenure.plan.view import View


def adoption_of(resource: Resource, view: View) -> Adoption | None:
    """What a resource without a record comes from: the spec names it, or the one it follows is or was adopted.

    None when it is to be made.
    """
    adoption = resource.adoption
    if adoption is None or not adoption.follows:
        return adoption
    followed = view.value(adoption.follows) or {}
    return adoption if adoption.follows in view.adopting or followed.get("adopted") else None


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
