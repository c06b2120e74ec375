"""Work on the recorded state itself: what is in it, whose leases end, how it is copied, moved and upgraded.

None of this looks at a spec. Whatever changes the state is an event of its audit log.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

import msgspec

from tenure.core.digest import digest_file
from tenure.core.errors import StateError, TenureError
from tenure.stages.base import PROTECTION, protected
from tenure.state import listing
from tenure.state.database import Rows
from tenure.state.encoding import FORMAT, OLDEST_READABLE
from tenure.state.listing import Holding, Inventory
from tenure.state.opening import database_of
from tenure.state.sqlite import SqliteFile

if TYPE_CHECKING:
    from datetime import datetime

    import sqlalchemy as sa

    from tenure.engine.workspace import Workspace
    from tenure.spec.project import ProjectConfig
    from tenure.state.database import Database
    from tenure.state.exporting import End
    from tenure.state.importing import Contents
    from tenure.state.loading import Holdings
    from tenure.state.record import Record
    from tenure.state.store import StateReader
    from tenure.state.upgrading import Upgrade

ENDPOINT = "deployment/endpoint"

AT_ONCE = 200
"""Models that are read at a time, so that the size of the fleet does not decide about the memory."""


class Kept(Protocol):
    """A project in one environment, as far as work on its state is concerned."""

    root: Path

    @property
    def now(self) -> datetime: ...
    @property
    def actor(self) -> str: ...
    @property
    def environment(self) -> str: ...
    @property
    def config(self) -> ProjectConfig: ...
    @property
    def workspace(self) -> Workspace: ...


class Listed(msgspec.Struct, frozen=True):
    """What is in the state of an environment; None when nothing was ever recorded.

    `live` names the versions that serve, per model, with their shares of the traffic in percent.
    """

    environment: str
    inventory: Inventory | None
    live: dict[str, dict[int, float]] = {}


class Imported(msgspec.Struct, frozen=True):
    """What came in. `backup` names the copy of the state that was replaced; empty when the state was empty."""

    contents: Contents
    backup: str = ""


def listed(project: Kept) -> Listed:
    """Every model of the state with its numbers, who holds it and what of it serves."""

    def work(rows: Rows | None) -> Listed:
        if rows is None:
            return Listed(project.environment, None)
        found = listing.inventory(rows)
        gone = {model.model for model in found.models if model.retired}
        endpoints = listing.current(rows, ENDPOINT)
        live = {model: shares(record) for model, record in sorted(endpoints.items()) if model not in gone}
        return Listed(project.environment, found, {model: routes for model, routes in live.items() if routes})

    with opened(project) as database:
        return database.look(work)


def shares(endpoint: Record | None) -> dict[int, float]:
    """The versions that serve and their shares of the traffic in percent, as an endpoint was recorded."""
    routes = endpoint.value.get("routes", []) if endpoint else []
    return {route["version"]: route["share"] for route in routes}


def unlock(project: Kept, model: str, lease: str, *, reason: str) -> Holding:
    """End the lease of a model, whoever holds it, and return what it was. The next write of its holder fails.

    Raises StateStale unless `lease` is the id of the one that is held now.
    """
    from tenure.state import leases, writing

    _must_exist(project)
    at, by = project.now, project.actor

    def work(connection: sa.Connection) -> Holding:
        from tenure.state.transaction import rows_of

        held = {one.model: one for one in listing.holdings(rows_of(connection))}
        holder = leases.end(connection, model, lease)
        data = {"lease": lease, "holder": holder, "reason": reason}
        writing.append_event(connection, at=at, actor=by, action="lease.ended", subject=model, data=data)
        return held[model]

    with opened(project) as database:
        return database.write(work)


# ---- copies ----------------------------------------------------------------------------------------------------------


def export(project: Kept, stream: BinaryIO) -> End:
    """Write the whole state to a file as sorted JSON lines. Raises StateError when there is nothing to write."""
    from tenure.state.exporting import write_export

    def work(rows: Rows | None) -> End:
        if rows is None:
            raise _nothing(project)
        stream.seek(0)
        stream.truncate()
        return write_export(rows, stream)

    with opened(project) as database:
        return database.look(work)


def export_to(project: Kept, path: Path) -> End:
    """Write the whole state to a file of that name, whole or not at all."""
    with _written(path) as stream:
        return export(project, stream)


def exported(project: Kept) -> Iterator[bytes]:
    """The whole state, as one consistent view of it, in pieces."""
    with tempfile.TemporaryFile() as stream:
        export(project, stream)
        stream.seek(0)
        while piece := stream.read(1 << 20):
            yield piece


def keep_model(project: Kept, model: str) -> tuple[str, str]:
    """Write what is recorded about one model to a file among the archives; returns its path, as people see it, and the
    digest of its content."""
    from tenure.state.exporting import write_model

    folder = project.workspace.folders(model).archives
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{model}-{project.now.strftime('%Y%m%dT%H%M%SZ')}.ndjson"
    with opened(project) as database, _written(path) as stream:

        def work(rows: Rows | None) -> None:
            stream.seek(0)
            stream.truncate()
            if rows is not None:
                write_model(rows, model, stream)

        database.look(work)
    return project.workspace.shown(path), digest_file(path)


def import_from(project: Kept, path: Path, *, replace: bool = False) -> Imported:
    """Take over an export, after everything in it was verified (see `state.loading.load`)."""
    from tenure.state.importing import verify
    from tenure.state.loading import load

    contents = verify(path)
    at, by = project.now, project.actor
    with opened(project) as database:

        def backup() -> str:
            return project.workspace.shown(copied(project, database, "replaced"))

        def work(connection: sa.Connection) -> str:
            return load(
                connection, path, contents, replace=replace, backup=backup, hold=holdings, at=at, by=by
            )

        return Imported(contents, database.write(work))


def holdings(reader: StateReader) -> Holdings:
    """What a state has, and what of it must not get lost: versions that serve, protection, and retired names."""
    from tenure.state.loading import Holdings

    has, must = set(), set()
    names = list(reader.revisions())
    for start in range(0, len(names), AT_ONCE):
        for model, state in reader.read_many(names[start : start + AT_ONCE]).items():
            versions = {
                number: f"version {number} of {model} ({record.digest})"
                for number, record in state.versions.items()
            }
            has |= set(versions.values())
            if state.tombstone is not None:
                must.add(f"the end of {model}, whose name is not used again")
                continue
            must |= {versions[number] for number in shares(state.records.get(ENDPOINT)) if number in versions}
            if protected(state.records):
                must.add(f"the protection of {model} ({PROTECTION})")
    return Holdings(frozenset(has | must), frozenset(must))


def backup(project: Kept, path: Path | None = None) -> Path:
    """Copy the state to a file, by default beside it, and return its path. Raises StateError rather than overwrite."""
    _must_exist(project)
    with opened(project) as database:
        return copied(project, database, "kept", path)


def upgrade(project: Kept, tell: Callable[[str], None]) -> Upgrade:
    """Bring the state to the format of this version; a copy is kept, and put back when the result does not hold."""
    from tenure.state.backup import lost, put_back
    from tenure.state.upgrading import upgrade as upgraded

    _must_exist(project)
    at, by = project.now, project.actor
    copies: list[Path] = []
    with opened(project, oldest=OLDEST_READABLE) as database:

        def keep_copy(number: int) -> str:
            copies.append(copied(project, database, f"format-{number}"))
            return project.workspace.shown(copies[-1])

        done = database.write(lambda connection: upgraded(connection, keep_copy, at=at, by=by, tell=tell))
        tell("done") if copies else None
        if copies and isinstance(database, SqliteFile):
            problems = lost(copies[-1], database.path)
            if problems:
                database.close()
                put_back(copies[-1], database.path)
                raise StateError(
                    "The upgrade was undone",
                    f"What was written could not be read back: {problems[0]} The state is as it was before.",
                    "Check the free space and the health of that disk, then repeat the command.",
                )
        return done


# ---- inside ----------------------------------------------------------------------------------------------------------


@contextmanager
def opened(project: Kept, oldest: int = FORMAT) -> Iterator[Database]:
    """The database of a project's state."""
    with closing(database_of(project.root, project.config.state_settings, oldest=oldest)) as database:
        yield database


