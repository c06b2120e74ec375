"""Drop repeated rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field
from tenure.stages.data.lookup import Where, require

if TYPE_CHECKING:
    import pyarrow as pa


class DropDuplicates(SpecModel):
    """Of rows that are the same, the first is kept. Missing values count as the same."""

    type: Literal["drop_duplicates"] = field(Effect.RETRAIN, "Drop repeated rows.")
    columns: tuple[str, ...] = field(
        Effect.RETRAIN,
        "Columns in which rows must agree to be the same; all of them when left out.",
        (),
        examples=[["id"]],
    )

    def clean(self, table: pa.Table, target_column: str, where: Where) -> tuple[pa.Table, int]:
        """The first row of each kind, in the order they had."""
        import pyarrow as pa
        import pyarrow.compute as pc

        for position, name in enumerate(self.columns):
            require(table, name, (*where, "columns", position))
        keys = list(self.columns or table.column_names)
        numbered = table.select(keys).rename_columns([f"k{n}" for n in range(len(keys))])
        numbered = numbered.append_column("row", pa.array(range(table.num_rows), pa.int64()))
        first = numbered.group_by([f"k{n}" for n in range(len(keys))], use_threads=False).aggregate(
            [("row", "min")]
        )
        rows = first["row_min"].combine_chunks()
        return table.take(rows.take(pc.sort_indices(rows))), 0
