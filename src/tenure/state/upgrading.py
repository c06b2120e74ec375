"""Bringing a state to the format of this version: a table of steps, a copy before, everything checked before it counts.

All steps, their checks and the audit event are one transaction of the database. Whatever goes wrong before it is
committed, a killed process included, leaves the state as it was; a copy of it was kept before the first change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from tenure.core.errors import StateError, StateTooNew
from tenure.core.version import VERSION
from tenure.state import chain, leases, tables, writing
from tenure.state.encoding import FORMAT
from tenure.state.transaction import reader_of

Tell = Callable[[str], None]
"""Takes each thing that has been done, in a phrase."""

Columns = Mapping[str, tuple[str, ...]]


class Step(NamedTuple):
    """One format to the next: what it is for, the SQL that does it, and what has to come out exactly as it was."""

    to: int
    what: str
    statements: tuple[str, ...]
    kept: Columns


class Upgrade(msgspec.Struct, frozen=True):
    """What an upgrade came to. `backup` names the copy of the state before it; empty when nothing was to be done."""

    before: int
    after: int
    steps: tuple[str, ...] = ()
    backup: str = ""


FORMAT_1: Columns = {
    "meta": ("id", "lineage", "changes", "audit_seq", "audit_hash"),
    "models": ("model", "lineage", "serial", "revision"),
    "documents": ("id", "digest", "body"),
    "records": ("id", "model", "local", "ordinal", "at", "config", "effects", "body"),
    "heads": ("model", "local", "ordinal", "record"),
    "journal": (
        *("id", "model", "apply_id", "address", "action", "reason", "fingerprint", "begun_at", "by"),
        *("ended_at", "outcome", "detail"),
    ),
    "leases": ("model", "token", "holder", "since", "expires"),
    "facts": ("id", "model", "key", "at", "settled_at", "body"),
    "approvals": ("id", "model", "at", "body"),
    "acknowledgements": ("id", "model", "at", "body"),
    "observations": ("model", "signal", "window_start", "at", "body"),
    "trials": ("search", "number", "body"),
    "tombstones": ("model", "at", "body"),
    "audit": ("seq", "at", "actor", "action", "subject", "data", "previous", "hash"),
}
"""The tables of format 1, keys first. A text of its own: `tables` moves on, and this must not."""

STEPS: dict[int, Step] = {
    1: Step(
        to=2,
        what="leases have ids, the audit log an index, and the state says which version and hash rule wrote it",
        statements=(
            "ALTER TABLE leases ADD COLUMN id TEXT NOT NULL DEFAULT ''",
            "ALTER TABLE meta ADD COLUMN hash_version INTEGER NOT NULL DEFAULT 1",
            "ALTER TABLE meta ADD COLUMN tool TEXT NOT NULL DEFAULT ''",
            "CREATE INDEX audit_by_subject ON audit (subject, seq)",
        ),
        kept=FORMAT_1,
    ),
}
"""The step that leads away from each format."""


def upgrade(
    connection: sa.Connection, keep_copy: Callable[[int], str], *, at: datetime, by: str, tell: Tell
) -> Upgrade:
    """Bring a state to `FORMAT` within a transaction that keeps every other writer out.

    `keep_copy` writes a verified copy of a state of the given format and returns its name; nothing is changed before
    it has. Of two upgrades at once the second finds nothing to do. Raises StateLocked while a lease is alive,
    StateTooNew for a later format, and StateError when something did not come out as it has to.
    """
    before = format_of(connection)
    if before == FORMAT:
        return Upgrade(before, before)
    leases.refuse_if_held(connection, "An upgrade")
    backup = keep_copy(before)
    tell(f"kept a copy: {backup}")
    known = _broken_links(connection)
    taken = []
    number = before
    while number != FORMAT:
        step = STEPS[number]
        _take(connection, number, step)
        tell(f"format {number} to {step.to}: {step.what}")
        taken.append(step.what)
        number = step.to
    connection.execute(tables.meta.update().values(format=FORMAT, tool=VERSION))
    data = {"from": before, "to": FORMAT, "tool": VERSION, "backup": backup}
    writing.append_event(connection, at=at, actor=by, action="state.upgraded", subject="state", data=data)
    if new := [problem for problem in _broken_links(connection) if problem not in known]:
        raise _wrong(before, f"the audit log does not hold any more ({new[0].text})")
    tell("every table and the audit log were checked")
    return Upgrade(before, FORMAT, tuple(taken), backup)


def format_of(connection: sa.Connection) -> int:
    """The format of a state. Raises StateTooNew when no step of this version leads on from it."""
    found = int(connection.execute(sa.text("SELECT format FROM meta")).scalar_one())
    if found != FORMAT and found not in STEPS:
        raise StateTooNew(
            "The state was written by a later version of Tenure",
            f"It has format {found}; this version understands {FORMAT}. Nothing was read or changed.",
            "Install the version that wrote it, or a later one.",
        )
    return found


def _take(connection: sa.Connection, number: int, step: Step) -> None:
    before = contents(connection, step.kept)
    for statement in step.statements:
        connection.execute(sa.text(statement))
    after = contents(connection, step.kept)
    changed = sorted(table for table in step.kept if before[table] != after[table])
    if changed:
        raise _wrong(number, f"{', '.join(changed)} did not come out as before")


def contents(connection: sa.Connection, columns: Columns) -> dict[str, tuple[int, str]]:
    """For each table the number of its rows and one digest over the given columns of all of them."""
    found = {}
    for table, names in columns.items():
        hasher, count = hashlib.sha256(), 0
        listed = ", ".join(f'"{name}"' for name in names)
        rows = connection.execute(
            sa.text(f"SELECT {listed} FROM {table} ORDER BY 1, 2, 3"), execution_options={"yield_per": 1_000}
        )
        for row in rows:
            hasher.update(msgspec.msgpack.encode(tuple(row)))
            count += 1
        found[table] = (count, hasher.hexdigest())
    return found


def _broken_links(connection: sa.Connection) -> list[chain.Problem]:
    """What is wrong with the audit log. An upgrade must add nothing to it; what was wrong before stays to be seen."""
    reader = reader_of(connection)
    return chain.verify(reader.audit(), reader.audit_head())


def _wrong(number: int, what: str) -> StateError:
    return StateError(
        "The upgrade was not carried out",
        f"On the way from format {number}, {what}. The state is as it was.",
        "See what is wrong with it: tenure state doctor",
    )
