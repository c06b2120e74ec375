"""A condition of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.spec.base import field
from tenure.stages.data.checks.rule import Broken, RowRule
from tenure.stages.data.lookup import Where
from tenure.stages.data.named import condition

if TYPE_CHECKING:
    from tenure.stages.data.checks.rule import Finding, Looked


class Expression(RowRule):
    """A SQL condition over the columns of a row is true for every row; where it is unknown it is not looked at."""

    type: Literal["expression"] = field(Effect.RETRAIN, "Check a condition over several columns.")
    condition: str = field(
        Effect.RETRAIN,
        "SQL condition over the columns of a row.",
        min_length=1,
        examples=["arrived_at >= departed_at"],
    )

    def check(self, looked: Looked, where: Where) -> Finding:
        """Counts the rows for which the condition is false."""
        flagged = condition(
            looked.table, self.condition, (*where, "condition"), "the condition of a check cannot be used"
        )
        broken = f"NOT {flagged.columns[-1].sql}"
        return self.found(looked, Broken(self.condition.strip(), flagged, broken, None))
