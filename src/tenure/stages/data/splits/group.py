"""A split that keeps groups together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import field
from tenure.stages.data.lookup import require
from tenure.stages.data.splits.shares import COLUMN, Rows, Shares

if TYPE_CHECKING:
    from tenure.stages.data.engine import Table


class Group(Shares):
    """Groups are dealt out by chance, all rows of a group to one part, as near to the shares as they allow.

    For rows that belong together, such as all visits of a patient: a model that has seen some of them would be judged
    too well on the others. Use `hash` where rows must stay in their part while the data grow.
    """

    type: Literal["group"] = field(Effect.RETRAIN, "Split by groups of rows.")
    column: str | None = field(
        Effect.RETRAIN,
        "Column that says to which group a row belongs; the one of `data.entities` when left out.",
        None,
        examples=["patient_id"],
    )
    seed: int = field(
        Effect.RETRAIN, "Start of the random numbers; the same seed gives the same split.", 0, ge=0
    )

    def assign(self, rows: Rows) -> Table:
        """The rows with the part of each. Raises StageError when there are fewer groups than parts."""
        import numpy as np
        import pyarrow as pa

        from tenure.ml.snapshot import PART
        from tenure.ml.splits import PARTS, of_groups

        name = self.column or (rows.entities[0] if len(rows.entities) == 1 else None)
        if name is None:
            raise StageError(
                "a group split needs a column",
                "neither data.split.column nor a single data.entities is set",
                "set data.split.column to the column that says to which group a row belongs",
                path=COLUMN,
            )
        table = rows.table
        column = require(table, name, COLUMN)
        rows.refuse_missing(column, "group")
        groups = table.engine.store(
            {"group": column.type, "rows": "integer"},
            f"SELECT {column.sql}, count(*) FROM {table.view} GROUP BY {column.sql} ORDER BY {column.sql}",
        )
        sizes = groups.arrow(["rows"]).column(0).to_numpy()
        parts = of_groups(sizes, test=self.test, validation=self.validation, seed=self.seed)
        labelled = groups.append("part", pa.array(np.asarray(PARTS)[parts]))
        items = ", ".join(f"a.{c.sql}" for c in table.columns)
        return table.engine.store(
            {c.name: c.type for c in table.columns} | {PART: "string"},
            f"SELECT {items}, b.{labelled.column('part').sql} FROM {table.view} a "
            f"JOIN {labelled.view} b ON a.{column.sql} = b.{labelled.column('group').sql} ORDER BY a.n",
        )
