"""Drop rows by a condition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field
from tenure.stages.data.lookup import Where
from tenure.stages.data.named import condition

if TYPE_CHECKING:
    from tenure.stages.data.engine import Table


class DropRows(SpecModel):
    """Rows for which a SQL condition is true are dropped, such as tests and cancelled orders."""

    type: Literal["drop_rows"] = field(Effect.RETRAIN, "Drop rows by a condition.")
    condition: str = field(
        Effect.RETRAIN,
        "SQL condition over the columns of a row, as they are after the steps before.",
        min_length=1,
        examples=["is_test OR amount = 0"],
    )

    def clean(self, table: Table, target_column: str, where: Where) -> tuple[Table, int]:
        """The rows for which the condition is false or unknown."""
        flagged = condition(
            table, self.condition, (*where, "condition"), "the condition of a cleaning step cannot be used"
        )
        return flagged.filter(f"{flagged.columns[-1].sql} IS NOT TRUE").select(table.names), 0
