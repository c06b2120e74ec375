"""What cleaning steps have in common: new values for columns with the cells counted, and rows kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tenure.core.errors import StageError
from tenure.stages.data.engine import SQL_TYPES
from tenure.stages.data.lookup import Where, require

if TYPE_CHECKING:
    from tenure.ml.signature import ColumnType
    from tenure.stages.data.engine import Column, Table

_SHOWN = 5


def columns_of(table: Table, names: Sequence[str], where: Where) -> list[Column]:
    """The columns named by the field `columns` of a step."""
    return [require(table, name, (*where, "columns", position)) for position, name in enumerate(names)]


def with_values(table: Table, new: Mapping[str, tuple[ColumnType, str]]) -> tuple[Table, int]:
    """The table with other values in some columns (name -> type and SQL), and how many cells are different.

    In a column of another type a cell is different when its text is.
    """
    differences = []
    for name, (kind, sql) in new.items():
        old = table.column(name)
        if old.type == kind:
            through = kind
        else:
            through = "number" if {old.type, kind} == {"number", "integer"} else "string"
        before, after = (f"CAST({item} AS {SQL_TYPES[through]})" for item in (old.sql, f"({sql})"))
        differences.append(f"count(*) FILTER ({before} IS DISTINCT FROM {after})")
    (counts,) = table.query(", ".join(differences))
    items = {column.name: (column.type, column.sql) for column in table.columns}
    return table.compute(items | dict(new)), sum(counts)


def unreadable(
    table: Table, column: Column, read: str, what: str, where: Where, hint: str = ""
) -> StageError | None:
    """The error for values of a column that are there and for which the SQL `read` gives nothing, if there are any."""
    bad = f"{column.sql} IS NOT NULL AND ({read}) IS NULL"
    ((count,),) = table.query(f"count(*) FILTER ({bad})")
    if not count:
        return None
    shown = table.query(
        f"any_value({column.sql}::VARCHAR)",
        f"WHERE {bad} GROUP BY {column.sql} ORDER BY min(n) LIMIT {_SHOWN}",
    )
    values = ", ".join(repr(value) for (value,) in shown)
    return StageError(
        f"values that are no {what}",
        f"{count} of {table.rows} rows of column {column.name!r} cannot be read as a {what}: {values}",
        hint or "correct them in the source or with a step before, or set on_error: missing",
        path=where,
    )
