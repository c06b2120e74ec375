"""What is in each column of a table that may be larger than memory: one pass for the numbers, one query a column.

A column that is in order, as times and identifiers often are, needs no query of its own: its values are told apart as
they come.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from math import sqrt
from typing import TYPE_CHECKING, Any

from tenure.core.units import format_instant

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from tenure.ml.columns import ColumnProfile, Profile
    from tenure.stages.data.engine import Column, Table


class Moments:
    """Mean and standard deviation of numbers that come batch by batch, merged as in Chan, Golub & LeVeque (1983).

    They are computed here and not by the engine, whose threads add up in another order each time.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self._squares = 0.0

    def update(self, values: pa.Array) -> None:
        """The next values, none of them missing."""
        import numpy as np

        numbers = values.to_numpy().astype(np.float64)
        if not len(numbers):
            return
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float(numbers.mean())
            squares = float(np.square(numbers - mean).sum())
        count = self.count + len(numbers)
        shift = mean - self.mean
        self._squares += squares + shift * shift * self.count * len(numbers) / count
        self.mean += shift * len(numbers) / count
        self.count = count

    @property
    def std(self) -> float | None:
        """With n - 1; None for fewer than two values."""
        return sqrt(self._squares / (self.count - 1)) if self.count > 1 else None


class Runs:
    """Whole numbers or times that come batch by batch: whether they are in order, and then how many there are and how
    many are distinct."""

    def __init__(self) -> None:
        self.known = 0
        self.distinct = 0
        self._last: int | None = None
        self._ascending = self._descending = True

    @property
    def in_order(self) -> bool:
        """Whether no value so far is below the one before it, or none above."""
        return self._ascending or self._descending

    def update(self, values: pa.Array) -> None:
        """The next values, none of them missing."""
        import numpy as np

        if not self.in_order or not len(values):
            return
        numbers = values.to_numpy().astype(np.int64, copy=False)
        if self._last is None:
            self.distinct = 1
        else:
            self._turn(np.asarray([self._last]), numbers[:1])
        self._turn(numbers[:-1], numbers[1:])
        self.known += len(numbers)
        self._last = int(numbers[-1])

    def _turn(self, before: npt.NDArray[np.int64], after: npt.NDArray[np.int64]) -> None:
        self._ascending = self._ascending and not bool((after < before).any())
        self._descending = self._descending and not bool((after > before).any())
        self.distinct += int((after != before).sum())


def profile(table: Table, moments: Mapping[str, Moments], runs: Mapping[str, Runs]) -> Profile:
    """Every column of the table; `moments` are those of its numbers, `runs` those of its columns that are in order."""
    from tenure.ml.columns import Profile

    return Profile(table.rows, tuple(_profile(table, column, moments, runs) for column in table.columns))


def _profile(
    table: Table, column: Column, moments: Mapping[str, Moments], runs: Mapping[str, Runs]
) -> ColumnProfile:
    from tenure.ml.columns import ColumnProfile

    if column.type in ("string", "boolean"):
        return _profile_of_texts(table, column)
    if column.name in runs:
        known, distinct = runs[column.name].known, runs[column.name].distinct
        ((low, high),) = table.query(f"min({column.sql}), max({column.sql})")
    else:
        ((known, distinct, low, high),) = table.engine.query(
            f"SELECT coalesce(sum(rows) FILTER (v IS NOT NULL), 0)::BIGINT, count(v), min(v), max(v) "
            f"FROM ({_groups(table, column)})"
        )
    facts: dict[str, Any] = {}
    if known:
        facts = {"minimum": _json(low), "maximum": _json(high)}
        if column.type != "timestamp":
            facts |= {"mean": moments[column.name].mean, "std": moments[column.name].std}
    return ColumnProfile(column.name, column.type, table.rows - known, distinct, **facts)


def _profile_of_texts(table: Table, column: Column) -> ColumnProfile:
    from tenure.ml.columns import TOP_VALUES, ColumnProfile, Value

    ((known, distinct, top),) = table.engine.query(
        f"WITH groups AS MATERIALIZED ({_groups(table, column)}), "
        f"top AS (SELECT v, rows FROM groups WHERE v IS NOT NULL ORDER BY rows DESC, v LIMIT {TOP_VALUES}) "
        "SELECT coalesce(sum(rows) FILTER (v IS NOT NULL), 0)::BIGINT, count(v), "
        "(SELECT list((v, rows) ORDER BY rows DESC, v) FROM top) FROM groups"
    )
    values = tuple(Value(value, count) for value, count in top or ())
    return ColumnProfile(column.name, column.type, table.rows - known, distinct, top=values)


def _groups(table: Table, column: Column) -> str:
    # Grouping lays down on the disk what count(DISTINCT) would hold in memory.
    return f"SELECT {column.sql} AS v, count(*) AS rows FROM {table.view} GROUP BY 1"


def _json(value: Any) -> float | str:
    if isinstance(value, datetime):
        return format_instant(value.replace(tzinfo=UTC))
    return float(value)
