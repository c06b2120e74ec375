"""Values written in a spec, as SQL that fits a column."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import TYPE_CHECKING

from tenure.core.errors import StageError
from tenure.core.units import parse_instant
from tenure.ml.quoting import literal
from tenure.stages.data.engine import SQL_TYPES

if TYPE_CHECKING:
    from tenure.ml.signature import ColumnType
    from tenure.stages.data.engine import Column
    from tenure.stages.data.lookup import Where

Scalar = str | bool | int | float
_SHOWN = 10


def literals(values: Sequence[Scalar], column: Column, where: Where) -> list[str]:
    """The values in SQL, in the type of the column. Raises StageError when one does not fit it."""
    made = [as_sql(value, column.type) for value in values]
    if None in made:
        raise StageError(
            "the value does not fit the column" if len(values) == 1 else "the list does not fit the column",
            f"column {column.name!r} is {_WORDS[column.type]}, and given is "
            + ", ".join(repr(value) for value in values[:_SHOWN]),
            "write the values as they are in the column: text in quotes, numbers and true or false without",
            path=where,
        )
    return [sql for sql in made if sql is not None]


def as_sql(value: Scalar, kind: ColumnType) -> str | None:
    """A value as SQL of a column type, None when it is no value of that type. Times are ISO 8601 text."""
    if kind == "string":
        return literal(value) if isinstance(value, str) else None
    if kind == "boolean":
        return str(value).upper() if isinstance(value, bool) else None
    if kind == "timestamp":
        try:
            moment = parse_instant(value) if isinstance(value, str) else None
        except ValueError:
            return None
        return None if moment is None else f"TIMESTAMP '{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}'"
    if isinstance(value, bool | str) or (kind == "integer" and float(value) != int(value)):
        return None
    return str(int(value)) if kind == "integer" else f"CAST('{float(value)!r}' AS {SQL_TYPES[kind]})"


def listed(values: Sequence[Scalar]) -> str:
    """Some of the values, for people."""
    return ", ".join(str(value) for value in values[:_SHOWN]) + (", ..." if len(values) > _SHOWN else "")


_WORDS = {
    "string": "text",
    "boolean": "true or false",
    "timestamp": "a date or time",
    "integer": "a whole number",
    "number": "a number",
}
