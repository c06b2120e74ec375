"""Values that stand for a missing one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import SpecModel, field
from tenure.stages.data.cleaning.changes import columns_of, with_values
from tenure.stages.data.lookup import Where
from tenure.stages.data.values import Scalar, as_sql, listed

if TYPE_CHECKING:
    from tenure.stages.data.engine import Table


class SetNull(SpecModel):
    """Values that stand for a missing one, such as `?`, `unknown` or -999, become missing."""

    type: Literal["set_null"] = field(Effect.RETRAIN, "Make marker values missing.")
    columns: tuple[str, ...] = field(
        Effect.RETRAIN, "The columns, all of them when left out.", (), examples=[["income"]]
    )
    values: tuple[Scalar, ...] = field(
        Effect.RETRAIN,
        "The values. In each column those of its type are looked for.",
        min_length=1,
        examples=[["?", "unknown"], [-999]],
    )

    def clean(self, table: Table, target_column: str, where: Where) -> tuple[Table, int]:
        """The table without the markers, and how many there were."""
        new = {}
        for column in columns_of(table, self.columns, where) or table.columns:
            markers = [sql for value in self.values if (sql := as_sql(value, column.type)) is not None]
            if markers:
                listing = ", ".join(markers)
                new[column.name] = (
                    column.type,
                    f"CASE WHEN {column.sql} NOT IN ({listing}) THEN {column.sql} END",
                )
        if not new:
            raise StageError(
                "no column can hold these values",
                f"{listed(self.values)} fits the type of none of the columns",
                "write text in quotes, numbers and true or false without",
                path=(*where, "values"),
            )
        return with_values(table, new)
