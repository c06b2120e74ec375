"""Values that only rise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.spec.base import field
from tenure.stages.data.checks.rule import Broken, RowRule
from tenure.stages.data.lookup import Where, require

if TYPE_CHECKING:
    from tenure.stages.data.checks.rule import Finding, Looked


class Monotonic(RowRule):
    """The values of the column never fall from one row to the next, such as a counter; missing ones are passed over."""

    type: Literal["monotonic"] = field(Effect.RETRAIN, "Check that values only rise.")
    column: str = field(Effect.RETRAIN, "The column.", examples=["mileage"])
    by: str | None = field(
        Effect.RETRAIN,
        "Column that orders the rows, usually a time; their order in the source when left out.",
        None,
        examples=["measured_at"],
    )
    within: tuple[str, ...] = field(
        Effect.RETRAIN,
        "Columns whose rows are looked at for themselves, such as the id of a device.",
        (),
        examples=[["car_id"]],
    )
    strictly: bool = field(Effect.RETRAIN, "Do not allow equal values either.", False)

    def check(self, looked: Looked, where: Where) -> Finding:
        """Counts the rows whose value is below that of the row before."""
        table = looked.table
        column = require(table, self.column, (*where, "column")).sql
        groups = [
            require(table, name, (*where, "within", position)).sql
            for position, name in enumerate(self.within)
        ]
        order = "n" if self.by is None else f"{require(table, self.by, (*where, 'by')).sql}, n"
        partition = f"PARTITION BY {', '.join(groups)} " if groups else ""
        before = f"lag({column} IGNORE NULLS) OVER ({partition}ORDER BY {order})"
        falls = f"{column} {'<=' if self.strictly else '<'} {before}"
        flagged = table.compute(
            {c.name: (c.type, c.sql) for c in table.columns} | {"__falls__": ("boolean", falls)}
        )
        sentence = f"{self.column} {'rises' if self.strictly else 'never falls'}"
        if self.within:
            sentence += f" within {', '.join(self.within)}"
        return self.found(looked, Broken(sentence, flagged, flagged.columns[-1].sql, self.column))
