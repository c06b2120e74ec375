"""Whether everything an environment relies on is there and whole, and putting right what can be put right safely.

Nothing is ever deleted that was recorded: a repair closes what was left open, points at what is there, restores what
has a copy, and asks for what can be made again. A copy of the state is kept before the first of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tenure.core.errors import (
    ArtifactDamaged,
    ArtifactError,
    ArtifactMissing,
    StateError,
    StateTooNew,
    StateTooOld,
)
from tenure.core.units import format_size
from tenure.engine import memo, mending, surgery
from tenure.engine.damage import Damage, damaged, mended
from tenure.engine.findings import KINDS, Finding, finding
from tenure.state.sqlite import SqliteFile

if TYPE_CHECKING:
    from tenure.engine.project import Project
    from tenure.state.checking import Flaw
    from tenure.state.database import Rows
    from tenure.state.record import ModelState, Record

ROUNDS = 3
"""What is repaired first may let something else be seen: heads before artifacts."""

UNREADABLE = ("database", "unreadable", "reference", "head")
"""With these no model can be relied upon to be read."""


class Diagnosis(msgspec.Struct, frozen=True):
    """What was found and, after a repair, what is still there; what was repaired, and the copy from before."""

    environment: str
    healthy: bool
    findings: tuple[Finding, ...]
    repaired: tuple[str, ...] = ()
    backup: str = ""


def diagnosed(project: Project) -> Diagnosis:
    """Look at everything and change nothing."""
    findings = _found(project)
    return Diagnosis(project.environment, not any(one.problem for one in findings), findings)


def repaired(project: Project) -> Diagnosis:
    """Look, put right what can be put right, and look again. Raises StateError, with nothing done, without a copy."""
    findings = _found(project)
    if any(one.kind == "format" for one in findings):
        raise StateTooOld(
            "The state has an older format", "Nothing was repaired.", f"{KINDS['format'].way_out}"
        )
    backup = ""
    did: list[str] = []
    for _ in range(ROUNDS):
        kinds = [kind for kind in mending.REPAIRS if any(one.kind == kind for one in findings)]
        if not kinds:
            break
        backup = backup or _copied(project)
        done = [text for kind in kinds for text in mending.repair(project, kind, findings)]
        findings = _found(project)
        did += done
        if not done:
            break
    return Diagnosis(
        project.environment, not any(one.problem for one in findings), findings, tuple(did), backup
    )


def _copied(project: Project) -> str:
    with surgery.opened(project) as database:
        return project.workspace.shown(surgery.copied(project, database, "repaired", sound=False))


# ---- looking ---------------------------------------------------------------------------------------------------------


def _found(project: Project) -> tuple[Finding, ...]:
    found = [*_of_the_state(project)]
    if not any(one.kind in UNREADABLE for one in found):
        found += _of_the_artifacts(project)
    found += _of_the_folders(project)
    order = {kind: number for number, kind in enumerate(KINDS)}
    return tuple(sorted(found, key=lambda one: (order[one.kind], one.subject, one.text)))


def _of_the_state(project: Project) -> Iterator[Finding]:
    from tenure.state.checking import flaws

    with surgery.opened(project) as database:
        file = isinstance(database, SqliteFile)

        def work(rows: Rows | None) -> list[Flaw]:
            return [] if rows is None else list(flaws(rows, file=file))

        try:
            for flaw in database.look(work):
                yield finding(flaw.kind, flaw.subject, flaw.text, flaw.model)
        except StateTooNew:
            raise
        except StateError as error:
            yield finding("database", "state", f"{error.summary}: {error.detail}")


def _of_the_artifacts(project: Project) -> Iterator[Finding]:
    """Every blob that a record refers to, each read once or twice, and those that none refers to."""
    wanted: dict[str, tuple[str, str]] = {}
    checked: set[str] = set()
    try:
        for state in _states(project):
            damages = damaged(project, state)
            broken = {damage.digest for damage in damages}
            for damage in damages:
                yield _of_damage(state, damage)
            for fact in mended(state, damages):
                yield finding("mended", state.model, f"The cause {fact} is still open.", state.model)
            current = {digest for record in _present(state) for digest in record.artifacts.values()}
            checked |= current | broken
            for record in project.reader.history(state.model):
                for name, digest in record.artifacts.items():
                    wanted.setdefault(digest, (record.address, name))
            if state.tombstone is not None and state.tombstone.archive:
                wanted.setdefault(state.tombstone.archive, (state.model, "archive"))
        for digest, (address, name) in sorted(wanted.items()):
            if digest not in checked:
                try:
                    project.artifacts.verify(digest)
                except (ArtifactMissing, ArtifactDamaged) as error:
                    yield finding("blob_past", address, f"{name}: {error.detail}", address.partition("/")[0])
        for digest, size in project.artifacts.digests():
            if digest not in wanted:
                yield finding("unused", digest, format_size(size), size=size)
    except ArtifactError as error:
        yield finding("artifacts", "artifacts", f"{error.summary}: {error.detail}")


def _of_damage(state: ModelState, damage: Damage) -> Finding:
    version = f", version {damage.version}" if damage.version is not None else ""
    subject, text = f"{damage.address}{version}", f"{damage.artifact} is {damage.problem}. {damage.detail}"
    asked = any(
        fact.settled_at is None and fact.evidence.get("digest") == damage.digest for fact in state.facts
    )
    if damage.rebuilds:
        return finding("blob_rebuilding" if asked else "blob", subject, text, state.model)
    return finding("blob_lost", subject, f"{text} It cannot be made again: {damage.why_not}.", state.model)


def _of_the_folders(project: Project) -> Iterator[Finding]:
    for path in memo.unreadable(project.root, project.environment):
        yield finding("cache", project.workspace.shown(path), "It is damaged, or of another version.")
    for path in mending.stray(project):
        size = path.stat().st_size
        yield finding("stray", project.workspace.shown(path), format_size(size), size=size)
    for folder in ("predictions", "labels"):
        for path in sorted((project.workspace.home / folder).glob("*/*.parquet")):
            if problem := _unreadable(path):
                yield finding("log", project.workspace.shown(path), problem, path.parent.name)


def _unreadable(path: Path) -> str:
    """Why a Parquet file cannot be read to its end; empty when it can."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for _ in file.iter_batches():
                pass
    except (OSError, ValueError, pa.ArrowException) as error:
        return str(error).partition("\n")[0]
    return ""


def _states(project: Project) -> Iterator[ModelState]:
    names = list(project.reader.revisions())
    for start in range(0, len(names), surgery.AT_ONCE):
        yield from project.reader.read_many(names[start : start + surgery.AT_ONCE]).values()


def _present(state: ModelState) -> Iterator[Record]:
    yield from state.records.values()
    yield from state.versions.values()