def copied(
    project: Kept, database: Database, label: str, path: Path | None = None, *, sound: bool = True
) -> Path:
    """Copy a state and return the path: a SQLite file as it is (see `copy_file`), anything else as an export."""
    from tenure.state.backup import copy_file, free_name

    if isinstance(database, SqliteFile):
        target = path or free_name(database.path, label, project.now)
        copy_file(database.path, target, sound=sound)
        return target
    target = path or free_name(project.workspace.home / "state.ndjson", label, project.now)
    if target.exists():
        raise StateError(
            "There is such a file", f"{target} exists; nothing was written.", "Name another one."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    export_to(project, target)
    return target


def _must_exist(project: Kept) -> None:
    with opened(project) as database:
        if not database.look(lambda rows: rows is not None):
            raise _nothing(project)


def _nothing(project: Kept) -> StateError:
    return StateError(
        "Nothing is recorded",
        f"The state of {project.environment} is empty.",
        "Begin with: tenure plan",
    )


@contextmanager
def _written(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes its name when everything was written. Raises TenureError when that cannot be done."""
    from tenure.state.backup import sync

    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb+") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
        sync(path.parent)
    except OSError as error:
        raise TenureError(
            "The file cannot be written.", f"{path}: {error.strerror}.", "Name another place."
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
