"""How much of a target one column alone explains: one scale for every pair of types, from counts per bin.

The column is cut into bins (numbers: twenty of about equal size; text: its values), and each row's target is predicted
from the *other* rows of its bin. What that saves of the loss, compared with knowing nothing, is the share explained:

classes    1 - log loss / entropy: the uncertainty coefficient (Theil's U), left-one-out
numbers    1 - squared error / variance: the correlation ratio (eta squared), left-one-out

Leaving each row out of its own prediction makes the score of an identifier 0, where the plain coefficient would be 1.
The sums have a closed form, so one pass of counting per column is enough, on tables larger than memory too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import duckdb
import msgspec

from tenure.ml.quoting import quoted

BINS = 20
_DIGITS = 6
"""Sums come out in the order of threads; digits beyond would differ from run to run."""

Kind = Literal["number", "time", "category"]


class Association(msgspec.Struct, frozen=True):
    """The share of the target (0 to 1) that a column alone explains, and into how many bins it was cut."""

    column: str
    score: float
    bins: int


def associations(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    columns: Mapping[str, Kind],
    target: str,
    *,
    classes: bool,
    sample: str | None = None,
) -> tuple[Association, ...]:
    """The association of every column with the target, highest first; `classes` says what the target is.

    `table` is what can stand behind FROM: a name, or a table function. Rows without a target are not looked at.
    `sample` is another such thing with fewer of the rows, to take the edges of the bins from (default: all of them).
    """
    count = _classes if classes else _numbers
    found = [
        Association(
            name, *count(connection, table, _bin(connection, sample or table, name, kind), quoted(target))
        )
        for name, kind in columns.items()
    ]
    return tuple(sorted(found, key=lambda item: (-item.score, item.column)))


def _bin(connection: duckdb.DuckDBPyConnection, table: str, name: str, kind: Kind) -> str:
    """SQL for the bin of a value; missing values are a bin of their own."""
    if kind == "category":
        return quoted(name)
    value = (
        f"CAST(epoch_us({quoted(name)}) AS DOUBLE)" if kind == "time" else f"CAST({quoted(name)} AS DOUBLE)"
    )
    points = [(i + 1) / BINS for i in range(BINS - 1)]
    (edges,) = connection.sql(f"SELECT quantile_disc({value}, {points}) FROM {table}").fetchall()[0]
    # An edge belongs to the bin below it, so that a frequent smallest value is alone in its own.
    cuts = " ".join(
        f"WHEN {value} <= {edge!r}::DOUBLE THEN {i}" for i, edge in enumerate(sorted(set(edges or ())))
    )
    return f"CASE WHEN {value} IS NULL THEN NULL {cuts} ELSE {BINS} END"


def _classes(
    connection: duckdb.DuckDBPyConnection, table: str, bin_of: str, target: str
) -> tuple[float, int]:
    """The share of the entropy explained. A class with share p and n of a bin's m rows is predicted for one of them
    with (n - 1 + p) / m: by the others, and the whole table weighing as much as one row."""
    query = f"""
        WITH counted AS (
            SELECT {bin_of} AS bin, {target} AS class, count(*)::DOUBLE AS n
            FROM {table} WHERE {target} IS NOT NULL GROUP BY ALL
        ), shares AS (
            SELECT class, sum(n) / (SELECT sum(n) FROM counted) AS share FROM counted GROUP BY class
        ), sized AS (
            SELECT bin, n, share, sum(n) OVER (PARTITION BY bin) AS size FROM counted JOIN shares USING (class)
        )
        SELECT -sum(n * ln((n - 1 + share) / size)), -sum(n * ln(share)), count(DISTINCT coalesce(bin::VARCHAR, ''))
        FROM sized"""
    return _share(connection, query)


def _numbers(
    connection: duckdb.DuckDBPyConnection, table: str, bin_of: str, target: str
) -> tuple[float, int]:
    """The share of the variance explained. With y centred, a row is predicted by (s - y) / n from the sum s of the n
    rows of its bin: the others, and the mean of the table weighing as much as one row."""
    query = f"""
        WITH centred AS (
            SELECT {bin_of} AS bin, {target}::DOUBLE - (SELECT avg({target}::DOUBLE) FROM {table}) AS y
            FROM {table} WHERE {target} IS NOT NULL
        ), summed AS (
            SELECT bin, count(*)::DOUBLE AS n, sum(y) AS s, sum(y * y) AS q FROM centred GROUP BY bin
        )
        SELECT sum(((n + 1) * (n + 1) * q - 2 * (n + 1) * s * s + n * s * s) / (n * n)), sum(q), count(*)
        FROM summed"""
    return _share(connection, query)


def _share(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[float, int]:
    loss, naive, bins = connection.sql(query).fetchall()[0]
    if not naive or naive <= 0:
        return 0.0, int(bins)
    return round(max(0.0, 1.0 - loss / naive), _DIGITS), int(bins)
