"""A split by time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.core.units import parse_duration
from tenure.spec.base import DurationText, field
from tenure.stages.data.lookup import require
from tenure.stages.data.splits.shares import Rows, Shares

if TYPE_CHECKING:
    from tenure.stages.data.engine import Table


class Datetime(Shares):
    """The latest rows are the test part, those before them the validation part: the model is judged on its future."""

    type: Literal["datetime"] = field(Effect.RETRAIN, "Split by time.")
    column: str | None = field(
        Effect.RETRAIN,
        "Column with the times; `data.timestamp_column` when left out.",
        None,
        examples=["booked_at"],
    )
    gap: DurationText | None = field(
        Effect.RETRAIN,
        "Rows this close in front of the next part are used for nothing, so that a label known late or a window over "
        "the past does not reach across the cut.",
        None,
        examples=["7d"],
    )

    def assign(self, rows: Rows) -> Table:
        """The rows with the part of each, `gap` for those left out."""
        from tenure.ml.splits import assign

        name = self.column or rows.timestamp_column
        where = ("data", "split", "column")
        if name is None:
            raise StageError(
                "a datetime split needs a column with times",
                "neither data.split.column nor data.timestamp_column is set",
                "set data.timestamp_column, or choose another split type",
                path=where,
            )
        values = require(rows.table, name, where)
        if values.type != "timestamp":
            raise StageError(
                "the column holds no times",
                f"column {name!r} has type {values.type}, so rows cannot be ordered by time",
                "name a column with dates or times",
                path=where,
            )
        gap = None if self.gap is None else timedelta(seconds=parse_duration(self.gap).approximate_seconds)
        labels = assign(
            rows.table.rows,
            "datetime",
            test=self.test,
            validation=self.validation,
            times=rows.table.arrow([name]).column(0).to_numpy(),
            gap=gap,
        )
        return rows.divided(labels)
