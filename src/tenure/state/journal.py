"""The write-ahead journal: the intent of a step before its effect, the outcome after."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from tenure.core.errors import StateStale
from tenure.state.encoding import instant
from tenure.state.reading import JOURNAL_COLUMNS, journal_entry
from tenure.state.store import JournalEntry
from tenure.state.tables import journal


def open_entries(connection: sa.Connection, model: str) -> list[int]:
    """Intents of a model without an outcome, oldest first."""
    where = sa.and_(journal.c.model == model, journal.c.ended_at.is_(None))
    return list(connection.scalars(sa.select(journal.c.id).where(where).order_by(journal.c.id)))


def close_entry(
    connection: sa.Connection, model: str, entry: int, *, outcome: str, at: datetime, detail: str
) -> JournalEntry:
    """Write the outcome of a step. Raises StateStale when the step is not an open one of this model."""
    where = sa.and_(journal.c.id == entry, journal.c.model == model)
    changed = connection.execute(
        journal.update()
        .where(where, journal.c.ended_at.is_(None))
        .values(ended_at=instant(at), outcome=outcome, detail=detail)
    )
    if changed.rowcount != 1:
        raise StateStale(
            "The step was ended by another run",
            f"Step {entry} of {model} is not open any more. Nothing was written.",
            "Repeat the command: it continues from what is recorded.",
        )
    columns = sa.text(f"SELECT {JOURNAL_COLUMNS} FROM journal WHERE id = :id")
    return journal_entry(tuple(connection.execute(columns, {"id": entry}).one()))
