"""No missing values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.spec.base import field
from tenure.stages.data.checks.rule import Finding, Rule
from tenure.stages.data.lookup import Where, require

if TYPE_CHECKING:
    from tenure.stages.data.engine import Table


class NotNull(Rule):
    """Every row has a value in each of the columns."""

    type: Literal["not_null"] = field(Effect.RETRAIN, "Check that values are not missing.")
    columns: tuple[str, ...] = field(
        Effect.RETRAIN, "The columns.", min_length=1, examples=[["customer_id", "age"]]
    )

    def check(self, table: Table, where: Where) -> Finding:
        """Counts missing values; the examples are columns with their counts."""
        columns = [
            require(table, name, (*where, "columns", position)).sql
            for position, name in enumerate(self.columns)
        ]
        (found,) = table.query(", ".join(f"count(*) - count({column})" for column in columns))
        counts = dict(zip(self.columns, found, strict=True))
        missing = tuple(f"{name}: {count}" for name, count in counts.items() if count)
        return Finding(f"{', '.join(self.columns)} not null", sum(counts.values()), missing)
