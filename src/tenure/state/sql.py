"""The state in a SQL database, through SQLAlchemy Core: everything that writes.

Every public method that writes is one transaction, and its audit event is part of it. Opening a store does nothing;
the first write creates the tables and what they lie in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from tenure.core.address import Address
from tenure.core.errors import StateError
from tenure.state import forgetting, journal, leases, renaming, tables, writing
from tenure.state.database import Database
from tenure.state.encoding import instant
from tenure.state.reading import SqlReader
from tenure.state.record import Acknowledgement, Approval, Fact, Observation, Record, Tombstone
from tenure.state.store import AuditEvent, JournalEntry, Lease, Trial

Outcome = Literal["done", "skipped", "failed", "blocked", "interrupted"]


class SqlStateStore:
    """A `StateStore` in a database. Reading is `SqlReader`'s work; it never waits for writing."""

    def __init__(self, database: Database) -> None:
        reader = SqlReader(database)
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
        self.database = database
        self._heartbeat = leases.Heartbeat(partial(database.write, persistent=False))

    def close(self) -> None:
        """Close every connection; a later call opens them again."""
        self._heartbeat.join()
        self.database.close()

    @contextmanager
    def lease(self, model: str, holder: str, seconds: float = 60.0) -> Iterator[Lease]:
        """Hold a model (see `StateStore.lease`)."""
        lease = self.database.write(lambda connection: leases.take(connection, model, holder, seconds))
        self._heartbeat.add(lease, seconds)
        try:
            yield lease
        finally:
            self._heartbeat.remove(lease)
            # What was done is recorded; a lease that cannot be given back ends by itself.
            with suppress(StateError):
                self.database.write(lambda connection: leases.release(connection, lease), persistent=False)

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

        def work(connection: sa.Connection) -> int:
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

        return self.database.write(work)

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

        def work(connection: sa.Connection) -> int:
            leases.check(connection, lease)
            step = journal.close_entry(connection, lease.model, entry, outcome=outcome, at=at, detail=detail)
            data: dict[str, Any] = {"apply": step.apply_id, "step": entry, "do": step.action}
            if record is not None or tombstone is not None or settle:
                reached = writing.advance(connection, lease.model, serial)
            else:
                reached = writing.serial_of(connection, lease.model)
            if record is not None:
                writing.add_record(connection, msgspec.structs.replace(record, serial=reached), at)
                data |= {"serial": reached, "digest": record.digest, "fingerprint": record.fingerprint}
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
            return reached

        return self.database.write(work)

    def close_interrupted(self, lease: Lease, at: datetime) -> tuple[JournalEntry, ...]:
        """Mark the open journal entries of killed runs as interrupted and return them, oldest first."""

        def work(connection: sa.Connection) -> tuple[JournalEntry, ...]:
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

        return self.database.write(work)

    def rename(self, old: Lease, new: Lease, *, serial: int, at: datetime, by: str) -> int:
        """Give everything recorded about a model another name (see `StateStore.rename`)."""

        def work(connection: sa.Connection) -> int:
            leases.check(connection, old)
            leases.check(connection, new)
            writing.advance(connection, old.model, serial)
            after = renaming.rename(connection, old.model, new.model, at=at, by=by)
            data = {"from": old.model, "serial": after}
            writing.append_event(
                connection, at=at, actor=by, action="model.renamed", subject=new.model, data=data
            )
            return after

        return self.database.write(work)

    def forget(self, lease: Lease, *, serial: int, at: datetime, by: str, reason: str, archive: str) -> None:
        """Remove everything recorded about a model (see `StateStore.forget`)."""

        def work(connection: sa.Connection) -> None:
            leases.check(connection, lease)
            writing.advance(connection, lease.model, serial)
            forgetting.forget(connection, lease.model)
            data = {"reason": reason, "archive": archive, "serial": serial}
            writing.append_event(
                connection, at=at, actor=by, action="model.forgotten", subject=lease.model, data=data
            )

        self.database.write(work)

    def add_fact(self, fact: Fact) -> bool:
        """Record a cause unless an open one has the same model and key; says whether it was new."""

        def work(connection: sa.Connection) -> bool:
            if not writing.add_fact(connection, fact):
                return False
            data = {"id": fact.id, "kind": fact.kind, "key": fact.key, "do": fact.do, "mode": fact.mode}
            writing.append_event(
                connection, at=fact.at, actor=fact.by, action="fact.recorded", subject=fact.model, data=data
            )
            return True

        return self.database.write(work)

    def settle_facts(self, model: str, ids: Iterable[str], *, at: datetime, by: str) -> None:
        """Close causes without a step; those that are closed or unknown are left as they are."""
        chosen = tuple(ids)

        def work(connection: sa.Connection) -> None:
            settled = writing.settle(connection, model, chosen, at=at, by=by)
            if settled:
                writing.append_event(
                    connection,
                    at=at,
                    actor=by,
                    action="fact.settled",
                    subject=model,
                    data={"settled": settled},
                )

        self.database.write(work)

    def add_approval(self, approval: Approval) -> None:
        """Record a decision."""

        def work(connection: sa.Connection) -> None:
            writing.add_row(connection, tables.approvals, approval.model, approval.at, approval)
            writing.append_event(
                connection,
                at=approval.at,
                actor=approval.by,
                action=f"approval.{approval.decision}",
                subject=approval.model,
                data={"subject": approval.subject, "role": approval.role, "reason": approval.reason},
            )

        self.database.write(work)

    def add_acknowledgement(self, acknowledgement: Acknowledgement) -> None:
        """Record that a consumer knows."""

        def work(connection: sa.Connection) -> None:
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

        self.database.write(work)

    def add_observations(self, observations: Iterable[Observation]) -> None:
        """Record verdicts; a window that is observed again replaces its earlier verdict."""
        verdicts = tuple(observations)
        if verdicts:
            self.database.write(lambda connection: writing.put_observations(connection, verdicts))

    def append_audit(
        self, *, at: datetime, actor: str, action: str, subject: str, data: Mapping[str, Any]
    ) -> AuditEvent:
        """Add a link to the audit chain for something that is no step of an apply."""
        return self.database.write(
            lambda connection: writing.append_event(
                connection, at=at, actor=actor, action=action, subject=subject, data=data
            )
        )

    def add_trial(self, search: str, trial: Trial) -> None:
        """Record a finished trial durably. Adding the same number again changes nothing."""
        self.database.write(lambda connection: writing.add_trial(connection, search, trial))


def _same_model(lease: Lease, address: str) -> None:
    if Address(address).model != lease.model:
        raise ValueError(f"the lease of {lease.model} does not cover {address}")
