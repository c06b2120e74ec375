"""No missing values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.spec.base import field
from tenure.stages.data.checks.rule import Finding, RowRule, rows_by_key
from tenure.stages.data.lookup import Where, require

if TYPE_CHECKING:
    from tenure.stages.data.checks.rule import Looked


class NotNull(RowRule):
    """Every row has a value in each of the columns."""

    type: Literal["not_null"] = field(Effect.RETRAIN, "Check that values are not missing.")
    columns: tuple[str, ...] = field(
        Effect.RETRAIN, "The columns.", min_length=1, examples=[["customer_id", "age"]]
    )

    def check(self, looked: Looked, where: Where) -> Finding:
        """Counts missing values; the examples are columns with their counts. The tolerance is for each column."""
        table = looked.table
        columns = [
            require(table, name, (*where, "columns", position)).sql
            for position, name in enumerate(self.columns)
        ]
        (found,) = table.query(", ".join(f"count(*) - count({column})" for column in columns))
        allowed = math.floor(self.tolerance * table.rows)
        over = {name: count for name, count in zip(self.columns, found, strict=True) if count > allowed}
        sentence = f"{', '.join(self.columns)} not null"
        if not over:
            return Finding(sentence, sum(found), allowed=sum(found))
        missing = " OR ".join(f"{table.column(name).sql} IS NULL" for name in over)
        return Finding(
            sentence,
            sum(over.values()),
            tuple(f"{name}: {count}" for name, count in over.items()),
            rows_by_key(looked, table, missing),
        )
