"""Single writes within a transaction that somebody else opened and will commit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

import msgspec
import sqlalchemy as sa

from tenure.core.address import Address
from tenure.core.digest import HASH_VERSION, digest_bytes
from tenure.core.errors import StateStale
from tenure.core.version import VERSION
from tenure.state import chain, encoding, tables
from tenure.state.encoding import decode, encode, instant
from tenure.state.record import Fact, Observation, Record, Tombstone
from tenure.state.store import AuditEvent, AuditHead, Trial


def insert(connection: sa.Connection, table: sa.Table, **values: Any) -> int:
    """Insert a row and return the number the database gave it."""
    key = connection.execute(table.insert().values(**values)).inserted_primary_key
    if key is None:
        raise TypeError(f"{table.name} does not number its rows")
    return int(key[0])


def found(connection: sa.Connection) -> None:
    """Begin a new state: its format, its name and the start of its audit chain."""
    lineage = uuid4().hex
    connection.execute(
        tables.meta.insert().values(
            id=1,
            format=encoding.FORMAT,
            lineage=lineage,
            changes=0,
            audit_seq=0,
            audit_hash=chain.genesis(lineage),
            hash_version=HASH_VERSION,
            tool=VERSION,
        )
    )


def serial_of(connection: sa.Connection, model: str) -> int:
    """The serial of a model; 0 when nothing was recorded."""
    return connection.scalar(sa.select(tables.models.c.serial).where(tables.models.c.model == model)) or 0


def advance(connection: sa.Connection, model: str, seen: int | None) -> int:
    """Raise the serial of a model by one and return it. Raises StateStale unless it is the one the caller saw."""
    revise(connection, model)
    where = tables.models.c.model == model
    serial: int = connection.execute(
        sa.select(tables.models.c.serial).where(where).with_for_update()
    ).scalar_one()
    if seen is not None and seen != serial:
        raise StateStale(
            "The recorded state moved",
            f"{model} is at serial {serial}; this run was made for {seen}. Nothing was written.",
            "Plan again, then apply the new plan.",
        )
    connection.execute(tables.models.update().where(where).values(serial=serial + 1))
    return serial + 1


def revise(connection: sa.Connection, model: str) -> None:
    """Say that what is recorded about a model changes; one without a row gets it, and its lineage.

    Whatever a plan can see calls this, or a remembered plan would hide the change.
    """
    values = {"revision": uuid4().hex}
    where = tables.models.c.model == model
    if connection.execute(tables.models.update().where(where).values(**values)).rowcount == 0:
        connection.execute(
            tables.models.insert().values(model=model, lineage=uuid4().hex, serial=0, **values)
        )


def add_record(connection: sa.Connection, record: Record, at: datetime) -> None:
    """Append a record and point the heads of its address at it.

    `at` is when it was recorded; a record that only changes words keeps the time of its artifact in its own `at`.
    """
    address = Address(record.address)
    number = insert(
        connection,
        tables.records,
        model=address.model,
        local=address.local,
        ordinal=record.ordinal or 0,
        at=instant(at),
        config=_document(connection, encode(record.config)),
        effects=_document(connection, encode(record.effects)),
        body=encode(msgspec.structs.replace(record, config={}, effects={})),
    )
    for ordinal in {0, record.ordinal or 0}:
        key = {"model": address.model, "local": address.local, "ordinal": ordinal}
        _put(connection, tables.heads, key, {"record": number})
    connection.execute(tables.meta.update().values(changes=tables.meta.c.changes + 1))


def add_fact(connection: sa.Connection, fact: Fact) -> bool:
    """Append a fact unless it is there, or an open one has its key."""
    known = sa.select(tables.facts.c.id).where(
        sa.or_(
            tables.facts.c.id == fact.id,
            sa.and_(
                tables.facts.c.model == fact.model,
                tables.facts.c.key == fact.key,
                tables.facts.c.settled_at.is_(None),
            ),
        )
    )
    if connection.scalar(known.limit(1)) is not None:
        return False
    revise(connection, fact.model)
    connection.execute(
        tables.facts.insert().values(
            id=fact.id,
            model=fact.model,
            key=fact.key,
            at=instant(fact.at),
            settled_at=None if fact.settled_at is None else instant(fact.settled_at),
            body=encode(fact),
        )
    )
    return True


def settle(
    connection: sa.Connection, model: str, ids: tuple[str, ...], *, at: datetime, by: str
) -> list[str]:
    """Close the open facts among `ids` and return their ids."""
    facts = tables.facts
    open_ones = connection.execute(
        sa.select(facts.c.id, facts.c.body)
        .where(facts.c.model == model, facts.c.id.in_(ids), facts.c.settled_at.is_(None))
        .order_by(facts.c.id)
    ).all()
    for key, body in open_ones:
        fact = decode(encoding.FACT, body, f"fact {key}")
        settled = msgspec.structs.replace(fact, settled_at=at, settled_by=by)
        connection.execute(
            facts.update().where(facts.c.id == key).values(settled_at=instant(at), body=encode(settled))
        )
    if open_ones:
        revise(connection, model)
    return [key for key, _ in open_ones]


def add_row(
    connection: sa.Connection, table: sa.Table, model: str, at: datetime, value: msgspec.Struct
) -> None:
    """Append a value to a table of (model, at, body)."""
    revise(connection, model)
    connection.execute(table.insert().values(model=model, at=instant(at), body=encode(value)))


def put_observations(connection: sa.Connection, observations: Iterable[Observation]) -> None:
    """Write verdicts, each in the place of an earlier one about the same window."""
    rows = {
        (one.model, one.signal, instant(one.window_start)): {"at": instant(one.at), "body": encode(one)}
        for one in observations
    }
    for model in sorted(
        {model for model, _, _ in rows}
    ):  # in one order, or two writers could wait for each other
        revise(connection, model)
    columns = tables.observations.c
    connection.execute(
        tables.observations.delete().where(
            columns.model == sa.bindparam("of_model"),
            columns.signal == sa.bindparam("of_signal"),
            columns.window_start == sa.bindparam("of_window"),
        ),
        [{"of_model": model, "of_signal": signal, "of_window": window} for model, signal, window in rows],
    )
    connection.execute(
        tables.observations.insert(),
        [
            {"model": model, "signal": signal, "window_start": window, **values}
            for (model, signal, window), values in rows.items()
        ],
    )


def add_tombstone(connection: sa.Connection, tombstone: Tombstone) -> None:
    """Write the tombstone of a model. A second one replaces it: an archive may be added later."""
    revise(connection, tombstone.model)
    values = {"at": instant(tombstone.at), "body": encode(tombstone)}
    _put(connection, tables.tombstones, {"model": tombstone.model}, values)
    connection.execute(tables.meta.update().values(changes=tables.meta.c.changes + 1))


def add_trial(connection: sa.Connection, search: str, trial: Trial) -> None:
    """Append a trial unless its number is there."""
    columns = tables.trials.c
    known = sa.select(columns.number).where(columns.search == search, columns.number == trial.number)
    if connection.scalar(known) is None:
        body = encoding.encode_trial(trial)
        connection.execute(tables.trials.insert().values(search=search, number=trial.number, body=body))


def append_event(
    connection: sa.Connection, *, at: datetime, actor: str, action: str, subject: str, data: Mapping[str, Any]
) -> AuditEvent:
    """Add the next link to the audit chain and move its recorded head."""
    columns = tables.meta.c
    row = connection.execute(
        sa.select(columns.lineage, columns.audit_seq, columns.audit_hash).with_for_update()
    ).one()
    event = chain.link(AuditHead(*row), at=at, actor=actor, action=action, subject=subject, data=data)
    connection.execute(
        tables.audit.insert().values(
            seq=event.seq,
            at=instant(event.at),
            actor=actor,
            action=action,
            subject=subject,
            data=encode(event.data).decode(),
            previous=event.previous,
            hash=event.hash,
        )
    )
    connection.execute(tables.meta.update().values(audit_seq=event.seq, audit_hash=event.hash))
    return event


def _document(connection: sa.Connection, body: bytes) -> int:
    documents = tables.documents
    name = digest_bytes(body)
    known = connection.scalar(sa.select(documents.c.id).where(documents.c.digest == name))
    if known is not None:
        return int(known)
    return insert(connection, documents, digest=name, body=body)


def _put(
    connection: sa.Connection, table: sa.Table, key: Mapping[str, Any], values: Mapping[str, Any]
) -> None:
    """Update the row with this key, or insert it; the writer is alone, so nothing comes in between."""
    changed = connection.execute(
        table.update().where(*(table.c[name] == value for name, value in key.items())).values(**values)
    )
    if changed.rowcount == 0:
        connection.execute(table.insert().values(**key, **values))
