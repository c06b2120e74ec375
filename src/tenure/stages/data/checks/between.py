"""Numbers in a range."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.spec.base import field
from tenure.stages.data.checks.rule import Finding, Rule, first_values
from tenure.stages.data.lookup import Where, require_number

if TYPE_CHECKING:
    from tenure.stages.data.engine import Table


class Between(Rule):
    """Every value of the column lies in the range, both ends included; missing values are not looked at."""

    type: Literal["between"] = field(Effect.RETRAIN, "Check that numbers lie in a range.")
    column: str = field(Effect.RETRAIN, "The column.", examples=["temp_max"])
    min: float | None = field(Effect.RETRAIN, "Smallest value allowed, no limit when left out.", None)
    max: float | None = field(Effect.RETRAIN, "Largest value allowed, no limit when left out.", None)

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("between needs min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min ({self.min:g}) is above max ({self.max:g})")
        return self

    def check(self, table: Table, where: Where) -> Finding:
        """Counts the values outside."""
        column = require_number(table, self.column, (*where, "column")).sql
        bounds = [
            f"CAST({column} AS DOUBLE) {sign} CAST('{limit!r}' AS DOUBLE)"
            for sign, limit in (("<", self.min), (">", self.max))
            if limit is not None
        ]
        outside = " OR ".join(bounds)
        ((count,),) = table.query(f"count(*) FILTER ({outside})")
        limits = [
            f"{word} {limit:g}"
            for word, limit in (("at least", self.min), ("at most", self.max))
            if limit is not None
        ]
        return Finding(
            f"{self.column} {' and '.join(limits)}",
            count,
            first_values(table, column, outside) if count else (),
        )
