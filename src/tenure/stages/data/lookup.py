"""Columns named by a spec, looked up in a table: the closest name is offered when there is none."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tenure.core.errors import StageError

if TYPE_CHECKING:
    import pyarrow as pa

Where = tuple[str | int, ...]
"""A path into the model's spec."""


def require(table: pa.Table, name: str, where: Where) -> pa.ChunkedArray:
    """The column of that name. Raises StageError with the closest name, pointing to `where`."""
    if name in table.column_names:
        return table.column(name)
    close = difflib.get_close_matches(name, table.column_names, n=1, cutoff=0.6)
    folded = [column for column in table.column_names if column.casefold() == name.casefold()]
    known = ", ".join(table.column_names[:20]) + (", ..." if table.num_columns > 20 else "")
    if folded or close:
        hint = f"did you mean {(folded or close)[0]!r}?"
    elif any(re.fullmatch(r"[+-]?[0-9.]+", column) for column in table.column_names):
        hint = "the first line of a file is taken for the names of the columns; put them there if it holds values"
    else:
        hint = "check the name, or data.columns"
    raise StageError(
        "unknown column",
        f"there is no column {name!r}; the data has {known}",
        hint,
        path=where,
    )


def refuse_repeated_names(names: Sequence[str], what: str, hint: str, where: Where) -> None:
    """Raises StageError when `what` (the header of a file, a query) has a column name more than once."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise StageError(
            "duplicate column names",
            f"{what} has more than one column called {', '.join(twice)}",
            hint,
            path=where,
        )


def require_number(table: pa.Table, name: str, where: Where) -> pa.ChunkedArray:
    """As `require`, and the column holds numbers."""
    import pyarrow as pa

    values = require(table, name, where)
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        raise StageError(
            "the column is not a number",
            f"column {name!r} has type {values.type}, where numbers are needed",
            path=where,
        )
    return values


def repeated(table: pa.Table, columns: Sequence[str], examples: int) -> tuple[int, tuple[str, ...]]:
    """How many rows repeat the key of an earlier one, and some of those keys; keys with a null are not looked at."""
    import pyarrow.compute as pc

    keys = table.select(list(columns)).drop_null().rename_columns([f"k{n}" for n in range(len(columns))])
    counts = keys.group_by(keys.column_names).aggregate([([], "count_all")])
    more = counts.filter(pc.greater(counts["count_all"], 1))
    extra = (pc.sum(more["count_all"]).as_py() or 0) - more.num_rows
    some = more.sort_by([("count_all", "descending")] + [(name, "ascending") for name in keys.column_names])
    shown = [
        f"{', '.join(str(row[key]) for key in keys.column_names)} ({row['count_all']} times)"
        for row in some.slice(0, examples).to_pylist()
    ]
    return extra, tuple(shown)
