"""What a doctor can put right safely: each sort of finding has its repair, which says what it did."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tenure.core.drafts import ABANDONED_SECONDS
from tenure.core.errors import StateLocked
from tenure.engine import memo, surgery
from tenure.engine.damage import damaged, mended, rebuild_fact, restore
from tenure.engine.findings import Finding

if TYPE_CHECKING:
    import sqlalchemy as sa

    from tenure.engine.project import Project
    from tenure.state.store import Lease


def repair(project: Project, kind: str, findings: Iterable[Finding]) -> Iterator[str]:
    """Put right what was found of one kind, and say what was done. A model that is in use is left as it is."""
    try:
        yield from REPAIRS[kind](project, findings)
    except StateLocked as error:
        yield f"Left as it is: {error.detail}"


def stray(project: Project) -> Iterator[Path]:
    """Files under the names that writing begins with, which nobody has touched for long."""
    home = project.workspace.home
    latest = time.time() - ABANDONED_SECONDS
    for pattern in ("*.part", "*/*.part", "*/*/*.tmp"):
        for path in sorted(home.glob(pattern)):
            if path.is_file() and path.stat().st_mtime < latest:
                yield path


def _rebuild_heads(project: Project, findings: Iterable[Finding]) -> Iterator[str]:
    from tenure.state.leases import this_process
    from tenure.state.repairing import rebuild_heads

    at, by = project.now, project.actor
    for model in _models("head", findings):
        with project.store.lease(model, this_process(by)) as lease, surgery.opened(project) as database:

            def work(connection: sa.Connection, lease: Lease = lease) -> int:
                return rebuild_heads(connection, lease, at=at, by=by)

            count = database.write(work)
        yield f"{model}: {count} of what counts now was taken from the records again."


def _free_leases(project: Project, findings: Iterable[Finding]) -> Iterator[str]:
    from tenure.state.repairing import free_leases

    at, by = project.now, project.actor
    with surgery.opened(project) as database:
        for model in database.write(lambda connection: free_leases(connection, at=at, by=by)):
            yield f"{model}: the hold of a process that is gone was ended."


def _close_steps(project: Project, findings: Iterable[Finding]) -> Iterator[str]:
    from tenure.state.leases import this_process

    for model in _models("step", findings):
        with project.store.lease(model, this_process(project.actor)) as lease:
            for entry in project.store.close_interrupted(lease, project.now):
                yield f"{entry.address}: step {entry.id} is recorded as interrupted."


def _mend_blobs(project: Project, findings: Iterable[Finding]) -> Iterator[str]:
    models = _models("blob", findings) + _models("blob_lost", findings)
    for state in project.reader.read_many(models).values():
        for damage in damaged(project, state):
            if place := restore(project, damage):
                yield f"{damage.address}: {damage.artifact} was restored from {place}."
            elif damage.rebuilds and project.store.add_fact(rebuild_fact(damage, project.now, project.actor)):
                yield f"{damage.address}: {damage.artifact} is made again by the next apply."


def _settle_mended(project: Project, findings: Iterable[Finding]) -> Iterator[str]:
    for state in project.reader.read_many(_models("mended", findings)).values():
        ids = mended(state, damaged(project, state))
        project.store.settle_facts(state.model, ids, at=project.now, by=project.actor)
        yield f"{state.model}: nothing has to be made again."


def _drop_cache(project: Project, findings: Iterable[Finding]) -> Iterator[str]:
    for path in memo.unreadable(project.root, project.environment):
        path.unlink(missing_ok=True)
        yield f"{project.workspace.shown(path)} was removed."


def _sweep(project: Project, findings: Iterable[Finding]) -> Iterator[str]:
    for path in stray(project):
        path.unlink(missing_ok=True)
        yield f"{project.workspace.shown(path)} was removed."


Repair = Callable[["Project", Iterable[Finding]], Iterator[str]]

REPAIRS: dict[str, Repair] = {
    "lease": _free_leases,
    "head": _rebuild_heads,
    "step": _close_steps,
    "blob": _mend_blobs,
    "blob_lost": _mend_blobs,
    "mended": _settle_mended,
    "cache": _drop_cache,
    "stray": _sweep,
}


def _models(kind: str, findings: Iterable[Finding]) -> list[str]:
    return sorted({one.model for one in findings if one.kind == kind})
