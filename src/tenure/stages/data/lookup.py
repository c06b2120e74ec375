"""Columns named by a spec, looked up in a table: the closest name is offered when there is none."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tenure.core.errors import StageError

if TYPE_CHECKING:
    from tenure.stages.data.engine import Column, Table

Where = tuple[str | int, ...]
"""A path into the model's spec."""


def require(table: Table, name: str, where: Where) -> Column:
    """The column of that name. Raises StageError with the closest name, pointing to `where`."""
    names = table.names
    if name in names:
        return table.column(name)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    folded = [column for column in names if column.casefold() == name.casefold()]
    known = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    if folded or close:
        hint = f"did you mean {(folded or close)[0]!r}?"
    elif any(re.fullmatch(r"[+-]?[0-9.]+", column) for column in names):
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


def require_number(table: Table, name: str, where: Where) -> Column:
    """As `require`, and the column holds numbers."""
    column = require(table, name, where)
    if column.type not in ("integer", "number"):
        raise StageError(
            "the column is not a number",
            f"column {name!r} has type {column.type}, where numbers are needed",
            path=where,
        )
    return column


def require_time(table: Table, name: str, where: Where) -> Column:
    """As `require`, and the column holds times."""
    column = require(table, name, where)
    if column.type != "timestamp":
        raise StageError(
            "the column holds no times",
            f"column {name!r} has type {column.type}, where dates or times are needed",
            "name a column with dates or times; a csv source reads other ways of writing with timestamp_format",
            path=where,
        )
    return column


def require_text(table: Table, name: str, where: Where) -> Column:
    """As `require`, and the column holds text."""
    column = require(table, name, where)
    if column.type != "string":
        raise StageError(
            "the column is not text",
            f"column {name!r} has type {column.type}, where text is needed",
            path=where,
        )
    return column


def repeated(table: Table, columns: Sequence[str], examples: int) -> tuple[int, tuple[str, ...]]:
    """How many rows repeat the key of an earlier one, and some of those keys; keys with a null are not looked at."""
    keys = [table.column(name).sql for name in columns]
    listed = ", ".join(keys)
    known = " AND ".join(f"{key} IS NOT NULL" for key in keys)
    more = f"(SELECT {listed}, count(*) AS times FROM {table.view} WHERE {known} GROUP BY {listed} HAVING count(*) > 1)"
    ((extra,),) = table.engine.query(f"SELECT coalesce(sum(times - 1), 0)::BIGINT FROM {more}")
    some = table.engine.query(
        f"SELECT {listed}, times FROM {more} ORDER BY times DESC, {listed} LIMIT {examples}"
        if extra
        else "SELECT 1 LIMIT 0"
    )
    return extra, tuple(f"{', '.join(map(str, key))} ({times} times)" for *key, times in some)
