"""What is in a state, model by model, without reading what it holds: serials, counts, sizes, who holds what."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import msgspec

from tenure.state import encoding
from tenure.state.database import Rows
from tenure.state.encoding import decode
from tenure.state.exporting import AUDIT_COLUMNS, audit_event
from tenure.state.record import Fact, Record
from tenure.state.store import AuditEvent, AuditHead


class Holding(msgspec.Struct, frozen=True):
    """A lease that somebody took and did not give back. Not `alive`: it has expired, or its process is dead."""

    model: str
    id: str
    holder: str
    since: datetime
    expires: datetime
    alive: bool


class Standing(msgspec.Struct, frozen=True):
    """One model in numbers. `size` is in bytes and leaves out what it shares with others."""

    model: str
    lineage: str
    serial: int
    versions: int
    records: int
    open_steps: int
    size: int
    retired: bool
    lease: Holding | None = None


class Inventory(msgspec.Struct, frozen=True):
    """The state as a whole: its format and name, where its audit log ends, and every model in order of name."""

    format: int
    lineage: str
    audit: AuditHead
    models: tuple[Standing, ...]


def inventory(rows: Rows) -> Inventory:
    """Everything in a state, whatever its format, as far as this version can read it."""
    ((number, lineage, seq, last),) = rows("SELECT format, lineage, audit_seq, audit_hash FROM meta", {})
    counts: dict[str, int] = dict(rows("SELECT model, COUNT(*) FROM records GROUP BY model", {}))
    versions: dict[str, int] = dict(
        rows("SELECT model, COUNT(DISTINCT ordinal) FROM heads WHERE ordinal > 0 GROUP BY model", {})
    )
    steps: dict[str, int] = dict(
        rows("SELECT model, COUNT(*) FROM journal WHERE ended_at IS NULL GROUP BY model", {})
    )
    stones = {model for (model,) in rows("SELECT model FROM tombstones", {})}
    sizes = _sizes(rows)
    held = {holding.model: holding for holding in holdings(rows)}
    models = sorted(rows("SELECT model, lineage, serial FROM models", {}))
    return Inventory(
        format=number,
        lineage=lineage,
        audit=AuditHead(lineage, seq, last),
        models=tuple(
            Standing(
                model=model,
                lineage=line,
                serial=serial,
                versions=versions.get(model, 0),
                records=counts.get(model, 0),
                open_steps=steps.get(model, 0),
                size=sizes.get(model, 0),
                retired=model in stones,
                lease=held.get(model),
            )
            for model, line, serial in models
        ),
    )


def holdings(rows: Rows) -> tuple[Holding, ...]:
    """Every lease that is taken, in order of model; those of dead processes too."""
    from tenure.state import leases  # loads SQLAlchemy, which whoever only names the values here does without

    ((number,),) = rows("SELECT format FROM meta", {})
    name = "id" if number > 1 else "''"
    now = time.time()
    return tuple(
        Holding(model, key, holder, _moment(since), _moment(expires), leases.alive(holder, expires, now))
        for model, key, holder, since, expires in sorted(
            rows(f"SELECT model, {name}, holder, since, expires FROM leases WHERE holder IS NOT NULL", {})
        )
    )


def current(rows: Rows, local: str) -> dict[str, Record]:
    """The record that counts now at one local address of every model that has one, without its configuration."""
    found = rows(
        "SELECT records.model, records.body FROM heads JOIN records ON records.id = heads.record "
        "WHERE heads.local = :local AND heads.ordinal = 0",
        {"local": local},
    )
    return {model: decode(encoding.RECORD, body, f"{model}/{local}") for model, body in found}


def facts(rows: Rows, model: str) -> dict[str, Fact]:
    """Every cause there ever was about a model, by its id, oldest first."""
    found = rows("SELECT id, body FROM facts WHERE model = :model ORDER BY at, id", {"model": model})
    return {key: decode(encoding.FACT, body, f"fact {key}") for key, body in found}


def events(rows: Rows, model: str) -> tuple[AuditEvent, ...]:
    """The events of the audit log that are about a model as a whole, oldest first."""
    found = rows(f"SELECT {AUDIT_COLUMNS} FROM audit WHERE subject = :model ORDER BY seq", {"model": model})
    return tuple(audit_event(row) for row in found)


def _sizes(rows: Rows) -> dict[str, int]:
    tables = ("records", "facts", "approvals", "acknowledgements", "observations")
    sizes: dict[str, int] = {}
    for table in tables:
        found: list[tuple[Any, ...]] = rows(
            f"SELECT model, SUM(LENGTH(body)) FROM {table} GROUP BY model", {}
        )
        for model, size in found:
            sizes[model] = sizes.get(model, 0) + int(size)
    return sizes


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(round(seconds), UTC)
