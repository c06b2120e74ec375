"""What can be put right in a state from what else is in it, within a transaction that somebody else commits."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from tenure.state import leases, tables, writing
from tenure.state.checking import heads_due
from tenure.state.store import Lease
from tenure.state.transaction import rows_of


def rebuild_heads(connection: sa.Connection, lease: Lease, *, at: datetime, by: str) -> int:
    """Point every head of a model at the last record of its address and return how many were wrong.

    Records are never changed, so that they say which one that is. Raises StateStale when the lease is not held.
    """
    leases.check(connection, lease)
    heads, model = tables.heads, lease.model
    there = {
        (row.local, row.ordinal): row.record
        for row in connection.execute(sa.select(heads).where(heads.c.model == model))
    }
    due = {
        (local, ordinal): record
        for (_, local, ordinal), record in heads_due(rows_of(connection), model).items()
    }
    wrong = [place for place in there.keys() | due.keys() if there.get(place) != due.get(place)]
    if wrong:
        connection.execute(heads.delete().where(heads.c.model == model))
        for (local, ordinal), record in sorted(due.items()):
            connection.execute(
                heads.insert().values(model=model, local=local, ordinal=ordinal, record=record)
            )
        writing.revise(connection, model)
        connection.execute(tables.meta.update().values(changes=tables.meta.c.changes + 1))
        data = {"heads": sorted(f"{local}@{ordinal}" if ordinal else local for local, ordinal in wrong)}
        writing.append_event(connection, at=at, actor=by, action="heads.rebuilt", subject=model, data=data)
    return len(wrong)


def free_leases(connection: sa.Connection, *, at: datetime, by: str) -> tuple[str, ...]:
    """Give back the leases of processes that are gone, and return their models."""
    now = leases.present(connection)
    taken = tables.leases.c
    freed = []
    held = sa.select(tables.leases).where(taken.holder.is_not(None)).order_by(taken.model)
    for row in connection.execute(held).all():
        if leases.alive(row.holder, row.expires, now):
            continue
        leases.end(connection, row.model, row.id)
        data = {"lease": row.id, "holder": row.holder, "reason": "its process is gone"}
        writing.append_event(connection, at=at, actor=by, action="lease.ended", subject=row.model, data=data)
        freed.append(row.model)
    return tuple(freed)
