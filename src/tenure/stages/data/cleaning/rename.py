"""Other names for columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import SpecModel, field
from tenure.stages.data.lookup import Where, require

if TYPE_CHECKING:
    from tenure.stages.data.engine import Table


class Rename(SpecModel):
    """Columns get other names. Steps after it, and the model's callers, use the new ones."""

    type: Literal["rename"] = field(Effect.BREAKING, "Give columns other names.")
    columns: dict[str, str] = field(
        Effect.BREAKING,
        "Name of a column and its new name. Columns that other fields of `data` name keep theirs.",
        min_length=1,
        examples=[{"cust_no": "customer_id"}],
    )

    def clean(self, table: Table, target_column: str, where: Where) -> tuple[Table, int]:
        """The table with the columns renamed, in their places."""
        place = (*where, "columns")
        for name in self.columns:
            require(table, name, (*place, name))
        names = [self.columns.get(name, name) for name in table.names]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise StageError(
                "a column name is taken",
                f"there would be more than one column called {', '.join(twice)}",
                "choose other names",
                path=place,
            )
        new = zip(names, table.columns, strict=True)
        return table.compute({name: (column.type, column.sql) for name, column in new}), 0
