"""Conditions and expressions that a person writes over the names of the columns, as columns of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenure.core.errors import StageError
from tenure.ml.quoting import quoted
from tenure.stages.data.lookup import Where, require

if TYPE_CHECKING:
    from tenure.ml.signature import ColumnType
    from tenure.stages.data.engine import Table

_RESULT = "__result__"


def condition(table: Table, written: str, where: Where, summary: str) -> Table:
    """The table with one more column, the last, that says for which rows the condition is true.

    Nothing is stored. Raises StageError (`summary`) when it is not one condition over the columns of a row.
    """
    computed, kind = expression(table, written, where, summary, _RESULT)
    if kind != "boolean":
        raise _unusable(summary, f"{written.strip()!r} gives a {kind}, where true or false is needed", where)
    return computed


def expression(table: Table, written: str, where: Where, summary: str, name: str) -> tuple[Table, ColumnType]:
    """The table with one more column `name`, the last, computed row by row, and its type. Nothing is stored."""
    from tenure.ml.expression import references, result_type

    types = {column.name: column.type for column in table.columns}
    try:
        for reference in references(_RESULT, written, where):
            require(table, _as_written(reference, table), where)
        kind = result_type(_RESULT, written, types, where)
    except StageError as error:
        if error.summary != "a derived column cannot be computed":
            raise
        reason = error.detail.removeprefix(f"derived column {_RESULT!r} = {written.strip()!r}: ")
        raise _unusable(summary, f"{written.strip()!r}: {reason}", where) from error
    prefix = _free_prefix(table)
    inner = [f"n AS {prefix}n"]
    for column in table.columns:
        inner += [f"{column.sql} AS {prefix}{column.sql}", f"{column.sql} AS {quoted(column.name)}"]
    last = f"c{len(table.columns)}"
    kept = [f"{prefix}n AS n", *(f"{prefix}{column.sql} AS {column.sql}" for column in table.columns)]
    made = table.engine.view(
        (*table.columns, type(table.columns[0])(name, kind, last)),
        f"SELECT {', '.join(kept)}, ({written}\n) AS {last} FROM (SELECT {', '.join(inner)} FROM {table.view})",
        table,
        every_row=True,
    )
    return made, kind


def _as_written(name: str, table: Table) -> str:
    """The column a name in SQL means, where case does not matter."""
    return next((column for column in table.names if column.casefold() == name.casefold()), name)


def _free_prefix(table: Table) -> str:
    """A beginning that no name of a column has."""
    prefix = "_"
    while any(name.startswith(prefix) for name in table.names):
        prefix += "_"
    return prefix


def _unusable(summary: str, reason: str, where: Where) -> StageError:
    return StageError(
        summary,
        reason,
        "write one SQL condition over the columns of a row, such as \"age >= 18 AND country = 'NL'\"",
        path=where,
    )
