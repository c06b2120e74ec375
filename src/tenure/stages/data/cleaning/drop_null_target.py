"""Drop rows without a label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field
from tenure.stages.data.lookup import Where

if TYPE_CHECKING:
    from tenure.stages.data.engine import Table


class DropNullTarget(SpecModel):
    """Rows whose target is missing cannot be learned from and are dropped."""

    type: Literal["drop_null_target"] = field(Effect.RETRAIN, "Drop rows whose target is missing.")

    def clean(self, table: Table, target_column: str, where: Where) -> tuple[Table, int]:
        """The rows with a target."""
        return table.filter(f"{table.column(target_column).sql} IS NOT NULL"), 0
