"""Drop rows without a label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field
from tenure.stages.data.lookup import Where

if TYPE_CHECKING:
    import pyarrow as pa


class DropNullTarget(SpecModel):
    """Rows whose target is missing cannot be learned from and are dropped."""

    type: Literal["drop_null_target"] = field(Effect.RETRAIN, "Drop rows whose target is missing.")

    def clean(self, table: pa.Table, target_column: str, where: Where) -> tuple[pa.Table, int]:
        """The rows with a target."""
        return table.filter(table.column(target_column).is_valid()), 0
