"""The rows a model is about: one SQL condition over the columns of a row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tenure.core.errors import StageError
from tenure.stages.data.lookup import require

if TYPE_CHECKING:
    from tenure.stages.data.engine import Table

WHERE = ("data", "filter")
_KEEP = "__keep__"


def apply(table: Table, condition: str) -> Table:
    """The rows for which the condition is true; those for which it is unknown are left out, as in SQL.

    Raises StageError when it is not one condition over the columns of a row, or keeps no row.
    """
    import duckdb

    from tenure.ml.expression import references, result_type

    columns = {column.name: column.type for column in table.columns}
    try:
        for name in references(_KEEP, condition, WHERE):
            require(table, _as_written(name, table), WHERE)
        kind = result_type(_KEEP, condition, columns, WHERE)
        if kind != "boolean":
            raise _unusable(f"{condition.strip()!r} gives a {kind}, where true or false is needed")
        kept = table.filter_named(condition)
    except StageError as error:
        if error.summary != "a derived column cannot be computed":
            raise
        reason = error.detail.removeprefix(f"derived column {_KEEP!r} = {condition.strip()!r}: ")
        raise _unusable(f"{condition.strip()!r}: {reason}") from error
    except (duckdb.DataError, duckdb.ProgrammingError) as error:
        raise _unusable(f"{condition.strip()!r}: {str(error).strip().splitlines()[0]}") from error
    if kept.rows == 0:
        raise StageError(
            "the filter keeps no row",
            f"none of {table.rows} row(s) fulfils {condition.strip()!r}",
            "widen data.filter",
            path=WHERE,
        )
    return kept


def reads_only(table: Table, condition: str) -> bool:
    """Whether every column of the condition is one of `table`. A condition that cannot be read says so in `apply`."""
    from tenure.ml.expression import references

    try:
        names = references(_KEEP, condition, WHERE)
    except StageError:
        return False
    return all(_as_written(name, table) in table.names for name in names)


def _as_written(name: str, table: Table) -> str:
    """The column a name in SQL means, where case does not matter."""
    return next((column for column in table.names if column.casefold() == name.casefold()), name)


def _unusable(reason: str) -> StageError:
    return StageError(
        "the filter cannot be used",
        reason,
        "write one SQL condition over the columns of a row, such as "
        + json.dumps("age >= 18 AND country = 'NL'"),
        path=WHERE,
    )
