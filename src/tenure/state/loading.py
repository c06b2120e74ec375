"""Writing a verified export into a state, within one transaction that somebody else opened and will commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, assert_never
from uuid import uuid4

import msgspec
import sqlalchemy as sa

from tenure.core.address import Address
from tenure.core.errors import StateError
from tenure.core.version import VERSION
from tenure.state import encoding, exporting, leases, tables, writing
from tenure.state.encoding import encode, instant
from tenure.state.importing import Contents, lines
from tenure.state.store import StateReader
from tenure.state.transaction import reader_of

KEPT = (tables.meta, tables.leases)
"""What a replaced state keeps: its one row of `meta`, rewritten, and its leases, whose tokens must never go back."""

_BATCH = 500


class Holdings(NamedTuple):
    """What a state has of what must not get lost, and which of it really must not: served, protected, retired."""

    has: frozenset[str]
    must: frozenset[str]


Hold = Callable[[StateReader], Holdings]


def load(
    connection: sa.Connection, path: Path, found: Contents, *, replace: bool, backup: Callable[[], str],
    hold: Hold, at: datetime, by: str,
) -> str:  # fmt: skip
    """Write an export into an empty state, or with `replace` over one of the same lineage; returns the backup's name.

    `backup` copies the state before it is replaced. What `hold` says must stay has to be there
    afterwards. The audit log of an empty state becomes the imported one, to the last byte; that a
    state was replaced is an event of its own. Raises StateError and StateLocked before anything is changed.
    """
    if connection.dialect.name == "postgresql":  # the copy may take longer than a transaction may stand still
        connection.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout TO 0"))
    leases.refuse_if_held(connection, "An import")
    before = meta_of(connection)
    fresh = is_empty(connection)
    kept = ""
    needed: frozenset[str] = frozenset()
    if not fresh:
        _may_replace(found, before.lineage, replace)
        needed = hold(reader_of(connection)).must
        kept = backup()
        for table in reversed(tables.metadata.sorted_tables):
            if table not in KEPT:
                connection.execute(table.delete())
    _write(connection, path, found)
    state = found.state
    # Servers follow this number: it never goes back.
    changes = state.changes if fresh else max(state.changes, before.changes) + 1
    connection.execute(
        tables.meta.update().values(
            lineage=state.lineage,
            changes=changes,
            audit_seq=state.audit.seq,
            audit_hash=state.audit.hash,
            tool=state.tool or VERSION,
        )
    )
    if fresh:
        return ""
    if lost := sorted(needed - hold(reader_of(connection)).has):
        raise StateError(
            "The export lacks what must not vanish",
            f"With it would be gone: {'; '.join(lost[:5])}{'; ...' if len(lost) > 5 else ''}. Nothing was written.",
            "Retire or roll back first, or import an export in which it is.",
        )
    writing.append_event(
        connection,
        at=at,
        actor=by,
        action="state.replaced",
        subject="state",
        data={
            "export": found.end.sha256,
            "before": {"seq": before.audit_seq, "hash": before.audit_hash},
            "backup": kept,
        },
    )
    return kept


def meta_of(connection: sa.Connection) -> Any:
    """The one row about the state itself."""
    return connection.execute(sa.select(tables.meta)).one()


def is_empty(connection: sa.Connection) -> bool:
    """Whether nothing was ever recorded."""
    return meta_of(connection).audit_seq == 0 and all(
        connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is None
        for table in tables.metadata.sorted_tables
        if table not in KEPT
    )


def _may_replace(found: Contents, lineage: str, replace: bool) -> None:
    if found.state.lineage != lineage:
        raise StateError(
            "The state is another one",
            f"The export is of state {found.state.lineage[:8]}; here is {lineage[:8]}, which is not empty."
            " Nothing was written.",
            "Import into an empty state: name another place under state: in conf/, or another --env.",
        )
    if not replace:
        raise StateError(
            "The state is not empty",
            "An import goes into an empty state. Nothing was written.",
            "To put the export in the place of what is recorded: tenure state import FILE --replace",
        )


def _write(connection: sa.Connection, path: Path, found: Contents) -> None:
    batch = _Batch(connection)
    documents: dict[str, int] = {}
    model = ""
    records: list[int] = []
    number = 0
    for line in lines(path, found.end):
        match line:
            case exporting.State() | exporting.End():
                pass
            case exporting.Document():
                documents[line.digest] = len(documents) + 1
                batch.add(
                    tables.documents, id=documents[line.digest], digest=line.digest, body=bytes(line.body)
                )
            case exporting.Trial():
                batch.add(tables.trials, search=line.search, number=line.number, body=line.body)
            case exporting.Model():
                model, records = line.model, []
                batch.add(
                    tables.models, model=model, lineage=line.lineage, serial=line.serial, revision=uuid4().hex
                )
            case exporting.Record():
                number += 1
                records.append(number)
                made = encoding.RECORD.decode(line.body)
                batch.add(
                    tables.records,
                    id=number,
                    model=model,
                    local=Address(made.address).local,
                    ordinal=made.ordinal or 0,
                    at=line.at,
                    config=documents[line.config],
                    effects=documents[line.effects],
                    body=bytes(line.body),
                )
            case exporting.Head():
                record = records[line.record - 1]
                batch.add(tables.heads, model=model, local=line.local, ordinal=line.ordinal, record=record)
            case exporting.Fact():
                fact = encoding.FACT.decode(line.body)
                settled = None if fact.settled_at is None else instant(fact.settled_at)
                batch.add(
                    tables.facts, id=fact.id, model=model, key=fact.key, at=instant(fact.at), settled_at=settled,
                    body=bytes(line.body),
                )  # fmt: skip
            case exporting.Approval():
                at = instant(encoding.APPROVAL.decode(line.body).at)
                batch.add(tables.approvals, model=model, at=at, body=bytes(line.body))
            case exporting.Acknowledgement():
                at = instant(encoding.ACKNOWLEDGEMENT.decode(line.body).at)
                batch.add(tables.acknowledgements, model=model, at=at, body=bytes(line.body))
            case exporting.Observation():
                seen = encoding.OBSERVATION.decode(line.body)
                batch.add(
                    tables.observations, model=model, signal=seen.signal, window_start=instant(seen.window_start),
                    at=instant(seen.at), body=bytes(line.body),
                )  # fmt: skip
            case exporting.Tombstone():
                at = instant(encoding.TOMBSTONE.decode(line.body).at)
                batch.add(tables.tombstones, model=model, at=at, body=bytes(line.body))
            case exporting.Journal():
                entry = msgspec.structs.asdict(line.entry)
                ended = None if line.entry.ended_at is None else instant(line.entry.ended_at)
                batch.add(
                    tables.journal, **{**entry, "begun_at": instant(line.entry.begun_at), "ended_at": ended}
                )
            case exporting.Audit():
                event = msgspec.structs.asdict(line.event)
                data = encode(line.event.data).decode()
                batch.add(tables.audit, **{**event, "at": instant(line.event.at), "data": data})
            case _:
                assert_never(line)
    batch.flush()
    _numbers_go_on(connection)


class _Batch:
    """Rows of one table after the other, a few hundred at a time."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._table: sa.Table | None = None
        self._rows: list[Mapping[str, Any]] = []

    def add(self, table: sa.Table, **values: Any) -> None:
        """Write a row, now or a little later, after all rows before it."""
        if table is not self._table or len(self._rows) >= _BATCH:
            self.flush()
            self._table = table
        self._rows.append(values)

    def flush(self) -> None:
        """Write what is left."""
        if self._table is not None and self._rows:
            self._connection.execute(self._table.insert(), self._rows)
        self._rows = []


def _numbers_go_on(connection: sa.Connection) -> None:
    """Let PostgreSQL number new rows after the ones that came with a number; SQLite does so by itself."""
    if connection.dialect.name != "postgresql":
        return
    for table in (tables.documents, tables.records, tables.journal):
        connection.execute(
            sa.text(
                f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), "
                f"(SELECT COALESCE(MAX(id), 0) + 1 FROM {table.name}), false)"
            )
        )
