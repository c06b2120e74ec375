"""Drop repeated rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field
from tenure.stages.data.lookup import Where, require

if TYPE_CHECKING:
    from tenure.stages.data.engine import Table


class DropDuplicates(SpecModel):
    """Of rows that are the same, the first is kept. Missing values count as the same."""

    type: Literal["drop_duplicates"] = field(Effect.RETRAIN, "Drop repeated rows.")
    columns: tuple[str, ...] = field(
        Effect.RETRAIN,
        "Columns in which rows must agree to be the same; all of them when left out.",
        (),
        examples=[["id"]],
    )

    def clean(self, table: Table, target_column: str, where: Where) -> tuple[Table, int]:
        """The first row of each kind, in the order they had."""
        for position, name in enumerate(self.columns):
            require(table, name, (*where, "columns", position))
        keys = ", ".join(table.column(name).sql for name in self.columns or table.names)
        kept = ", ".join(column.sql for column in table.columns)
        first = f"SELECT min(n) AS n FROM {table.view} GROUP BY {keys}"
        return table.engine.store(
            {column.name: column.type for column in table.columns},
            f"SELECT {kept} FROM {table.view} SEMI JOIN ({first}) USING (n) ORDER BY n",
        ), 0
