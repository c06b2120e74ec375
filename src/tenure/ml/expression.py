"""Derived columns: SQL scalar expressions over the columns of one row, evaluated by DuckDB.

One implementation serves training and serving. An expression may look at nothing but its row: no files, no other
rows, no clock, no chance, so that the same row always gives the same value.
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from tenure.core.errors import StageError
from tenure.ml.parsed import NODES, called, scalar_functions, select_list
from tenure.ml.quoting import quoted
from tenure.ml.signature import ARROW_TYPES, ColumnType


class Derived(msgspec.Struct, frozen=True):
    """A column computed from the others of its row."""

    name: str
    expression: str
    type: ColumnType


class _Engine:
    """One in-memory DuckDB per process, shut off from files and network; a cursor for each call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A cursor of its own for the calling thread."""
        with self._lock:
            if self._connection is None:
                connection = duckdb.connect(
                    ":memory:",
                    config={
                        "enable_external_access": "false",
                        "autoinstall_known_extensions": "false",
                        "autoload_known_extensions": "false",
                        "threads": "1",
                    },
                )
                # ICU reads zoned timestamps in the session's zone, which must not depend on the machine.
                connection.execute("SET TimeZone = 'UTC'")
                connection.execute("SET lock_configuration = true")
                self._connection = connection
            return self._connection.cursor()


_ENGINE = _Engine()


def references(name: str, expression: str, path: tuple[str | int, ...] = ()) -> tuple[str, ...]:
    """The columns an expression reads, in order of appearance, as written.

    Raises StageError, naming the derived column, when the text is not one scalar expression of one row.
    """
    cursor = _ENGINE.cursor()
    serialized = cursor.execute("SELECT json_serialize_sql(?)", [f"SELECT ({expression}\n)"]).fetchall()[0][0]
    try:
        parts = select_list(serialized)
    except ValueError as error:
        raise _wrong(name, expression, str(error), path) from None
    columns: dict[str, None] = {}
    for item in _nodes(parts):
        kind = item["class"]
        if kind not in NODES:
            raise _wrong(name, expression, f"it contains {called(kind)}", path)
        if kind == "FUNCTION":
            function = item["function_name"].lower()
            if function not in scalar_functions():
                reason = f"{function}() is not a function of one row alone"
                raise _wrong(name, expression, reason + _near(function), path)
        if kind == "COLUMN_REF":
            columns[".".join(item["column_names"])] = None
    return tuple(columns)


def _near(function: str) -> str:
    close = difflib.get_close_matches(function, sorted(scalar_functions()), n=1, cutoff=0.75)
    return f"; did you mean {close[0]}()?" if close else ""


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        if "class" in tree:
            yield tree
        for value in tree.values():
            yield from _nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _nodes(value)


def _wrong(name: str, expression: str, reason: str, path: tuple[str | int, ...]) -> StageError:
    return StageError(
        "a derived column cannot be computed",
        f"derived column {name!r} = {expression.strip()!r}: {reason}",
        "write one SQL expression over the columns of a row, such as `income / nullif(household, 0)`",
        path=path,
    )


def result_type(
    name: str, expression: str, columns: Mapping[str, ColumnType], path: tuple[str | int, ...] = ()
) -> ColumnType:
    """The column type an expression gives over columns of the given types. Raises StageError when it gives none."""
    table = pa.schema([(column, ARROW_TYPES[kind]) for column, kind in columns.items()]).empty_table()
    try:
        kind = _project(table, [Derived(name, expression, "number")]).schema.field(name).type
    except duckdb.Error as error:
        raise _wrong(name, expression, _first_line(error), path) from error
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind):
        return "integer"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "timestamp"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "string"
    raise _wrong(name, expression, f"its result has type {kind}, which no model can use", path)


def evaluate(table: pa.Table, derived: Sequence[Derived]) -> pa.Table:
    """The table with the derived columns appended in their declared types; later ones may use earlier ones.

    Raises StageError naming the column whose values cannot be computed (a failing cast, an overflow).
    """
    if not derived:
        return table
    try:
        computed = _project(table, derived)
    except duckdb.Error:
        # The engine does not say which column failed, so each is tried alone.
        computed = table
        for column in derived:
            try:
                computed = _project(computed, [column])
            except duckdb.Error as error:
                raise _wrong(
                    column.name, column.expression, _first_line(error), ("features", "derived")
                ) from error
    for column in derived:
        position = computed.schema.get_field_index(column.name)
        wanted = ARROW_TYPES[column.type]
        if computed.schema.field(position).type != wanted:
            computed = computed.set_column(
                position, column.name, computed.column(position).cast(wanted, safe=False)
            )
    return computed


def _project(table: pa.Table, derived: Sequence[Derived]) -> pa.Table:
    items = ", ".join(f"({column.expression}\n) AS {quoted(column.name)}" for column in derived)
    cursor = _ENGINE.cursor()
    try:
        return cursor.from_arrow(table).project(f"*, {items}").to_arrow_table()
    finally:
        cursor.close()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
