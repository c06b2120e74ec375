"""The state in a SQLite file.

Reading has no side effect: a file that does not exist is an empty state and stays absent. It does without SQLAlchemy,
whose import alone takes longer than a whole plan may.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from tenure.core.errors import StateError, StateLocked
from tenure.state.database import RESTORE, Rows, Value, check_format
from tenure.state.encoding import FORMAT, OLDEST_READABLE

if TYPE_CHECKING:
    import sqlalchemy as sa

BUSY_SECONDS = 30.0
"""How long a statement waits for the writer of another process."""


class SqliteFile:
    """A `Database` in one file. Whatever format is older than `oldest` is not written to."""

    def __init__(self, path: Path, oldest: int = FORMAT) -> None:
        self.path = path
        self.oldest = oldest
        self._connection: sqlite3.Connection | None = None
        self._identity = (0, 0)
        self._lock = threading.RLock()
        # SQLite has one writer at a time; threads queue here instead of polling for the file lock.
        self._turn = threading.Lock()
        self._engine: sa.Engine | None = None

    def look(self, work: Callable[[Rows | None], Value]) -> Value:
        """Do some reading on one consistent view; None when nothing was ever recorded."""
        with self._lock:
            try:
                connection = self._connect()
                if connection is None:
                    return work(None)
                connection.execute("BEGIN")
                try:
                    return work(lambda sql, parameters: connection.execute(sql, parameters).fetchall())
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
            except sqlite3.Error as error:
                raise explain(error, self.path) from error

    def write(self, work: Callable[[sa.Connection], Value], *, persistent: bool = True) -> Value:
        """Do some writing in one transaction. A file cannot be lost on the way, so there is nothing to wait for."""
        from sqlalchemy.exc import DBAPIError

        with self._turn:
            try:
                engine = self._engine or self._prepared()
                with engine.begin() as connection:
                    return work(connection)
            except DBAPIError as error:
                if isinstance(error.orig, sqlite3.Error):
                    raise explain(error.orig, self.path) from error
                raise StateError("The state cannot be used", f"{self.path}: {error.orig}.") from error
            except sqlite3.Error as error:
                raise explain(error, self.path) from error

    def close(self) -> None:
        """Give the file back; the next use opens it again."""
        with self._turn:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None
        with self._lock:
            self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> sqlite3.Connection | None:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self._disconnect()
            return None
        except OSError as error:
            raise StateError("The state cannot be opened", f"{self.path}: {error.strerror}.") from error
        identity = (status.st_dev, status.st_ino)
        if self._connection is not None and self._identity == identity:
            return self._connection
        # Not open yet, or another file has taken the name: a restored backup, seen by a server that never stops.
        self._disconnect()
        _refuse_empty(self.path, status.st_size)
        connection = _open(self.path)
        try:
            known = self._known(lambda sql, _: connection.execute(sql).fetchall(), OLDEST_READABLE)
        except BaseException:
            connection.close()
            raise
        if not known:
            connection.close()
            return None
        self._connection, self._identity = connection, identity
        return connection

    def _known(self, rows: Rows, oldest: int) -> bool:
        tables = {name for (name,) in rows("SELECT name FROM sqlite_master WHERE type = 'table'", {})}
        return check_format(tables, rows, str(self.path), oldest)

    def _prepared(self) -> sa.Engine:
        """An engine for a file that is there, with its tables: what is missing is created, once."""
        from tenure.core.drafts import sweep
        from tenure.state import tables, writing
        from tenure.state.transaction import rows_of

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StateError(
                "The state cannot be written",
                f"{self.path.parent}: {error.strerror}.",
                "Check that the folder may be created and written to.",
            ) from error

        def found(connection: sa.Connection) -> None:
            tables.metadata.create_all(connection)
            writing.found(connection)

        sweep(self.path.parent, f".{self.path.name}.*.part*")
        if not self.path.exists():
            _create(self.path, found)
        _refuse_empty(self.path, self.path.stat().st_size)
        engine = _engine(self.path)
        try:
            with engine.begin() as connection:
                if not self._known(rows_of(connection), self.oldest):
                    found(connection)
        except BaseException:
            engine.dispose()
            raise
        self._engine = engine
        return engine


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
                RESTORE,
            )
        case sqlite3.SQLITE_ERROR if "no such" in str(error):
            return StateError("The recorded state is damaged", f"{path} is incomplete: {error}.", RESTORE)
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


def _refuse_empty(path: Path, size: int) -> None:
    """A file without a byte is what is left of a state, never the beginning of one: that is made under another name.

    SQLite would take it for a new database, and throw away the log beside it.
    """
    if size == 0:
        raise StateError("The recorded state is damaged", f"{path} is empty, and a state never is.", RESTORE)


def _create(path: Path, work: Callable[[sa.Connection], None]) -> None:
    """Make a new file, which is there whole or not at all. One that somebody else makes at the same time stays."""
    draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}.part")
    engine = _engine(draft)
    try:
        with engine.begin() as connection:
            work(connection)
        engine.dispose()
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            return
        except OSError:
            # A file system without links. Whoever came first is not overwritten.
            if not path.exists():
                draft.rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        engine.dispose()
        for left in (draft, *(draft.with_name(draft.name + end) for end in ("-wal", "-shm"))):
            left.unlink(missing_ok=True)


def _writable(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _engine(path: Path) -> sa.Engine:
    import sqlalchemy as sa

    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        connect_args={"timeout": BUSY_SECONDS, "isolation_level": None},
    )

    @sa.event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, _: object) -> None:
        # FULL syncs the log at every commit: what `begin` and `finish` promise to be durable survives a power cut.
        _switch_to_wal(connection)
        connection.execute("PRAGMA synchronous = FULL").close()
        connection.execute("PRAGMA foreign_keys = ON").close()

    @sa.event.listens_for(engine, "begin")
    def begun(connection: sa.Connection) -> None:
        # Taking the write lock at once means that nothing read in the transaction can be outdated by another writer.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Let readers and the writer not wait for one another. SQLite itself does not wait for its turn to switch."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
