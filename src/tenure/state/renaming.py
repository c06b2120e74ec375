"""A model gets another name: everything recorded about it comes along, and the old name says where it went.

The audit log stays as it is: it says what was done under the name of the time. The old name keeps a tombstone that
names the new one, so that nobody takes it for another model; moving back lifts it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from tenure.core.address import Address
from tenure.core.decoding import JsonDecoder
from tenure.core.errors import StateError
from tenure.state import encoding, tables, writing
from tenure.state.encoding import decode, encode
from tenure.state.record import Fact, ModelState, Record, Tombstone


def renamed(state: ModelState, name: str) -> ModelState:
    """What is recorded about a model as it reads under another name."""
    return msgspec.structs.replace(
        state,
        model=name,
        records={local: _record(record, name) for local, record in state.records.items()},
        versions={number: _record(record, name) for number, record in state.versions.items()},
        facts=tuple(_fact(fact, name) for fact in state.facts),
        approvals=tuple(msgspec.structs.replace(one, model=name) for one in state.approvals),
        acknowledgements=tuple(msgspec.structs.replace(one, model=name) for one in state.acknowledgements),
        observations=tuple(msgspec.structs.replace(one, model=name) for one in state.observations),
    )


def rename(connection: sa.Connection, old: str, new: str, *, at: datetime, by: str) -> int:
    """Give everything recorded about a model another name, in the transaction of the caller; returns its serial.

    Raises StateError when nothing is recorded under the old name, when it has ended, or when the new one is taken.
    """
    models = tables.models
    row = connection.execute(
        sa.select(models.c.lineage, models.c.serial).where(models.c.model == old).with_for_update()
    ).one_or_none()
    if row is None or _tombstone(connection, old) is not None:
        raise StateError(
            "There is no such model to move",
            f"Nothing that can be moved is recorded about {old!r}. Nothing was changed.",
            "See what there is: tenure state list",
        )
    stone = _tombstone(connection, new)
    back = stone is not None and stone.moved and stone.successor == old
    if (stone is not None and not back) or _recorded(connection, new):
        raise StateError(
            "The new name is taken",
            f"{new!r} has records of its own, or belongs to a model that has ended. Nothing was changed.",
            "Choose a name that was never used.",
        )
    if back:
        connection.execute(tables.tombstones.delete().where(tables.tombstones.c.model == new))
    writing.revise(connection, new)
    connection.execute(
        models.update().where(models.c.model == new).values(lineage=row.lineage, serial=row.serial)
    )
    for table in (tables.heads, tables.journal):
        connection.execute(table.update().where(table.c.model == old).values(model=new))
    journal = tables.journal
    for number, address in connection.execute(
        sa.select(journal.c.id, journal.c.address).where(journal.c.model == new)
    ).all():
        local = Address(address).local
        connection.execute(
            journal.update().where(journal.c.id == number).values(address=str(Address.of(new, local)))
        )
    _rewrite(connection, tables.records, encoding.RECORD, old, new, _record)
    _rewrite(connection, tables.facts, encoding.FACT, old, new, _fact)
    _rewrite(connection, tables.approvals, encoding.APPROVAL, old, new, _plain)
    _rewrite(connection, tables.acknowledgements, encoding.ACKNOWLEDGEMENT, old, new, _plain)
    _rewrite(connection, tables.observations, encoding.OBSERVATION, old, new, _plain)
    connection.execute(models.delete().where(models.c.model == old))
    writing.add_tombstone(
        connection,
        Tombstone(model=old, lineage=row.lineage, at=at, by=by, successor=new, archive=None, moved=True),
    )
    return int(row.serial)


def _rewrite(
    connection: sa.Connection,
    table: sa.Table,
    decoder: JsonDecoder[Any],
    old: str,
    new: str,
    change: Any,
) -> None:
    keys = list(table.primary_key.columns)
    rows = connection.execute(sa.select(*keys, table.c.body).where(table.c.model == old)).all()
    for *key, body in rows:
        value = change(decode(decoder, body, f"a row of {old}"), new)
        where = sa.and_(*(column == part for column, part in zip(keys, key, strict=True)))
        connection.execute(table.update().where(where).values(model=new, body=encode(value)))


def _record(record: Record, name: str) -> Record:
    address = str(Address.of(name, Address(record.address).local))
    return msgspec.structs.replace(record, address=address)


def _fact(fact: Fact, name: str) -> Fact:
    evidence = fact.evidence
    address = evidence.get("address")
    if isinstance(address, str) and address.startswith(f"{fact.model}/"):
        evidence = {**evidence, "address": name + address.removeprefix(fact.model)}
    return msgspec.structs.replace(fact, model=name, evidence=evidence)


def _plain(value: Any, name: str) -> Any:
    return msgspec.structs.replace(value, model=name)


def _tombstone(connection: sa.Connection, model: str) -> Tombstone | None:
    columns = tables.tombstones.c
    body = connection.scalar(sa.select(columns.body).where(columns.model == model))
    return None if body is None else decode(encoding.TOMBSTONE, body, f"the tombstone of {model}")


def _recorded(connection: sa.Connection, model: str) -> bool:
    columns = tables.records.c
    return connection.scalar(sa.select(columns.id).where(columns.model == model).limit(1)) is not None
