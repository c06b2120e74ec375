"""What all checks have: how serious a violation is, what a check may look at, and what it found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as member
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from tenure.core.effect import Effect
from tenure.spec.base import Share, SpecModel, field

if TYPE_CHECKING:
    from datetime import datetime

    from tenure.stages.data.engine import Table

EXAMPLES = 5
ROWS_SHOWN = 3
HIDDEN = "(hidden)"


class Finding(msgspec.Struct, frozen=True):
    """What a check found: a sentence, how many rows break the rule (0 when it holds), and some of their values.

    `rows` names a few of these rows by their keys. Up to `allowed` violations are tolerated.
    """

    sentence: str
    violations: int
    examples: tuple[Any, ...] = ()
    rows: tuple[str, ...] = ()
    allowed: int = 0

    @property
    def passed(self) -> bool:
        """Whether the rule holds, as far as it has to."""
        return self.violations <= self.allowed


@dataclass(frozen=True)
class Looked:
    """What a check may look at: the cleaned rows, the sources as they were read, and the rows of the last snapshot.

    `keys` are columns that name a row to people; values of `hidden` columns are never shown.
    """

    table: Table
    now: datetime
    keys: tuple[str, ...] = ()
    hidden: frozenset[str] = frozenset()
    sources: Mapping[str, Table] = member(default_factory=dict)
    previous_rows: int | None = None
    timestamp_column: str | None = None


class Broken(NamedTuple):
    """A rule for one row: `condition` is the SQL over `table` that is true where it is broken.

    `column` is the column whose values are shown, None when the rule is about several.
    """

    sentence: str
    table: Table
    condition: str
    column: str | None


class Rule(SpecModel):
    """A rule for the data."""

    # Editing a check reads and checks the data again. When they come out the same, early cut-off keeps the model; when
    # the source has moved on meanwhile, it is trained on the newer rows, so a milder effect would promise too much.
    severity: Literal["error", "warn"] = field(
        Effect.RETRAIN,
        "`error` stops everything that would be built on these data, `warn` is recorded and shown. The data are read "
        "again; when they come out the same as before, nothing is retrained.",
        "error",
    )


class RowRule(Rule):
    """A rule that each row keeps or breaks for itself."""

    tolerance: Share = field(
        Effect.RETRAIN,
        "Share of the rows that may break the rule before the check fails.",
        0.0,
        examples=[0.01],
    )

    def found(self, looked: Looked, broken: Broken) -> Finding:
        """Counts the rows that break the rule and shows a few of them."""
        ((violations,),) = broken.table.query(f"count(*) FILTER ({broken.condition})")
        if not violations:
            return Finding(broken.sentence, 0)
        return Finding(
            broken.sentence,
            violations,
            _values(looked, broken),
            rows_by_key(looked, broken.table, broken.condition),
            math.floor(self.tolerance * looked.table.rows),
        )


def _values(looked: Looked, broken: Broken) -> tuple[Any, ...]:
    """The first few different values of the column in rows that break the rule."""
    if broken.column is None:
        return ()
    if broken.column in looked.hidden:
        return (HIDDEN,)
    column = broken.table.column(broken.column)
    shown = f"{column.sql}::VARCHAR" if column.type == "timestamp" else column.sql
    rows = broken.table.query(
        f"any_value({shown})",
        f"WHERE ({broken.condition}) AND {column.sql} IS NOT NULL "
        f"GROUP BY {column.sql} ORDER BY min(n) LIMIT {EXAMPLES}",
    )
    return tuple(value for (value,) in rows)


def rows_by_key(looked: Looked, table: Table, condition: str) -> tuple[str, ...]:
    """The first few rows for which SQL over `table` is true, each named by its keys."""
    keys = [table.column(name) for name in looked.keys if name in table.names]
    if not keys:
        return ()
    items = ", ".join(
        "NULL" if key.name in looked.hidden else f"coalesce({key.sql}::VARCHAR, 'missing')" for key in keys
    )
    found = table.query(items, f"WHERE ({condition}) ORDER BY n LIMIT {ROWS_SHOWN}")
    return tuple(
        ", ".join(
            f"{key.name} {HIDDEN if text is None else text}" for key, text in zip(keys, row, strict=True)
        )
        for row in found
    )


def limits_text(low: float | str | None, high: float | str | None) -> str:
    """`at least 1 and at most 3`, as far as there are limits."""
    given = (("at least", low), ("at most", high))
    return " and ".join(
        f"{word} {limit:g}" if isinstance(limit, float) else f"{word} {limit}"
        for word, limit in given
        if limit is not None
    )


def refuse_no_range(low: float | None, high: float | None, what: str, *, names: tuple[str, str]) -> None:
    """Raises ValueError for a range without ends, or whose ends are the wrong way round."""
    if low is None and high is None:
        raise ValueError(f"{what} needs {names[0]}, {names[1]} or both")
    if low is not None and high is not None and low > high:
        raise ValueError(f"{names[0]} ({low:g}) is above {names[1]} ({high:g})")
