"""Drop rows with missing values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field
from tenure.stages.data.cleaning.changes import columns_of
from tenure.stages.data.lookup import Where

if TYPE_CHECKING:
    from tenure.stages.data.engine import Table


class DropNulls(SpecModel):
    """Rows without a value in one of the columns are dropped."""

    type: Literal["drop_nulls"] = field(Effect.RETRAIN, "Drop rows with missing values.")
    columns: tuple[str, ...] = field(
        Effect.RETRAIN, "Columns that must have a value.", min_length=1, examples=[["customer_id"]]
    )

    def clean(self, table: Table, target_column: str, where: Where) -> tuple[Table, int]:
        """The rows with a value in each of the columns."""
        columns = columns_of(table, self.columns, where)
        return table.filter(" AND ".join(f"{column.sql} IS NOT NULL" for column in columns)), 0
