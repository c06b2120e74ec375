"""A model leaves the state: its rows go, after they were written to a file; the audit log and a tombstone stay."""

from __future__ import annotations

import sqlalchemy as sa

from tenure.state import tables, writing

OF_A_MODEL = (
    tables.heads,
    tables.records,
    tables.facts,
    tables.approvals,
    tables.acknowledgements,
    tables.observations,
    tables.journal,
)
"""Every table of what belongs to one model, in an order in which rows may go."""


def forget(connection: sa.Connection, model: str) -> None:
    """Remove everything recorded about a model, in the transaction of the caller.

    Whoever calls has seen to it that it may go and that a copy is kept. A retired name stays taken.
    """
    for table in OF_A_MODEL:
        connection.execute(table.delete().where(table.c.model == model))
    stones = tables.tombstones.c
    if connection.scalar(sa.select(stones.model).where(stones.model == model)) is None:
        connection.execute(tables.models.delete().where(tables.models.c.model == model))
    else:
        writing.revise(connection, model)
    connection.execute(tables.meta.update().values(changes=tables.meta.c.changes + 1))
