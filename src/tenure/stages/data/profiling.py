"""What is in each column of a table that may be larger than memory: one pass for the numbers, one query a column."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from math import sqrt
from typing import TYPE_CHECKING, Any

from tenure.core.units import format_instant

if TYPE_CHECKING:
    import pyarrow as pa

    from tenure.ml.columns import ColumnProfile, Profile, Value
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
        """The next values; nulls are not looked at."""
        import numpy as np

        numbers = values.drop_null().to_numpy().astype(np.float64)
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


def profile(table: Table, moments: Mapping[str, Moments]) -> Profile:
    """Every column of the table; `moments` are those of its numbers."""
    from tenure.ml.columns import Profile

    return Profile(table.rows, tuple(_profile(table, column, moments) for column in table.columns))


def _profile(table: Table, column: Column, moments: Mapping[str, Moments]) -> ColumnProfile:
    from tenure.ml.columns import ColumnProfile

    facts: dict[str, Any] = {}
    # Grouping lays down on the disk what count(DISTINCT) would hold in memory.
    groups = f"(SELECT {column.sql} AS v, count(*) AS rows FROM {table.view} GROUP BY 1)"
    known, distinct, low, high = table.engine.query(
        f"SELECT coalesce(sum(rows) FILTER (v IS NOT NULL), 0)::BIGINT, count(v), min(v), max(v) FROM {groups}"
    )[0]
    if known and column.type in ("number", "integer", "timestamp"):
        facts = {"minimum": _json(low), "maximum": _json(high)}
        if column.type != "timestamp":
            facts |= {"mean": moments[column.name].mean, "std": moments[column.name].std}
    elif known:
        facts["top"] = _top(table, groups)
    return ColumnProfile(column.name, column.type, table.rows - known, distinct, **facts)


def _top(table: Table, groups: str) -> tuple[Value, ...]:
    from tenure.ml.columns import TOP_VALUES, Value

    rows = table.engine.query(
        f"SELECT v, rows FROM {groups} WHERE v IS NOT NULL ORDER BY rows DESC, v LIMIT {TOP_VALUES}"
    )
    return tuple(Value(value, count) for value, count in rows)


def _json(value: Any) -> float | str:
    if isinstance(value, datetime):
        return format_instant(value.replace(tzinfo=UTC))
    return float(value)
