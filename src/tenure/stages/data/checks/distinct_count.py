"""How many different values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.spec.base import field
from tenure.stages.data.checks.rule import Finding, Rule, limits_text, refuse_no_range
from tenure.stages.data.lookup import Where, require

if TYPE_CHECKING:
    from tenure.stages.data.checks.rule import Looked


class DistinctCount(Rule):
    """The column has a number of different values in the range, both ends included; missing is no value."""

    type: Literal["distinct_count"] = field(Effect.RETRAIN, "Check how many different values a column has.")
    column: str = field(Effect.RETRAIN, "The column.", examples=["country"])
    min: int | None = field(Effect.RETRAIN, "Fewest values allowed, no limit when left out.", None, ge=0)
    max: int | None = field(Effect.RETRAIN, "Most values allowed, no limit when left out.", None, ge=0)

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        refuse_no_range(self.min, self.max, "distinct_count", names=("min", "max"))
        return self

    def check(self, looked: Looked, where: Where) -> Finding:
        """The violations are the values too few or too many; the example is how many there are."""
        column = require(looked.table, self.column, (*where, "column"))
        ((found,),) = looked.table.query(f"count(DISTINCT {column.sql})")
        off = max(0, (self.min or 0) - found) + (0 if self.max is None else max(0, found - self.max))
        sentence = f"{self.column} has {limits_text(self.min, self.max)} different values"
        return Finding(sentence, off, (found,) if off else ())
