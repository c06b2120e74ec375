"""Promotion: what another environment offers is taken over as it is where the spec asks for the same here. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tenure.core.effect import Effect
from tenure.graph.resource import Resource
from tenure.plan.change import Promotion
from tenure.plan.fields import field_changes
from tenure.plan.view import Offer, View
from tenure.state.record import Record


def offered(resource: Resource, offer: Offer | None, view: View) -> Record | None:
    """What is offered for a resource, if it is what the spec asks for here: equal content, made from the very outputs
    that its needs have here."""
    record = offer.records.get(resource.local) if offer else None
    if record is None or record.content != resource.content or view.renewing & set(resource.needs):
        return None
    here = {need: view.records[need].digest for need in resource.needs if need in view.records}
    return record if record.inputs == here else None


def differences(resources: Sequence[Resource], offer: Offer | None, view: View) -> Iterator[str]:
    """Why something of an offer cannot be taken over: where the spec asks for something else, or, when it nowhere does,
    the first resource that was made from something else. `view` is how things will be once the plan is applied."""
    if offer is None:
        return
    edited, other = False, ""
    for item in resources:
        record = offer.records.get(item.local)
        if record is None:
            continue
        if record.content != item.content:
            fields = [one for one in field_changes(record, item) if one.effect is not Effect.METADATA]
            shown = [f"{one.path} is {_brief(one.new)} here and {_brief(one.old)} there" for one in fields]
            why = "; ".join(shown) or "another version of Tenure made it"
            yield f"{item.local} of {offer.name} is not what the spec asks for here: {why}."
            edited = True
        elif not other and offered(item, offer, view) is None:
            other = f"{item.local} of {offer.name} was made from other inputs than the ones here."
    if other and not edited:
        yield other


def promises(offer: Offer) -> Promotion:
    """What a plan says about an offer it relies on."""
    digests = {local: record.digest for local, record in sorted(offer.records.items())}
    return Promotion(offer.environment, offer.version, digests)


def _brief(value: Any) -> str:
    return "not set" if value is None else str(value)
