"""Values from a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.spec.base import field
from tenure.stages.data.checks.rule import Broken, RowRule
from tenure.stages.data.lookup import Where, require
from tenure.stages.data.values import Scalar, listed, literals

if TYPE_CHECKING:
    from tenure.stages.data.checks.rule import Finding, Looked


class InSet(RowRule):
    """Every value of the column is one of the list; missing values are not looked at."""

    type: Literal["in_set"] = field(Effect.RETRAIN, "Check that values come from a list.")
    column: str = field(Effect.RETRAIN, "The column.", examples=["island"])
    values: tuple[Scalar, ...] = field(
        Effect.RETRAIN, "The values allowed.", min_length=1, examples=[["Biscoe", "Dream", "Torgersen"]]
    )

    def check(self, looked: Looked, where: Where) -> Finding:
        """Counts the values that are not in the list."""
        column = require(looked.table, self.column, (*where, "column"))
        allowed = ", ".join(literals(self.values, column, (*where, "values")))
        strange = f"{column.sql} IS NOT NULL AND {column.sql} NOT IN ({allowed})"
        sentence = f"{self.column} one of {listed(self.values)}"
        return self.found(looked, Broken(sentence, looked.table, strange, self.column))
