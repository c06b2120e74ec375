"""A random split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.spec.base import field
from tenure.stages.data.splits.shares import Rows, Shares

if TYPE_CHECKING:
    from tenure.stages.data.engine import Table


class Random(Shares):
    """Rows are dealt out by chance. For rows that do not depend on one another."""

    type: Literal["random"] = field(Effect.RETRAIN, "Split by chance.")
    seed: int = field(
        Effect.RETRAIN, "Start of the random numbers; the same seed gives the same split.", 0, ge=0
    )

    def assign(self, rows: Rows) -> Table:
        """The rows with the part of each."""
        from tenure.ml.splits import by_chance

        return rows.divided(
            by_chance(rows.table.rows, test=self.test, validation=self.validation, seed=self.seed)
        )
