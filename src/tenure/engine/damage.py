"""Artifacts that are missing or damaged: found by their digests, restored from a copy, or made again.

A blob is made again by the step that made it, in place: a recorded cause (`rebuild_fact`) names the resource, the plan
shows it, and when the same content comes out nothing that was made from it is touched. A version that is no longer the
newest cannot be made again; its files come back from a copy or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from tenure.core.digest import digest as digest_of
from tenure.core.drafts import scratch
from tenure.core.errors import ArtifactDamaged, ArtifactMissing, TenureError
from tenure.graph.resource import Sort
from tenure.plan.diff import REBUILD
from tenure.state.record import Fact, ModelState, Record

if TYPE_CHECKING:
    from tenure.engine.project import Project

KIND = "damage"
"""What the facts of this module are about."""


class Damage(msgspec.Struct, frozen=True):
    """One blob that a record refers to and that cannot be used.

    `address` is the whole address of the record, `version` its number where it is no longer the current one. With
    `rebuilds` the step behind the address can make it again; otherwise `why_not` says what stands against it.
    """

    model: str
    address: str
    artifact: str
    digest: str
    problem: Literal["missing", "damaged"]
    detail: str
    version: int | None = None
    rebuilds: bool = False
    why_not: str = ""

    @property
    def sentence(self) -> str:
        """What is wrong, in a phrase: `its file model is missing`."""
        return f"its file {self.artifact} is {self.problem}"


def damaged(project: Project, state: ModelState) -> tuple[Damage, ...]:
    """Check every blob that a current record or a version of a model refers to, reading each once.

    One per record and blob, in order of address and name; versions that are not current follow, by number. Raises
    ArtifactError when the artifacts cannot be read at all: then nothing is known to be lost.
    """
    found: dict[str, tuple[Literal["missing", "damaged"], str] | None] = {}
    damages = []
    for record, version in _referring(state):
        for digest, artifact in _named(record):
            if digest not in found:
                found[digest] = _problem(project, digest)
            problem = found[digest]
            if problem is not None:
                why_not = _why_not(state, record, version)
                damages.append(
                    Damage(
                        model=state.model,
                        address=record.address,
                        artifact=artifact,
                        digest=digest,
                        problem=problem[0],
                        detail=problem[1],
                        version=version,
                        rebuilds=not why_not,
                        why_not=why_not,
                    )
                )
    return tuple(damages)


def rebuild_fact(damage: Damage, at: datetime, by: str) -> Fact:
    """The cause that makes the next plan rebuild a damaged artifact in place.

    Recording it twice while it is open changes nothing. Raises TenureError for a damage that cannot be rebuilt.
    """
    if not damage.rebuilds:
        raise TenureError(
            "The artifact cannot be made again.",
            f"{damage.address}: {damage.sentence}; {damage.why_not}.",
            "Restore its file from a backup of the artifact folder.",
        )
    return Fact(
        id=digest_of([KIND, damage.address, damage.artifact, damage.digest, at.isoformat()])[-12:],
        model=damage.model,
        kind=KIND,
        key=f"{REBUILD}:{damage.address}:{damage.digest}",
        do=REBUILD,
        mode="propose",
        sentence=f"rebuild: {damage.sentence}",
        evidence={"address": damage.address, "artifact": damage.artifact, "digest": damage.digest},
        at=at,
        by=by,
    )


def mended(state: ModelState, damages: tuple[Damage, ...]) -> tuple[str, ...]:
    """The ids of open causes of damage whose artifacts are whole by now: a backup was put back, or a step repeated."""
    broken = {(damage.address, damage.digest) for damage in damages}
    return tuple(
        fact.id
        for fact in state.facts
        if fact.settled_at is None
        and fact.kind == KIND
        and (fact.evidence["address"], fact.evidence["digest"]) not in broken
    )


def restore(project: Project, damage: Damage) -> str:
    """Put a blob back from a copy of the same content, and say where it was found; empty when there is none.

    The archive of a retired model holds every blob of it, and lies in the archive folder and among the artifacts.
    """
    from tenure.stages.retirement.archive import blob_of

    for archive in _archives(project, damage):
        with scratch() as folder:
            copy = blob_of(archive, damage.digest, folder / "blob")
            if copy is not None:
                project.artifacts.put_file(copy)
                return project.workspace.shown(archive)
    return ""


def _referring(state: ModelState) -> Iterator[tuple[Record, int | None]]:
    """The current records with None, then those of earlier versions with their numbers."""
    for _, record in sorted(state.records.items()):
        yield record, None
    for number, record in sorted(state.versions.items()):
        if record not in state.records.values():
            yield record, number


def _named(record: Record) -> Iterator[tuple[str, str]]:
    """Each blob of a record with the first of its names, in the order of the names."""
    names: dict[str, str] = {}
    for name, digest in sorted(record.artifacts.items()):
        names.setdefault(digest, name)
    yield from names.items()


def _problem(project: Project, digest: str) -> tuple[Literal["missing", "damaged"], str] | None:
    try:
        project.artifacts.verify(digest)
    except ArtifactMissing as error:
        return "missing", error.detail
    except ArtifactDamaged as error:
        return "damaged", error.detail
    return None


def _why_not(state: ModelState, record: Record, version: int | None) -> str:
    """What stands against making the artifacts of a record again; empty when nothing does."""
    if version is not None:
        return f"version {version} is not the newest, and only that one can be made again"
    if state.tombstone is not None:
        return "the model is retired"
    if record.sort is Sort.ARTIFACT and not _current(record, state.records):
        return "what it was made from has been made anew since; the next apply replaces it"
    return ""


def _current(record: Record, records: Mapping[str, Record]) -> bool:
    """Whether a record was made from what is recorded now."""
    return all(
        need in records and records[need].digest == digest and _current(records[need], records)
        for need, digest in record.inputs.items()
    )


def _archives(project: Project, damage: Damage) -> Iterator[Path]:
    """The archives of the model that can be opened, the one for people first."""
    folder = project.workspace.folders(damage.model).archives / f"{damage.model}.zip"
    if folder.is_file():
        yield folder
    tombstone = project.reader.tombstone(damage.model)
    if tombstone and tombstone.archive and tombstone.archive != damage.digest:
        try:
            yield project.artifacts.local(tombstone.archive)
        except (ArtifactMissing, ArtifactDamaged):
            return
