"""What was seen in each column: counts, ends, frequent values, and samples to recognise patterns in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tenure.ml.quoting import quoted

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from tenure.ml.signature import ColumnType

MOST_LISTED = 20
_SAMPLE = 300


class Facts(msgspec.Struct, frozen=True):
    """One column. `minimum`, `maximum`, `low` and `high` (the 1 % and 99 % quantiles) are there for numbers;
    `listed` holds every value with its rows, most frequent first, where there are at most `MOST_LISTED`."""

    name: str
    type: ColumnType
    rows: int
    known: int
    distinct: int
    minimum: Any = None
    maximum: Any = None
    low: float | None = None
    high: float | None = None
    listed: tuple[tuple[Any, int], ...] = ()
    sample: tuple[str, ...] = ()
    length: float = 0.0
    ascending: bool = False

    @property
    def nulls(self) -> int:
        """Rows without a value."""
        return self.rows - self.known

    @property
    def constant(self) -> bool:
        """Whether no row differs from another."""
        return self.distinct <= 1 and (self.known == 0 or self.nulls == 0)

    @property
    def unique(self) -> bool:
        """Whether no value occurs twice, among enough to say so."""
        return self.known > 1 and self.distinct == self.known


def facts_of(connection: duckdb.DuckDBPyConnection, view: str, table: pa.Table) -> dict[str, Facts]:
    """The facts of every column, by name; `view` is what the table is called in SQL."""
    return {name: _facts(connection, view, table, name) for name in table.column_names}


def _facts(connection: duckdb.DuckDBPyConnection, view: str, table: pa.Table, name: str) -> Facts:
    import pyarrow.compute as pc

    from tenure.ml.columns import logical_type

    kind = logical_type(table.schema.field(name).type)
    assert kind is not None
    column = quoted(name)
    known, distinct = _row(connection, f"SELECT count({column}), count(DISTINCT {column}) FROM {view}")
    found = Facts(name, kind, table.num_rows, known, distinct)
    if not known:
        return found
    more: dict[str, Any] = {}
    if kind in ("number", "integer"):
        low, high, minimum, maximum = _row(
            connection,
            f"SELECT quantile_disc({column}, 0.01), quantile_disc({column}, 0.99), min({column}), max({column}) "
            f"FROM {view}",
        )
        more |= {"low": float(low), "high": float(high), "minimum": minimum, "maximum": maximum}
        if kind == "integer" and distinct == known == table.num_rows:
            more["ascending"] = maximum - minimum + 1 == distinct
    elif kind == "timestamp":
        more["minimum"], more["maximum"] = _row(
            connection, f"SELECT min({column}), max({column}) FROM {view}"
        )
    elif kind == "string":
        (more["length"],) = _row(connection, f"SELECT avg(length({column})) FROM {view}")
        more["sample"] = tuple(pc.unique(table.column(name).drop_null()).slice(0, _SAMPLE).to_pylist())
    if distinct <= MOST_LISTED:
        query = (
            f"SELECT {column}, count(*) FROM {view} WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1"
        )
        more["listed"] = tuple(connection.sql(query).fetchall())
    return msgspec.structs.replace(found, **more)


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    row: tuple[Any, ...] = connection.sql(query).fetchall()[0]
    return row
