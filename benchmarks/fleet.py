"""Thousands of specs with their recorded history, without training thousands of models.

`python -m benchmarks.fleet FOLDER MODELS VERSIONS` makes them in an empty folder.
"""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from benchmarks.project import add_spec, make_project
from tenure.core.address import Address
from tenure.core.digest import digest_bytes
from tenure.engine.project import Project
from tenure.state import encoding
from tenure.state.encoding import encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenure.engine.compiling import Compiled
    from tenure.state.record import Record


class _Row(NamedTuple):
    """A record of the model that really lived. `head` is true for what is in force: of its address, or of a version."""

    local: str
    ordinal: int
    at: str
    config: int
    effects: int
    record: Record
    heads: tuple[int, ...]


def make_fleet(folder: Path, models: int, versions: int = 1) -> None:
    """A project of `models` specs, each applied, with `versions` versions in its history.

    One model really goes through its history: each version is a retraining with another seed. The others get copies of
    its records, with their own addresses and, where a record is in force, their own configuration and digests. That the
    copies are right shows in the plan, which is empty.
    """
    name = make_project(folder)
    for seed in range(versions):
        add_spec(folder, 0, seed)
        project = Project(folder)
        if project.apply(project.plan()).exit_code:
            sys.exit(f"version {seed + 1} of {name} was not released")
    for number in range(1, models):
        add_spec(folder, number, versions - 1)
    project = Project(folder)
    state = folder / project.config.state_settings["path"]
    with contextlib.closing(sqlite3.connect(state)) as database, database:
        database.execute("PRAGMA cache_size = -200000")
        rows = list(_history(database, name))
        columns = [found[1] for found in database.execute("PRAGMA table_info(models)")]
        model = database.execute("SELECT * FROM models WHERE model = ?", (name,)).fetchone()
        for file in project.specs.files[1:]:
            made = project.specs.made(file)
            if made is None:
                sys.exit(f"{file} is not valid")
            own = {"model": made.compiled.model, "lineage": f"of {file}", "revision": f"one of {file}"}
            values = [own.get(column, value) for column, value in zip(columns, model, strict=True)]
            database.execute(f"INSERT INTO models VALUES ({', '.join('?' * len(values))})", values)
            _record(database, made.compiled, rows)


def _history(database: sqlite3.Connection, model: str) -> Iterator[_Row]:
    heads: dict[int, list[int]] = {}
    for number, ordinal in database.execute("SELECT record, ordinal FROM heads WHERE model = ?", (model,)):
        heads.setdefault(number, []).append(ordinal)
    found = database.execute(
        "SELECT id, local, ordinal, at, config, effects, body FROM records WHERE model = ? ORDER BY id",
        (model,),
    )
    for number, *columns, body in found:
        local, ordinal, at, config, effects = columns
        heads_of = tuple(heads.get(number, ()))
        yield _Row(local, ordinal, at, config, effects, encoding.RECORD.decode(body), heads_of)


def _record(database: sqlite3.Connection, compiled: Compiled, rows: list[_Row]) -> None:
    """Write rows as the state does, but all of a fleet in one transaction: one for each step takes hours."""
    wanted = {item.local: item for item in compiled.resources}
    digests = {row.local: row.record.digest for row in rows if 0 in row.heads}
    for row in rows:
        record = msgspec.structs.replace(row.record, address=str(Address.of(compiled.model, row.local)))
        config, effects = row.config, row.effects
        if 0 in row.heads:
            item = wanted[row.local]
            record = msgspec.structs.replace(
                record,
                content=item.content,
                metadata=item.metadata,
                fingerprint=item.fingerprint({need: digests[need] for need in item.needs}),
            )
            config, effects = (_document(database, encode(one)) for one in (item.config, item.effects))
        number = database.execute(
            "INSERT INTO records (model, local, ordinal, at, config, effects, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (compiled.model, row.local, row.ordinal, row.at, config, effects, encode(record)),
        ).lastrowid
        for ordinal in row.heads:
            database.execute(
                "INSERT INTO heads VALUES (?, ?, ?, ?)", (compiled.model, row.local, ordinal, number)
            )


def _document(database: sqlite3.Connection, body: bytes) -> int:
    name = digest_bytes(body)
    found = database.execute("SELECT id FROM documents WHERE digest = ?", (name,)).fetchone()
    if found:
        return int(found[0])
    number = database.execute("INSERT INTO documents (digest, body) VALUES (?, ?)", (name, body)).lastrowid
    assert number is not None
    return number


if __name__ == "__main__":
    make_fleet(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
