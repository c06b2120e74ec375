"""Aggregates over the rows of a joined source: one SQL expression each, checked before it is run."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tenure.core.errors import StageError
from tenure.ml.parsed import NODES, called, scalar_functions, select_list
from tenure.ml.quoting import literal, quoted
from tenure.stages.data.engine import SQL_TYPES
from tenure.stages.data.lookup import Where, require

if TYPE_CHECKING:
    from tenure.ml.signature import ColumnType
    from tenure.stages.data.engine import Engine, Table

AGGREGATES = frozenset(
    {
        "arg_max",
        "arg_min",
        "avg",
        "bool_and",
        "bool_or",
        "corr",
        "count",
        "count_if",
        "count_star",
        "entropy",
        "first",
        "kurtosis",
        "last",
        "mad",
        "max",
        "max_by",
        "mean",
        "median",
        "min",
        "min_by",
        "mode",
        "product",
        "quantile_cont",
        "quantile_disc",
        "skewness",
        "stddev",
        "stddev_pop",
        "stddev_samp",
        "sum",
        "var_pop",
        "var_samp",
        "variance",
    }
)
"""What may make one value of many rows: each gives a single value that depends on nothing but those rows."""

_IN_ORDER = frozenset({"first", "last"})


def types_of(
    table: Table, expressions: Mapping[str, str], where: Where
) -> tuple[dict[str, ColumnType], list[str]]:
    """The type each aggregate gives over the columns of `table`, by its name, and the columns they read.

    Raises StageError naming the one that is no aggregate, reads an unknown column or gives nothing a model can use.
    """
    import duckdb

    from tenure.ml.columns import logical_type

    types: dict[str, ColumnType] = {}
    read: dict[str, None] = {}
    for name, expression in expressions.items():
        place = (*where, name)
        for column in _columns(table, name, expression, place):
            require(table, column, place)
            read[column] = None
        try:
            given = table.engine.schema(f"SELECT ({expression}\n) AS value FROM ({by_name(table)})")
        except duckdb.Error as error:
            raise _wrong(name, expression, str(error).strip().splitlines()[0], place) from error
        kind = logical_type(given.field("value").type)
        if kind is None:
            raise _wrong(name, expression, f"its result has type {given.field('value').type}", place)
        types[name] = kind
    return types, list(read)


def grouped(
    left: Table,
    right: Table,
    keys: Sequence[tuple[str, str]],
    expressions: Mapping[str, str],
    types: Mapping[str, ColumnType],
    reads: Sequence[str],
) -> Table:
    """For each left row with right rows of equal keys their aggregates, behind `n` of the left row in column `left`."""
    items = [f'{right.column(name).sql} AS "__k{at}"' for at, (_, name) in enumerate(keys)]
    items += [f"{right.column(name).sql} AS {quoted(name)}" for name in reads]
    group = ", ".join(f'"__k{at}"' for at in range(len(keys)))
    same = " AND ".join(f'a.{left.column(name).sql} = b."__k{at}"' for at, (name, _) in enumerate(keys))
    values = ", ".join(f"b.v{at}" for at in range(len(expressions)))
    with one_thread(left.engine):
        return left.engine.store(
            {"left": "integer", **types},
            f"SELECT a.n, {values} FROM {left.view} a JOIN (SELECT {group}, {listed(expressions, types)} "
            f"FROM (SELECT {', '.join(items)} FROM {right.view}) GROUP BY {group}) b ON {same} ORDER BY a.n",
        )


def listed(expressions: Mapping[str, str], types: Mapping[str, ColumnType]) -> str:
    """The aggregates as items of a SELECT, called `v0`, `v1`, ..."""
    return ", ".join(
        f"CAST(({expression}\n) AS {SQL_TYPES[types[name]]}) AS v{at}"
        for at, (name, expression) in enumerate(expressions.items())
    )


def of_no_rows(table: Table, expressions: Mapping[str, str], types: Mapping[str, ColumnType]) -> Table:
    """One row: what each aggregate gives when there is nothing to aggregate, such as 0 for a count."""
    return table.engine.store(
        types, f"SELECT {listed(expressions, types)} FROM ({by_name(table)}) WHERE false"
    )


@contextmanager
def one_thread(engine: Engine) -> Iterator[None]:
    """Run statements on one thread: a sum of fractions depends on the order of its terms."""
    ((threads,),) = engine.query("SELECT current_setting('threads')")
    engine.query("SET threads = 1")
    try:
        yield
    finally:
        engine.query(f"SET threads = {threads}")


def by_name(table: Table) -> str:
    """SELECT of the rows with their columns under the names of the user."""
    return f"SELECT {', '.join(f'{c.sql} AS {quoted(c.name)}' for c in table.columns)} FROM {table.view}"


def _columns(table: Table, name: str, expression: str, place: Where) -> list[str]:
    """The columns an expression reads, as the table calls them."""
    statement = literal(f"SELECT ({expression}\n)")
    ((serialized,),) = table.engine.query(f"SELECT json_serialize_sql({statement})")
    try:
        parts = select_list(serialized)
    except ValueError as error:
        raise _wrong(name, expression, str(error), place) from None
    folded = {column.casefold(): column for column in table.names}
    columns: dict[str, None] = {}
    aggregates = 0
    for item, inside in _nodes(parts, False):
        if item["class"] not in NODES:
            raise _wrong(name, expression, f"it contains {called(item['class'])}", place)
        if item["class"] == "COLUMN_REF":
            written = ".".join(item["column_names"])
            if not inside:
                raise _wrong(name, expression, f"{written} stands outside of an aggregate", place)
            columns[folded.get(written.casefold(), written)] = None
        if item["class"] == "FUNCTION":
            aggregates += _is_aggregate(item, inside, name, expression, place)
    if not aggregates:
        raise _wrong(name, expression, "it makes no single value of several rows", place)
    return list(columns)


def _is_aggregate(item: Mapping[str, Any], inside: bool, name: str, expression: str, place: Where) -> bool:
    """Whether a function makes one value of many rows. Raises StageError for a function that may not be used."""
    function = item["function_name"].lower()
    if function not in AGGREGATES:
        if function in scalar_functions():
            return False
        near = difflib.get_close_matches(function, sorted(AGGREGATES), n=1, cutoff=0.6)
        reason = f"{function}() cannot be used" + (f"; did you mean {near[0]}()?" if near else "")
        raise _wrong(name, expression, reason, place)
    if inside:
        raise _wrong(name, expression, f"{function}() stands inside another aggregate", place)
    if function in _IN_ORDER and not item["order_bys"]["orders"]:
        reason = f"{function}() needs an order: write {function}(value ORDER BY time)"
        raise _wrong(name, expression, reason, place)
    return True


def _nodes(tree: Any, inside: bool) -> Iterator[tuple[dict[str, Any], bool]]:
    """Each part of a parsed expression, and whether it stands inside an aggregate."""
    if isinstance(tree, dict):
        if "class" in tree:
            yield tree, inside
            inside = inside or tree.get("function_name", "").lower() in AGGREGATES
        for value in tree.values():
            yield from _nodes(value, inside)
    elif isinstance(tree, list):
        for value in tree:
            yield from _nodes(value, inside)


def _wrong(name: str, expression: str, reason: str, place: Where) -> StageError:
    return StageError(
        "an aggregate cannot be computed",
        f"{name!r} = {expression.strip()!r}: {reason}",
        "write one SQL aggregate over the columns of the source, such as avg(amount) or count(*)",
        path=place,
    )
