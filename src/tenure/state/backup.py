"""A copy of a SQLite state in one file: consistent while others write, compared with its source, durable."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import msgspec

from tenure.core.errors import StateError
from tenure.state.sqlite import BUSY_SECONDS, explain

Contents = dict[str, tuple[int, str]]
"""For each table the number of its rows and one digest over all of them."""


def free_name(place: Path, label: str, at: datetime) -> Path:
    """A file beside `place` that does not exist yet: `state.db.<label>-20260503T100000Z.backup`."""
    stamp = at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    path = place.with_name(f"{place.name}.{label}-{stamp}.backup")
    number = 2
    while path.exists():
        path = place.with_name(f"{place.name}.{label}-{stamp}-{number}.backup")
        number += 1
    return path


def copy_file(source: Path, target: Path, *, sound: bool = True) -> None:
    """Copy a SQLite state to a file that does not exist yet, whole and verified, or not at all. Raises StateError.

    With `sound=False` rows that refer to nothing are copied as they are: a copy from before they are repaired.
    """
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    with _explained(target), _gone_afterwards(part):
        with closing(_open(source, "rw")) as original, closing(sqlite3.connect(part)) as copy:
            # One transaction, so that what is copied is also what the copy is compared with.
            original.execute("PRAGMA query_only = ON").close()
            original.execute("BEGIN").close()
            original.execute("SELECT COUNT(*) FROM sqlite_master").close()
            original.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE").close()  # one file, without a log beside it
            problems = damage(copy) if sound else []
            if problems or contents(copy) != contents(original):
                raise StateError(
                    "The copy is not the state",
                    f"{target} did not come out as {source} is. {' '.join(problems[:3])}".rstrip(),
                    "See what is wrong with the state: tenure state doctor",
                )
        sync(part)
        # Unlike a rename, a link never takes the place of a file that somebody else put there meanwhile.
        os.link(part, target)
        sync(target.parent)


def put_back(copy: Path, place: Path) -> None:
    """Make a state what its copy is; killed in between, the state is as it was before. Raises StateError."""
    with _explained(place):
        try:
            with closing(_open(copy, "ro")) as source, closing(_open(place, "rw")) as target:
                source.backup(target)
        except sqlite3.DatabaseError:
            # The file is no database any more. Its log would be played into whatever takes its place.
            part = place.with_name(f"{place.name}.{os.getpid()}.part")
            with _gone_afterwards(part):
                part.write_bytes(copy.read_bytes())
                sync(part)
                for log in ("-wal", "-shm", "-journal"):
                    place.with_name(place.name + log).unlink(missing_ok=True)
                part.replace(place)
                sync(place.parent)


def lost(copy: Path, place: Path) -> list[str]:
    """What a state no longer has of its copy, or is broken in it; empty when it can be relied upon."""
    try:
        with closing(_open(copy, "ro")) as before, closing(_open(place, "rw")) as after:
            had, has = contents(before), contents(after)
            gone = [table for table, (count, _) in had.items() if has.get(table, (-1, ""))[0] < count]
            return damage(after) + [f"{table} lacks rows that it had." for table in gone]
    except sqlite3.Error as error:
        return [f"{place}: {error}."]


def damage(connection: sqlite3.Connection) -> list[str]:
    """What SQLite itself finds wrong with a database: its pages, its indexes, and rows that refer to nothing."""
    found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
    lost = [
        f"A row of {table} refers to a row of {parent} that is not there."
        for table, _, parent, _ in connection.execute("PRAGMA foreign_key_check")
    ]
    return [text for text in found if text != "ok"] + lost


def contents(connection: sqlite3.Connection) -> Contents:
    """Everything in a database, table by table."""
    tables = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    ).fetchall()
    return {table: _rows(connection, table) for (table,) in tables}


def sync(path: Path) -> None:
    """Make what was written to a file, or the names in a folder, survive a power cut. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _rows(connection: sqlite3.Connection, table: str) -> tuple[int, str]:
    hasher, count = hashlib.sha256(), 0
    for row in connection.execute(
        f"SELECT * FROM {table} ORDER BY 1, 2, 3"
    ):  # every key is among the first three
        hasher.update(msgspec.msgpack.encode(row))
        count += 1
    return count, hasher.hexdigest()


def _open(path: Path, mode: str) -> sqlite3.Connection:
    name = f"file:{quote(str(path.absolute()))}?mode={mode}"
    return sqlite3.connect(name, uri=True, timeout=BUSY_SECONDS, isolation_level=None)


@contextmanager
def _gone_afterwards(part: Path) -> Iterator[None]:
    try:
        yield
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise explain(error, path) from error
    except FileExistsError as error:
        raise StateError(
            "There is such a file.", f"{path} exists; nothing was written.", "Name another one."
        ) from error
    except OSError as error:
        raise StateError(
            "The copy cannot be written",
            f"{path}: {error.strerror}.",
            "Check the free space and the permissions.",
        ) from error
