"""The state in a schema of a PostgreSQL database.

Connections get lost: a server restarts, a network is cut, an administrator ends a session. Every read and every write
is then done again on a new connection. A write does not happen twice: its transaction begins by adding a name of its
own to the table `writes`. When the answer to a COMMIT was lost, the next attempt finds the name there, or waits for the
server to decide, or finds that nothing was committed (docs/decisions/0011-postgresql.md).

Reading does without SQLAlchemy, as with SQLite.
"""

from __future__ import annotations

import hashlib
import re
import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import psycopg
from psycopg import sql

from tenure.core.errors import StateError
from tenure.state.database import Rows, Value, check_format
from tenure.state.encoding import FORMAT, OLDEST_READABLE
from tenure.state.postgres_connecting import Connection, Connector
from tenure.state.postgres_errors import explain
from tenure.state.retrying import Lost, Retrying, Tell

if TYPE_CHECKING:
    import sqlalchemy as sa

WRITES = "writes"
"""The table of the writes whose commit nobody has confirmed yet: one or two rows for each process."""

_READING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path TO {schema}"

# A process that stops in the middle of a transaction (paused, or cut off) keeps others waiting, but not for ever. What
# `begin` and `finish` promise to be durable is so even where the server is set up to promise less.
_WRITING = (
    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL search_path TO {schema};"
    " SET LOCAL lock_timeout TO '30s'; SET LOCAL idle_in_transaction_session_timeout TO '20s';"
    " SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'"
)


