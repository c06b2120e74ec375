"""Move values into a range."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import SpecModel, field
from tenure.stages.data.lookup import Where, require_number

if TYPE_CHECKING:
    from tenure.stages.data.engine import Table


class Clip(SpecModel):
    """Numbers below `low` become `low`, numbers above `high` become `high`; missing values stay missing."""

    type: Literal["clip"] = field(Effect.RETRAIN, "Move the values of a column into a range.")
    column: str = field(Effect.RETRAIN, "The column.", examples=["wind_speed"])
    low: float | None = field(Effect.RETRAIN, "Smallest value, no limit when left out.", None)
    high: float | None = field(Effect.RETRAIN, "Largest value, no limit when left out.", None)

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.low is None and self.high is None:
            raise ValueError("clip needs low, high or both")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low ({self.low:g}) is above high ({self.high:g})")
        return self

    def clean(self, table: Table, target_column: str, where: Where) -> tuple[Table, int]:
        """The table with the column clipped, and the number of values moved."""
        column = require_number(table, self.column, (*where, "column"))
        moved, cases = [], []
        for name, limit, sign in (("low", self.low, "<"), ("high", self.high, ">")):
            if limit is None:
                continue
            if column.type == "integer" and not limit.is_integer():
                raise StageError(
                    "a fraction cannot limit whole numbers",
                    f"column {self.column!r} holds whole numbers, and {name} is {limit:g}",
                    "use a whole number",
                    path=(*where, name),
                )
            bound = str(int(limit)) if column.type == "integer" else f"CAST('{limit!r}' AS DOUBLE)"
            moved.append(f"{column.sql} {sign} {bound}")
            cases.append(f"WHEN {column.sql} {sign} {bound} THEN {bound}")
        ((cells,),) = table.query(f"count(*) FILTER ({' OR '.join(moved)})")
        clipped = f"CASE {' '.join(cases)} ELSE {column.sql} END"
        return table.replace(self.column, column.type, clipped), cells
