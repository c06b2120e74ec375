"""Promoting a version to another environment: its artifacts are taken over by their digests, and judged anew there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenure.core.errors import StalePlan, TenureError
from tenure.engine.requests import known, serving_version
from tenure.plan.view import Offer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenure.artifacts.store import ArtifactStore
    from tenure.engine.compiling import Compiled
    from tenure.plan.change import ModelPlan, Promotion
    from tenure.state.record import ModelState, Record
    from tenure.state.store import StateReader


def offer_of(reader: StateReader, environment: str, compiled: Compiled, number: int | None = None) -> Offer:
    """What made a version in an environment: by default the one that serves there, else its newest.

    Offered are the artifacts that decide what the version is (its snapshot, recipe, search and model), not what was
    said about it: the environment it goes to judges it by its own gates. Raises TenureError when there is no such
    version, or when it did not pass the gates where it was made.
    """
    state = known(reader, compiled.model)
    version = _version(state, environment, serving_version(state) if number is None else number)
    if not version.value["passed"]:
        raise TenureError(
            "The version did not pass its gates.",
            f"{compiled.model}@{version.ordinal} of {environment} failed: {', '.join(version.value['failed'])}.",
            f"See its report: tenure show --env {environment} {compiled.model}/evaluation/report",
        )
    wanted = {local: version.inputs[local] for local in _deciding(compiled) if local in version.inputs}
    asked = {item.local: item.content for item in compiled.resources}
    found: dict[str, Record] = {}
    for record in reader.history(compiled.model):
        local = record.address.split("/", 1)[1]
        # One output may have been made for several specs: the one that asked for what is asked for here counts.
        fits = local in found and found[local].content == asked[local]
        if wanted.get(local) == record.digest and not fits:
            found[local] = record
    return Offer(environment, compiled.model, version.ordinal or 0, found)


def same_offer(offer: Offer, promised: Promotion) -> Offer:
    """The offer, if it still is what a plan relied on. Raises StalePlan otherwise."""
    if {local: record.digest for local, record in offer.records.items()} != promised.digests:
        raise StalePlan(
            "The plan is stale.",
            f"Since the plan was made, {offer.name} has changed. Nothing was done.",
            f"Promote it again: tenure promote {offer.model}@{offer.version}",
        )
    return offer


def complete(plan: ModelPlan) -> bool:
    """Whether everything that is promoted is taken over as it is, so that nothing has to be made again."""
    promised = plan.promotes.digests if plan.promotes else {}
    after = {change.address.split("/", 1)[1]: change.after for change in plan.changes}
    return all(after.get(local) == digest for local, digest in promised.items())


def bring(blobs: Iterable[str], source: ArtifactStore, target: ArtifactStore) -> None:
    """Copy the blobs that are not there yet; between environments that share a store, none. Their digests are checked
    on the way."""
    for blob in blobs:
        if not target.has(blob):
            target.put_file(source.local(blob))


def _version(state: ModelState, environment: str, number: int) -> Record:
    version = state.versions.get(number)
    if version is None:
        have = ", ".join(map(str, sorted(state.versions))) or "none"
        raise TenureError(
            "Unknown version.",
            f"{state.model} has no version {number} in {environment}; it has: {have}.",
            f"Make one first: tenure apply --env {environment} {state.model}",
        )
    return version


def _deciding(compiled: Compiled) -> frozenset[str]:
    """The local addresses that decide what a version is: its identity, and all that is needed for it."""
    by_local = {item.local: item for item in compiled.resources}
    pending = [need for item in compiled.resources for need in item.identity or ()]
    found: set[str] = set()
    while pending:
        local = pending.pop()
        if local not in found and local in by_local:
            found.add(local)
            pending += by_local[local].needs
    return frozenset(found)
