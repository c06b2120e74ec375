"""Other words for values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.ml.quoting import literal
from tenure.spec.base import SpecModel, field
from tenure.stages.data.cleaning.changes import unreadable, with_values
from tenure.stages.data.lookup import Where, require_text

if TYPE_CHECKING:
    from tenure.stages.data.engine import Table


class MapValues(SpecModel):
    """Texts of a column become others: spellings of one thing, rare classes in one."""

    type: Literal["map_values"] = field(Effect.RETRAIN, "Replace values of a column.")
    column: str = field(Effect.RETRAIN, "The column, which holds text.", examples=["country"])
    values: dict[str, str | None] = field(
        Effect.RETRAIN,
        "Value -> what it becomes; nothing (`null`) makes it missing.",
        min_length=1,
        examples=[{"Holland": "NL", "Netherlands": "NL"}],
    )
    others: Literal["keep", "missing", "fail"] = field(
        Effect.RETRAIN, "What becomes of values that are not listed.", "keep"
    )

    def clean(self, table: Table, target_column: str, where: Where) -> tuple[Table, int]:
        """The table with the column mapped, and the number of values that changed."""
        column = require_text(table, self.column, (*where, "column"))
        cases = " ".join(
            f"WHEN {literal(old)} THEN {'NULL' if new is None else literal(new)}"
            for old, new in self.values.items()
        )
        if self.others == "fail":
            known = ", ".join(literal(old) for old in {*self.values, *filter(None, self.values.values())})
            read = f"CASE WHEN {column.sql} IN ({known}) THEN 1 END"
            hint = "list them under values, or set others: keep"
            error = unreadable(table, column, read, "value of the list", (*where, "values"), hint)
            if error:
                raise error
        rest = "NULL" if self.others == "missing" else column.sql
        if self.others == "missing":
            # What values become is known as well: a second run of the same step must leave it alone.
            kept = sorted({new for new in self.values.values() if new is not None} - set(self.values))
            cases += "".join(f" WHEN {literal(new)} THEN {literal(new)}" for new in kept)
        mapped = f"CASE {column.sql} {cases} ELSE {rest} END"
        return with_values(table, {self.column: (column.type, mapped)})
