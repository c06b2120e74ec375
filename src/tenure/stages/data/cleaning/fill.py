"""A constant for missing values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field
from tenure.stages.data.cleaning.changes import columns_of, with_values
from tenure.stages.data.lookup import Where
from tenure.stages.data.values import Scalar, literals

if TYPE_CHECKING:
    from tenure.stages.data.engine import Table


class Fill(SpecModel):
    """Missing values become a constant, where missing means something, such as no discount.

    Statistics of a column are filled in by `features`, inside the folds and in serving too.
    """

    type: Literal["fill"] = field(Effect.RETRAIN, "Fill missing values with a constant.")
    columns: tuple[str, ...] = field(Effect.RETRAIN, "The columns.", min_length=1, examples=[["discount"]])
    value: Scalar = field(Effect.RETRAIN, "What stands in for a missing value.", examples=[0, "none"])

    def clean(self, table: Table, target_column: str, where: Where) -> tuple[Table, int]:
        """The table with the columns filled, and the number of values that were missing."""
        new = {}
        for column in columns_of(table, self.columns, where):
            (value,) = literals([self.value], column, (*where, "value"))
            new[column.name] = (column.type, f"coalesce({column.sql}, {value})")
        return with_values(table, new)
