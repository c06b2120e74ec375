"""Numbers in a range."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.spec.base import field
from tenure.stages.data.checks.rule import Broken, RowRule, limits_text, refuse_no_range
from tenure.stages.data.lookup import Where, require_number

if TYPE_CHECKING:
    from tenure.stages.data.checks.rule import Finding, Looked


class Between(RowRule):
    """Every value of the column lies in the range, both ends included; missing values are not looked at."""

    type: Literal["between"] = field(Effect.RETRAIN, "Check that numbers lie in a range.")
    column: str = field(Effect.RETRAIN, "The column.", examples=["temp_max"])
    min: float | None = field(Effect.RETRAIN, "Smallest value allowed, no limit when left out.", None)
    max: float | None = field(Effect.RETRAIN, "Largest value allowed, no limit when left out.", None)

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        refuse_no_range(self.min, self.max, "between", names=("min", "max"))
        return self

    def check(self, looked: Looked, where: Where) -> Finding:
        """Counts the values outside."""
        column = require_number(looked.table, self.column, (*where, "column")).sql
        outside = " OR ".join(
            f"CAST({column} AS DOUBLE) {sign} CAST('{limit!r}' AS DOUBLE)"
            for sign, limit in (("<", self.min), (">", self.max))
            if limit is not None
        )
        sentence = f"{self.column} {limits_text(self.min, self.max)}"
        return self.found(looked, Broken(sentence, looked.table, outside, self.column))
