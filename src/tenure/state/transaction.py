"""What is recorded, as whoever is writing sees it: the readers' questions asked inside an open transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from tenure.state.database import Rows, Value
from tenure.state.reading import SqlReader


def rows_of(connection: sa.Connection) -> Rows:
    """SELECTs inside the transaction of a connection."""

    def rows(sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in connection.execute(sa.text(sql), dict(parameters))]

    return rows


def reader_of(connection: sa.Connection) -> SqlReader:
    """A reader inside the transaction of a connection."""
    return SqlReader(_Open(connection))


class _Open:
    """A `Readable` that is one open transaction; it is neither begun nor ended here."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def look(self, work: Callable[[Rows | None], Value]) -> Value:
        return work(rows_of(self._connection))

    def close(self) -> None:
        """Whoever opened the transaction ends it."""
