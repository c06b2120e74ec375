"""What all checks have: how serious a violation is, and what a check found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field

if TYPE_CHECKING:
    from tenure.stages.data.engine import Table

EXAMPLES = 5


class Finding(msgspec.Struct, frozen=True):
    """What a check found: a sentence, how many rows break the rule (0 when it holds), and some of their values."""

    sentence: str
    violations: int
    examples: tuple[Any, ...] = ()


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


def first_values(table: Table, column: str, broken: str) -> tuple[Any, ...]:
    """The first few different values (of a column as SQL calls it) in rows for which the SQL `broken` is true."""
    rows = table.query(column, f"WHERE {broken} GROUP BY {column} ORDER BY min(n) LIMIT {EXAMPLES}")
    return tuple(value for (value,) in rows)
