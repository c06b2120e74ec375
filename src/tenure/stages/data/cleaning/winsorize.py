"""Move the extremes of a column to a quantile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.spec.base import Share, SpecModel, field
from tenure.stages.data.cleaning.changes import with_values
from tenure.stages.data.lookup import Where, require_number

if TYPE_CHECKING:
    from tenure.ml.signature import ColumnType
    from tenure.stages.data.engine import Table


class Winsorize(SpecModel):
    """Numbers beyond a quantile of the column become that quantile; missing values stay missing.

    The quantiles are those of all rows, of the test part too, so this is for errors of measurement. Outliers that a
    model should not be led by are treated in `features`, inside the folds.
    """

    type: Literal["winsorize"] = field(Effect.RETRAIN, "Move extremes to a quantile.")
    columns: tuple[str, ...] = field(Effect.RETRAIN, "The columns.", min_length=1, examples=[["income"]])
    lower: Share = field(
        Effect.RETRAIN, "Values below this quantile become it; 0 leaves them.", 0.0, examples=[0.01]
    )
    upper: Share = field(
        Effect.RETRAIN, "Values above this quantile become it; 1 leaves them.", 1.0, examples=[0.99]
    )

    @model_validator(mode="after")
    def _moves_something(self) -> Self:
        if (self.lower, self.upper) == (0.0, 1.0):
            raise ValueError("winsorize needs lower, upper or both")
        if self.lower >= self.upper:
            raise ValueError(f"lower ({self.lower:g}) is not below upper ({self.upper:g})")
        return self

    def clean(self, table: Table, target_column: str, where: Where) -> tuple[Table, int]:
        """The table with the columns clipped, and the number of values moved."""
        new: dict[str, tuple[ColumnType, str]] = {}
        for position, name in enumerate(self.columns):
            column = require_number(table, name, (*where, "columns", position))
            ((ends,),) = table.query(f"quantile_disc({column.sql}, [{self.lower!r}, {self.upper!r}])")
            if ends is None:
                continue
            low, high = (
                str(end) if column.type == "integer" else f"CAST('{end!r}' AS DOUBLE)" for end in ends
            )
            moved = f"CASE WHEN {column.sql} < {low} THEN {low} WHEN {column.sql} > {high} THEN {high} "
            new[name] = (column.type, f"{moved} ELSE {column.sql} END")
        return with_values(table, new) if new else (table, 0)
