"""Enough rows, not too many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.spec.base import field
from tenure.stages.data.checks.rule import Finding, Rule
from tenure.stages.data.lookup import Where

if TYPE_CHECKING:
    from tenure.stages.data.checks.rule import Looked


class RowCount(Rule):
    """The cleaned data have a number of rows in the range, both ends included, near that of the last snapshot."""

    type: Literal["row_count"] = field(Effect.RETRAIN, "Check the number of rows.")
    min: int | None = field(Effect.RETRAIN, "Fewest rows allowed, no limit when left out.", None, ge=0)
    max: int | None = field(Effect.RETRAIN, "Most rows allowed, no limit when left out.", None, ge=0)
    max_decrease: float | None = field(
        Effect.RETRAIN,
        "Largest share of the rows of the last snapshot that may be gone; the first snapshot has none to compare.",
        None,
        ge=0.0,
        lt=1.0,
        examples=[0.2],
    )
    max_increase: float | None = field(
        Effect.RETRAIN,
        "Largest share of the rows of the last snapshot that may have come on top, 1.0 for twice as many.",
        None,
        ge=0.0,
        examples=[1.0],
    )

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if all(end is None for end in (self.min, self.max, self.max_decrease, self.max_increase)):
            raise ValueError("row_count needs min, max, max_decrease or max_increase")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min ({self.min}) is above max ({self.max})")
        return self

    def check(self, looked: Looked, where: Where) -> Finding:
        """The violations are the rows too few or too many; the example is how many there are."""
        rows = looked.table.rows
        lowest, highest = [], []
        limits = []
        if self.min is not None:
            lowest.append(self.min)
            limits.append(f"at least {self.min}")
        if self.max is not None:
            highest.append(self.max)
            limits.append(f"at most {self.max}")
        if looked.previous_rows is not None:
            before = looked.previous_rows
            if self.max_decrease is not None:
                lowest.append(round(before * (1 - self.max_decrease)))
                limits.append(f"at most {self.max_decrease:.0%} fewer than the {before} of the last snapshot")
            if self.max_increase is not None:
                highest.append(round(before * (1 + self.max_increase)))
                limits.append(f"at most {self.max_increase:.0%} more than the {before} of the last snapshot")
        short = max(0, max(lowest, default=0) - rows)
        long = max(0, rows - min(highest, default=rows))
        sentence = (
            f"{' and '.join(limits)} rows"
            if limits
            else "rows like the last snapshot, of which there is none"
        )
        return Finding(sentence, short + long, (rows,) if short or long else ())
