"""A figure of a column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.spec.base import field
from tenure.stages.data.aggregates import one_thread
from tenure.stages.data.checks.rule import Finding, Rule, limits_text, refuse_no_range
from tenure.stages.data.lookup import Where, require_number

if TYPE_CHECKING:
    from tenure.stages.data.checks.rule import Looked

_SQL = {"mean": "avg({})", "median": "median({})", "std": "stddev_samp({})", "sum": "sum({})"}


class Statistic(Rule):
    """A figure of a column lies in the range, both ends included; missing values are not looked at."""

    type: Literal["statistic"] = field(Effect.RETRAIN, "Check a mean, median, deviation or sum.")
    column: str = field(Effect.RETRAIN, "The column.", examples=["amount"])
    statistic: Literal["mean", "median", "std", "sum"] = field(Effect.RETRAIN, "Which figure of it.", "mean")
    min: float | None = field(Effect.RETRAIN, "Smallest figure allowed, no limit when left out.", None)
    max: float | None = field(Effect.RETRAIN, "Largest figure allowed, no limit when left out.", None)

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        refuse_no_range(self.min, self.max, "statistic", names=("min", "max"))
        return self

    def check(self, looked: Looked, where: Where) -> Finding:
        """One violation when the figure is outside, or there is none; the example is the figure."""
        column = require_number(looked.table, self.column, (*where, "column"))
        with one_thread(looked.table.engine):
            ((found,),) = looked.table.query(_SQL[self.statistic].format(f"CAST({column.sql} AS DOUBLE)"))
        sentence = f"{self.statistic} of {self.column} {limits_text(self.min, self.max)}"
        if found is None:
            return Finding(sentence, 1, ("no value",))
        off = (self.min is not None and found < self.min) or (self.max is not None and found > self.max)
        return Finding(sentence, int(off), (f"it is {found:.6g}",) if off else ())
