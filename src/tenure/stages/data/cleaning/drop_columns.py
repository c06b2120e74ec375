"""Leave columns out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field
from tenure.stages.data.cleaning.changes import columns_of
from tenure.stages.data.lookup import Where

if TYPE_CHECKING:
    from tenure.stages.data.engine import Table


class DropColumns(SpecModel):
    """Columns that are not kept in the snapshot, so that nothing later can see them."""

    type: Literal["drop_columns"] = field(Effect.RETRAIN, "Leave columns out.")
    columns: tuple[str, ...] = field(
        Effect.RETRAIN, "The columns.", min_length=1, examples=[["name", "phone"]]
    )

    def clean(self, table: Table, target_column: str, where: Where) -> tuple[Table, int]:
        """The table without the columns."""
        columns_of(table, self.columns, where)
        return table.select([name for name in table.names if name not in self.columns]), 0
