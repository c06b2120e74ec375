"""Times written as text: databases often hold them so, and not every one has a type for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tenure.stages.data.engine import Table


class Read(NamedTuple):
    """A table, and a text in its column that is no time: None when the column could be read or holds no text."""

    table: Table
    unreadable: str | None


def read_times(table: Table, name: str) -> Read:
    """The table with a column of ISO 8601 text as timestamps in UTC; as it is when that cannot be, or is not needed."""
    if name not in table.names or table.column(name).type != "string":
        return Read(table, None)
    column = table.column(name)
    reading = f"make_timestamp(epoch_us(try_cast({column.sql} AS TIMESTAMPTZ)))"
    unread = table.query(column.sql, f"WHERE {column.sql} IS NOT NULL AND {reading} IS NULL LIMIT 1")
    if unread:
        return Read(table, unread[0][0])
    return Read(table.replace(name, "timestamp", reading), None)
