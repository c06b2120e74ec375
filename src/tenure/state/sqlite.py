"""The SQLite file, for reading: opened without SQLAlchemy, whose import alone takes longer than a whole plan may.

Reading has no side effect: a file that does not exist is an empty state and stays absent.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tenure.core.errors import StateError, StateLocked, StateTooNew
from tenure.state.encoding import FORMAT

BUSY_SECONDS = 30.0
"""How long a statement waits for the writer of another process."""

Rows = Callable[[str, Mapping[str, Any]], list[tuple[Any, ...]]]
"""Runs one SELECT with named parameters (`:name`) and returns all rows."""


class SqliteFile:
    """A read-only view of a state file; safe to share between threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._identity = (0, 0)
        self._lock = threading.RLock()

    @contextmanager
    def snapshot(self) -> Iterator[Rows | None]:
        """One consistent view over several queries; None when nothing was ever recorded."""
        with self._lock:
            try:
                connection = self._connect()
                if connection is None:
                    yield None
                    return
                connection.execute("BEGIN")
                try:
                    yield lambda sql, parameters: connection.execute(sql, parameters).fetchall()
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
            except sqlite3.Error as error:
                raise explain(error, self.path) from error

    def close(self) -> None:
        """Give the file back; the next snapshot opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _connect(self) -> sqlite3.Connection | None:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self.close()
            return None
        except OSError as error:
            raise StateError("The state cannot be opened", f"{self.path}: {error.strerror}.") from error
        identity = (status.st_dev, status.st_ino)
        if self._connection is not None and self._identity == identity:
            return self._connection
        # Not open yet, or another file has taken the name: a restored backup, seen by a server that never stops.
        self.close()
        connection = _open(self.path)
        try:
            known = check_format(lambda sql, _: connection.execute(sql).fetchall(), self.path)
        except BaseException:
            connection.close()
            raise
        if not known:
            connection.close()
            return None
        self._connection, self._identity = connection, identity
        return connection


def check_format(rows: Rows, path: Path) -> bool:
    """Whether the file holds a state that this version understands; False when it is still empty.

    Raises StateTooNew for a later format and StateError for somebody else's database.
    """
    tables = {name for (name,) in rows("SELECT name FROM sqlite_master WHERE type = 'table'", {})}
    if not tables:
        return False
    if not {"meta", "records", "audit"} <= tables:
        raise StateError(
            "Not a state of Tenure",
            f"{path} is a SQLite database of something else.",
            "Point the state at another file.",
        )
    found = rows("SELECT format FROM meta", {})
    if not found:
        raise StateError("The recorded state is damaged", f"{path} has no format version.", _RESTORE)
    if found[0][0] > FORMAT:
        raise StateTooNew(
            "The state was written by a later version of Tenure",
            f"{path} has format {found[0][0]}; this version understands {FORMAT}. Nothing was read or changed.",
            "Install the version that wrote it, or a later one.",
        )
    return True


def explain(error: sqlite3.Error, path: Path) -> StateError:
    """What SQLite says, with what a person can do about it."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    match code:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StateLocked(
                "The state is busy",
                f"Another process has been writing to {path} for more than {BUSY_SECONDS:.0f} s.",
                "Wait until it ends, then repeat the command.",
            )
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return StateError(
                "The recorded state is damaged",
                f"{path} is not a readable SQLite database: {error}.",
                _RESTORE,
            )
        case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:
            return StateError(
                "The state cannot be written",
                f"{path}: {error}. What was recorded before is safe; the last step was not recorded.",
                "Check the free space and the health of that disk, then repeat the command.",
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return StateError(
                "The state cannot be opened",
                f"{path}: {error}.",
                "Check that the file and its folder exist, belong to you and may be written to.",
            )
        case _:
            return StateError("The state cannot be used", f"{path}: {error}.")


_RESTORE = "Restore it from a backup. To start over, move the file away: the state is then empty."


def _open(path: Path) -> sqlite3.Connection:
    name = f"file:{quote(str(path.absolute()))}"
    # A connection that may write removes the -wal and -shm files when it closes, a read-only one leaves them behind;
    # query_only keeps it from writing rows. Without permission to write, SQLite needs to be told that nobody writes.
    if _writable(path) and _writable(path.parent):
        options = "?mode=rw"
    elif path.with_name(path.name + "-wal").exists():
        options = "?mode=ro"
    else:
        options = "?mode=ro&immutable=1"
    connection = sqlite3.connect(
        name + options, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _writable(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)
