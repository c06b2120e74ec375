"""The rows a model is about: one SQL condition over the columns of a row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tenure.core.errors import StageError
from tenure.stages.data.lookup import require

if TYPE_CHECKING:
    import pyarrow as pa

WHERE = ("data", "filter")
_KEEP = "__keep__"


def apply(table: pa.Table, condition: str) -> pa.Table:
    """The rows for which the condition is true; those for which it is unknown are left out, as in SQL.

    Raises StageError when it is not one condition over the columns of a row, or keeps no row.
    """
    import pyarrow.compute as pc

    from tenure.ml.columns import logical_type
    from tenure.ml.expression import Derived, evaluate, references, result_type

    columns = {
        column.name: kind for column in table.schema if (kind := logical_type(column.type)) is not None
    }
    try:
        for name in references(_KEEP, condition, WHERE):
            require(table, _as_written(name, table), WHERE)
        kind = result_type(_KEEP, condition, columns, WHERE)
        if kind != "boolean":
            raise _unusable(f"{condition.strip()!r} gives a {kind}, where true or false is needed")
        keep = evaluate(table, [Derived(_KEEP, condition, "boolean")]).column(_KEEP)
    except StageError as error:
        if error.summary != "a derived column cannot be computed":
            raise
        reason = error.detail.removeprefix(f"derived column {_KEEP!r} = {condition.strip()!r}: ")
        raise _unusable(f"{condition.strip()!r}: {reason}") from error
    kept = table.filter(pc.fill_null(keep, False))
    if kept.num_rows == 0:
        raise StageError(
            "the filter keeps no row",
            f"none of {table.num_rows} row(s) fulfils {condition.strip()!r}",
            "widen data.filter",
            path=WHERE,
        )
    return kept


def _as_written(name: str, table: pa.Table) -> str:
    """The column a name in SQL means, where case does not matter."""
    return next((column for column in table.column_names if column.casefold() == name.casefold()), name)


def _unusable(reason: str) -> StageError:
    return StageError(
        "the filter cannot be used",
        reason,
        "write one SQL condition over the columns of a row, such as "
        + json.dumps("age >= 18 AND country = 'NL'"),
        path=WHERE,
    )
