"""Enough rows, not too many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.spec.base import field
from tenure.stages.data.checks.rule import Finding, Rule
from tenure.stages.data.lookup import Where

if TYPE_CHECKING:
    from tenure.stages.data.engine import Table


class RowCount(Rule):
    """The cleaned data have a number of rows in the range, both ends included."""

    type: Literal["row_count"] = field(Effect.RETRAIN, "Check the number of rows.")
    min: int | None = field(Effect.RETRAIN, "Fewest rows allowed, no limit when left out.", None, ge=0)
    max: int | None = field(Effect.RETRAIN, "Most rows allowed, no limit when left out.", None, ge=0)

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("row_count needs min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min ({self.min}) is above max ({self.max})")
        return self

    def check(self, table: Table, where: Where) -> Finding:
        """The violations are the rows too few or too many; the example is how many there are."""
        rows = table.rows
        short = max(0, (self.min or 0) - rows)
        long = 0 if self.max is None else max(0, rows - self.max)
        limits = [f"at least {self.min}"] * (self.min is not None) + [f"at most {self.max}"] * (
            self.max is not None
        )
        return Finding(f"{' and '.join(limits)} rows", short + long, (rows,) if short or long else ())
