"""The state in a SQL database, through SQLAlchemy Core: everything that writes.

Every public method that writes is one transaction, and its audit event is part of it. Opening a store does nothing;
the first write creates the folder, the file and the tables.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from tenure.core.address import Address
from tenure.core.errors import StateError
from tenure.state import journal, leases, tables, writing
from tenure.state.encoding import instant
from tenure.state.reading import SqlReader
from tenure.state.record import Acknowledgement, Approval, Fact, Observation, Record, Tombstone
from tenure.state.sqlite import BUSY_SECONDS, SqliteFile, check_format, explain
from tenure.state.store import AuditEvent, JournalEntry, Lease, Trial

Outcome = Literal["done", "skipped", "failed", "blocked", "interrupted"]


class SqlStateStore:
    """A `StateStore` in a SQLite file. Reading is `SqlReader`'s work; it never waits for writing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        file = SqliteFile(path)
        reader = SqlReader(file.snapshot, file.close)
        self.read = reader.read
        self.read_many = reader.read_many
        self.at = reader.at
        self.history = reader.history
        self.journal = reader.journal
        self.audit = reader.audit
        self.audit_head = reader.audit_head
        self.tombstone = reader.tombstone
        self.revisions = reader.revisions
        self.routes_serial = reader.routes_serial
        self.trials = reader.trials
        self._reader = reader
        self._engine = _engine(path)
        self._ready = False
        # SQLite has one writer at a time; threads queue here instead of polling for the file lock.
        self._turn = threading.Lock()
        self._heartbeat = leases.Heartbeat(self._writing)

    def close(self) -> None:
        """Close every connection; a later call opens them again."""
        self._heartbeat.join()
        self._reader.close()
        self._engine.dispose()
        self._ready = False

    @contextmanager
    def lease(self, model: str, holder: str, seconds: float = 60.0) -> Iterator[Lease]:
        """Hold a model (see `StateStore.lease`)."""
        with self._writing() as connection:
            lease = leases.take(connection, model, holder, seconds)
        self._heartbeat.add(lease, seconds)
        try:
            yield lease
        finally:
            self._heartbeat.remove(lease)
            # What was done is recorded; a lease that cannot be given back ends by itself.
            with suppress(StateError), self._writing() as connection:
                leases.release(connection, lease)

    def begin(
        self,
        lease: Lease,
        *,
        apply_id: str,
        address: str,
        action: str,
        reason: str,
        fingerprint: str,
        at: datetime,
        by: str,
    ) -> int:
        """Write the intent of a step durably; returns the journal id."""
        _same_model(lease, address)
        with self._writing() as connection:
            leases.check(connection, lease)
            entry = writing.insert(
                connection,
                tables.journal,
                model=lease.model,
                apply_id=apply_id,
                address=address,
                action=action,
                reason=reason,
                fingerprint=fingerprint,
                begun_at=instant(at),
                by=by,
            )
            data = {
                "apply": apply_id,
                "step": entry,
                "do": action,
                "reason": reason,
                "fingerprint": fingerprint,
            }
            writing.append_event(connection, at=at, actor=by, action="step.begun", subject=address, data=data)
        return entry

    def finish(
        self,
        lease: Lease,
        entry: int,
        *,
        outcome: Outcome,
        at: datetime,
        record: Record | None = None,
        serial: int | None = None,
        settle: Iterable[str] = (),
        detail: str = "",
        audit: Mapping[str, Any] | None = None,
        tombstone: Tombstone | None = None,
    ) -> int:
        """End a step in one transaction and return the serial afterwards (see `StateStore.finish`)."""
        if record is not None:
            _same_model(lease, record.address)
            if serial is None:
                raise ValueError("a record is committed with the serial it was made for")
        settle = tuple(settle)
        with self._writing() as connection:
            leases.check(connection, lease)
            step = journal.close_entry(connection, lease.model, entry, outcome=outcome, at=at, detail=detail)
            data: dict[str, Any] = {"apply": step.apply_id, "step": entry, "do": step.action}
            if record is not None or tombstone is not None or settle:
                serial = writing.advance(connection, lease.model, serial)
            else:
                serial = writing.serial_of(connection, lease.model)
            if record is not None:
                writing.add_record(connection, msgspec.structs.replace(record, serial=serial), at)
                data |= {"serial": serial, "digest": record.digest, "fingerprint": record.fingerprint}
                data |= {"causes": record.causes, "ordinal": record.ordinal, "artifacts": record.artifacts}
            if settle:
                data["settled"] = writing.settle(connection, lease.model, settle, at=at, by=step.apply_id)
            if tombstone is not None:
                writing.add_tombstone(connection, tombstone)
                data["tombstone"] = tombstone.lineage
            writing.append_event(
                connection,
                at=at,
                actor=step.by,
                action=f"step.{outcome}",
                subject=step.address,
                data=data | ({"detail": detail} if detail else {}) | dict(audit or {}),
            )
        return serial

    def close_interrupted(self, lease: Lease, at: datetime) -> tuple[JournalEntry, ...]:
        """Mark the open journal entries of killed runs as interrupted and return them, oldest first."""
        with self._writing() as connection:
            leases.check(connection, lease)
            closed = tuple(
                journal.close_entry(connection, lease.model, entry, outcome="interrupted", at=at, detail="")
                for entry in journal.open_entries(connection, lease.model)
            )
            for step in closed:
                data = {"apply": step.apply_id, "step": step.id, "do": step.action}
                writing.append_event(
                    connection,
                    at=at,
                    actor=step.by,
                    action="step.interrupted",
                    subject=step.address,
                    data=data,
                )
        return closed

    def add_fact(self, fact: Fact) -> bool:
        """Record a cause unless an open one has the same model and key; says whether it was new."""
        with self._writing() as connection:
            if not writing.add_fact(connection, fact):
                return False
            data = {"id": fact.id, "kind": fact.kind, "key": fact.key, "do": fact.do, "mode": fact.mode}
            writing.append_event(
                connection, at=fact.at, actor=fact.by, action="fact.recorded", subject=fact.model, data=data
            )
        return True

    def settle_facts(self, model: str, ids: Iterable[str], *, at: datetime, by: str) -> None:
        """Close causes without a step; those that are closed or unknown are left as they are."""
        with self._writing() as connection:
            settled = writing.settle(connection, model, tuple(ids), at=at, by=by)
            if settled:
                writing.append_event(
                    connection,
                    at=at,
                    actor=by,
                    action="fact.settled",
                    subject=model,
                    data={"settled": settled},
                )

    def add_approval(self, approval: Approval) -> None:
        """Record a decision."""
        with self._writing() as connection:
            writing.add_row(connection, tables.approvals, approval.model, approval.at, approval)
            writing.append_event(
                connection,
                at=approval.at,
                actor=approval.by,
                action=f"approval.{approval.decision}",
                subject=approval.model,
                data={"subject": approval.subject, "role": approval.role, "reason": approval.reason},
            )

    def add_acknowledgement(self, acknowledgement: Acknowledgement) -> None:
        """Record that a consumer knows."""
        with self._writing() as connection:
            writing.add_row(
                connection,
                tables.acknowledgements,
                acknowledgement.model,
                acknowledgement.at,
                acknowledgement,
            )
            writing.append_event(
                connection,
                at=acknowledgement.at,
                actor=acknowledgement.by,
                action="acknowledgement.given",
                subject=acknowledgement.model,
                data={"consumer": acknowledgement.consumer, "reason": acknowledgement.reason},
            )

    def add_observations(self, observations: Iterable[Observation]) -> None:
        """Record verdicts; a window that is observed again replaces its earlier verdict."""
        observations = tuple(observations)
        if observations:
            with self._writing() as connection:
                writing.put_observations(connection, observations)

    def append_audit(
        self, *, at: datetime, actor: str, action: str, subject: str, data: Mapping[str, Any]
    ) -> AuditEvent:
        """Add a link to the audit chain for something that is no step of an apply."""
        with self._writing() as connection:
            return writing.append_event(
                connection, at=at, actor=actor, action=action, subject=subject, data=data
            )

    def add_trial(self, search: str, trial: Trial) -> None:
        """Record a finished trial durably. Adding the same number again changes nothing."""
        with self._writing() as connection:
            writing.add_trial(connection, search, trial)

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """A write transaction. Whatever the database says about it becomes a StateError."""
        with self._turn:
            try:
                self._prepare()
                with self._engine.begin() as connection:
                    yield connection
            except sa.exc.DBAPIError as error:
                if isinstance(error.orig, sqlite3.Error):
                    raise explain(error.orig, self.path) from error
                raise StateError("The state cannot be used", f"{self.path}: {error.orig}.") from error
            except sqlite3.Error as error:
                raise explain(error, self.path) from error

    def _prepare(self) -> None:
        """Create what is missing and refuse what this version does not understand, once."""
        if self._ready:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StateError(
                "The state cannot be written",
                f"{self.path.parent}: {error.strerror}.",
                "Check that the folder may be created and written to.",
            ) from error
        with self._engine.begin() as connection:
            if not check_format(lambda sql, _: _rows(connection, sql), self.path):
                tables.metadata.create_all(connection)
                writing.found(connection)
        self._ready = True


def _rows(connection: sa.Connection, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.exec_driver_sql(sql)]


def _same_model(lease: Lease, address: str) -> None:
    if Address(address).model != lease.model:
        raise ValueError(f"the lease of {lease.model} does not cover {address}")


def _engine(path: Path) -> sa.Engine:
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
