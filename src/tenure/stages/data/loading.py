"""Rows from outside as a table of the engine: any type of column becomes one of the five logical types.

Missing is missing once: NaN and infinities become null on the way in. A column of a type that no model can use (a
list, bytes) is not taken over, and named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from tenure.core.errors import StageError
from tenure.stages.data.engine import SQL_TYPES, Engine, Table

if TYPE_CHECKING:
    import pyarrow as pa

    from tenure.ml.signature import ColumnType


class Loaded(NamedTuple):
    """What a source gave: its usable columns, the types of the others, and how many infinities became missing."""

    table: Table
    unusable: Mapping[str, str]
    infinities: Mapping[str, int]


def load_arrow(engine: Engine, rows: pa.Table | pa.RecordBatchReader) -> Loaded:
    """Arrow data with distinct names, read batch by batch and in order. Raises duckdb.Error, StageError."""
    import pyarrow as pa

    from tenure.ml.columns import logical_type

    with engine.registered("rows_given", rows):
        # As the engine sees them, under the names they have: it takes some for others.
        seen = engine.schema("SELECT * FROM rows_given")
        schema = pa.schema(list(zip(rows.schema.names, seen.types, strict=True)))
        kinds = {column.name: logical_type(column.type) for column in schema}
        unusable = {column.name: str(column.type) for column in schema if kinds[column.name] is None}
        usable: dict[str, ColumnType] = {name: kind for name, kind in kinds.items() if kind is not None}
        if not usable:
            raise no_model_can_use(unusable)
        given = ", ".join(f"g{at}" for at in range(len(schema)))
        items = ", ".join(
            f"{cast(column.type).of(f'g{at}')} AS c{list(usable).index(column.name)}"
            for at, column in enumerate(schema)
            if column.name in usable
        )
        written = engine.write(f"SELECT {items} FROM rows_given AS given({given})")
    return settle(engine, written, usable, unusable)


def sorted_rows(loaded: Loaded) -> Loaded:
    """The same rows in an order of their own: by all columns from left to right, missing values last."""
    table = loaded.table
    columns = ", ".join(column.sql for column in table.columns)
    ordered = table.engine.store(
        {column.name: column.type for column in table.columns},
        f"SELECT {columns} FROM {table.view} ORDER BY {columns}",
    )
    table.engine.drop(table)
    return loaded._replace(table=ordered)


def settle(
    engine: Engine,
    written: str,
    columns: Mapping[str, ColumnType],
    unusable: Mapping[str, str] | None = None,
) -> Loaded:
    """Rows written in the types of SQL as a table: infinities and NaN are missing, and whole numbers that are too
    large are numbers. `written` has the columns as c0, c1, ... in this order.
    """
    sql = {name: f"c{at}" for at, name in enumerate(columns)}
    types = dict(engine.query(f"SELECT column_name, column_type FROM (DESCRIBE {written})"))
    numbers = [name for name, kind in columns.items() if kind == "number"]
    large = [name for name in columns if types[sql[name]] == "UBIGINT"]
    asked = [
        f"count(*) FILTER (isinf({sql[name]})), count(*) FILTER (isnan({sql[name]}))" for name in numbers
    ]
    asked += [f"coalesce(max({sql[name]}), 0)" for name in large]
    found = iter(engine.query(f"SELECT {', '.join(asked)} FROM {written}")[0] if asked else ())
    items: dict[str, tuple[ColumnType, str]] = {name: (kind, sql[name]) for name, kind in columns.items()}
    infinities: dict[str, int] = {}
    for name in numbers:
        infinite, undefined = next(found), next(found)
        if infinite:
            infinities[name] = infinite
        if infinite or undefined:
            items[name] = ("number", f"CASE WHEN isfinite({sql[name]}) THEN {sql[name]} END")
    for name in large:
        fits = next(found) < 2**63
        items[name] = (
            ("integer", f"CAST({sql[name]} AS BIGINT)")
            if fits
            else ("number", f"CAST({sql[name]} AS DOUBLE)")
        )
    return Loaded(engine.over(written, items), unusable or {}, infinities)


def no_model_can_use(columns: Mapping[str, str]) -> StageError:
    """The refusal of columns, given with their types."""
    listed = ", ".join(f"{name} ({kind})" for name, kind in columns.items())
    return StageError(
        "columns of a type that no model can use",
        f"columns are text, numbers, booleans or timestamps; these are not: {listed}",
        "leave them out with data.columns, or turn them into one of these types in the source",
        path=("data", "columns"),
    )


class Cast(NamedTuple):
    """How a column from outside becomes one of ours: SQL around its name, and the type in SQL that it has then."""

    pattern: str
    type: str

    def of(self, sql: str) -> str:
        """The SQL for a column that SQL calls so."""
        return self.pattern.format(sql)


def cast(kind: pa.DataType) -> Cast:
    """The cast of a usable Arrow type. Whole numbers without a sign stay so, until `settle` has seen how large they
    are."""
    import pyarrow as pa

    from tenure.ml.columns import logical_type

    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return Cast("make_timestamp(epoch_us({}))", "TIMESTAMP")
    logical = logical_type(kind)
    assert logical is not None
    wanted = "UBIGINT" if pa.types.is_uint64(kind) else SQL_TYPES[logical]
    return Cast(f"CAST({{}} AS {wanted})", wanted)