class PostgresSchema:
    """A `Database` in one schema. Whatever format is older than `oldest` is not written to.

    `url` may be a reference to a secret, which is resolved for each connection. A connection that was lost is tried
    again for `seconds`.
    """

    def __init__(self, url: str, schema: str, seconds: float, tell: Tell, oldest: int = FORMAT) -> None:
        self.schema, self.oldest = schema, oldest
        self._retrying = Retrying(seconds, tell)
        self._connector = Connector(url)
        self._lock = threading.RLock()
        self._connection: Connection | None = None
        self._end_of_reading: weakref.finalize[..., PostgresSchema] | None = None
        self._there = False
        self._preparing = threading.Lock()
        self._engine: sa.Engine | None = None
        self._end_of_writing: weakref.finalize[..., PostgresSchema] | None = None
        self._confirmed: deque[str] = deque()

    @property
    def place(self) -> str:
        """What messages call it; holds no secret."""
        return f"{self._connector.place}, schema {self.schema}"

    def look(self, work: Callable[[Rows | None], Value]) -> Value:
        """Do some reading on one consistent view; None when nothing was ever recorded."""
        with self._lock:
            return self._retrying.run(partial(self._look, work), lambda: self.place)

    def write(self, work: Callable[[sa.Connection], Value], *, persistent: bool = True) -> Value:
        """Do some writing in one transaction that has been committed, exactly once, when this returns."""
        name = uuid4().hex
        done: list[Value] = []
        value = self._retrying.run(
            partial(self._write, work, name, done), lambda: self.place, persistent=persistent
        )
        self._confirmed.append(name)
        return value

    def close(self) -> None:
        """Close every connection; a later call opens them again."""
        with self._preparing:
            self._engine = None
            if self._end_of_writing is not None:
                self._end_of_writing()
        with self._lock:
            self._disconnect()

    # ---- reading -------------------------------------------------------------------------------------------------

    def _look(self, work: Callable[[Rows | None], Value]) -> Value:
        try:
            connection = self._connection or self._connected()
            connection.execute(self._sql(_READING))
            try:
                self._there = self._there or self._known(partial(_select, connection), OLDEST_READABLE)
                return work(partial(_select, connection) if self._there else None)
            finally:
                with suppress(psycopg.Error):
                    connection.rollback()
        except psycopg.Error as error:
            self._disconnect()
            raise explain(error, self.place) from error

    def _connected(self) -> Connection:
        self._connection = self._connector.connect()
        # Nobody has to close a project; the server still hears that its client is gone.
        self._end_of_reading = weakref.finalize(self, self._connection.close)
        return self._connection

    def _disconnect(self) -> None:
        self._there = False
        self._connection = None
        if self._end_of_reading is not None:
            self._end_of_reading()

    def _known(self, rows: Rows, oldest: int) -> bool:
        """Whether there is a state. Raises what `check_format` raises."""
        listed = (
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = to_regnamespace(:schema)"
        )
        tables = {name for (name,) in rows(listed, {"schema": f'"{self.schema}"'})}
        return check_format(tables - {WRITES}, rows, self.place, oldest)

    # ---- writing -------------------------------------------------------------------------------------------------

    def _write(self, work: Callable[[sa.Connection], Value], name: str, done: list[Value]) -> Value:
        """One attempt. `done` has the results of earlier ones: the last is what was committed, if anything was."""
        from sqlalchemy.exc import DBAPIError

        confirmed = self._taken()
        try:
            engine = self._engine or self._prepared()
            with engine.begin() as connection:
                if not _is_new(connection, name, confirmed):
                    return done[-1]
                done.append(work(connection))
            confirmed = []
            return done[-1]
        except DBAPIError as error:
            if not isinstance(error.orig, psycopg.Error):
                raise StateError("The state cannot be used", f"{self.place}: {error.orig}.") from error
            found = explain(error.orig, self.place)
            if isinstance(found, Lost) and self._engine is not None:
                self._engine.dispose()  # where one connection is gone, the idle ones are
            raise found from error
        finally:
            self._confirmed.extend(confirmed)

    def _taken(self) -> list[str]:
        """The names of writes that are known to be committed; whoever takes them deletes them, or gives them back."""
        taken: list[str] = []
        with suppress(IndexError):
            while len(taken) < 100:
                taken.append(self._confirmed.popleft())
        return taken

    def _prepared(self) -> sa.Engine:
        """An engine for a schema that is there, with its tables: what is missing is created, once."""
        with self._preparing:
            if self._engine is None:
                engine = self._new_engine()
                try:
                    with engine.begin() as connection:
                        self._prepare(connection)
                except BaseException:
                    engine.dispose()
                    raise
                self._engine = engine
                self._end_of_writing = weakref.finalize(self, engine.dispose)
            return self._engine

    def _prepare(self, connection: sa.Connection) -> None:
        import sqlalchemy as sa

        from tenure.state import tables, writing
        from tenure.state.transaction import rows_of

        # First processes of a project come together, and two of them cannot create one thing.
        key = int.from_bytes(
            hashlib.sha256(f"tenure {self.schema}".encode()).digest()[:8], "big", signed=True
        )
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
        encoding = connection.scalar(sa.text("SHOW server_encoding"))
        if encoding != "UTF8":
            raise StateError(
                "The state cannot be kept in this database",
                f"{self.place}: its encoding is {encoding}, which cannot hold every text.",
                "Create a database with ENCODING 'UTF8' and use that one.",
            )
        schema = sa.text("SELECT 1 FROM pg_namespace WHERE nspname = :name")
        if connection.scalar(schema, {"name": self.schema}) is None:
            connection.execute(sa.schema.CreateSchema(self.schema))
        if not self._known(rows_of(connection), self.oldest):
            copy = sa.MetaData()
            for table in tables.metadata.sorted_tables:
                for column in table.to_metadata(copy).columns:
                    if isinstance(column.type, sa.Text):
                        # Byte by byte, as everywhere else in Tenure: the order of a language may ignore punctuation.
                        column.type = sa.Text(collation="C")
            copy.create_all(connection, checkfirst=False)
            writing.found(connection)
        connection.execute(
            sa.text(
                f"CREATE TABLE IF NOT EXISTS {WRITES} (id TEXT PRIMARY KEY, at TIMESTAMPTZ NOT NULL DEFAULT now())"
            )
        )
        connection.execute(sa.text(f"DELETE FROM {WRITES} WHERE at < now() - interval '7 days'"))

    def _new_engine(self) -> sa.Engine:
        import sqlalchemy as sa

        # The creator keeps the URL out of SQLAlchemy, whose messages and reprs show such things.
        engine = sa.create_engine(
            "postgresql+psycopg://", creator=self._connector.connect, use_native_hstore=False, pool_timeout=60
        )
        begin = self._sql(_WRITING).as_string()

        @sa.event.listens_for(engine, "begin")
        def begun(connection: sa.Connection) -> None:
            connection.exec_driver_sql(begin)

        return engine

    def _sql(self, text: str) -> sql.Composed:
        return sql.SQL(cast(Any, text)).format(schema=sql.Identifier(self.schema))


def _is_new(connection: sa.Connection, name: str, confirmed: list[str]) -> bool:
    """Enter a write under its name; False when it is there. Waits for the end of a transaction that is entering it.

    The names of writes that are confirmed are of no more use, and go.
    """
    entered = connection.exec_driver_sql(
        f"WITH gone AS (DELETE FROM {WRITES} WHERE id = ANY(%(confirmed)s)) "
        f"INSERT INTO {WRITES} (id) VALUES (%(name)s) ON CONFLICT DO NOTHING",
        {"name": name, "confirmed": confirmed},
    )
    return entered.rowcount == 1


def _select(connection: Connection, query: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor(binary=True) as cursor:
        return cursor.execute(cast(Any, _with_percents(query)), parameters or None).fetchall()


@lru_cache(maxsize=256)
def _with_percents(query: str) -> str:
    """`:name`, which every other database driver understands, as psycopg wants it."""
    return re.sub(r"(?<!:):([A-Za-z]\w*)", r"%(\1)s", query)
