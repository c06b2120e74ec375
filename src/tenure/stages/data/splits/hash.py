"""A split by the hash of a column: a row stays in its part while the data grow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import field
from tenure.stages.data.lookup import require
from tenure.stages.data.splits.shares import COLUMN, Rows, Shares

if TYPE_CHECKING:
    from tenure.stages.data.engine import Table


class Hash(Shares):
    """The hash of a column decides, so a row that was in the test part stays there when new rows arrive.

    A champion and a challenger are then judged on rows that neither was trained on. Rows with the same value stay
    together, for instance all rows of one customer.
    """

    type: Literal["hash"] = field(Effect.RETRAIN, "Split by the hash of a column.")
    column: str | None = field(
        Effect.RETRAIN,
        "Column whose values are hashed; when left out `data.entities`, else `data.timestamp_column`.",
        None,
        examples=["customer_id"],
    )
    seed: int = field(Effect.RETRAIN, "Another seed gives another split.", 0, ge=0)

    def assign(self, rows: Rows) -> Table:
        """The rows with the part of each. Raises StageError when a part gets no rows."""
        from tenure.ml.snapshot import PART

        timestamp = () if rows.timestamp_column is None else (rows.timestamp_column,)
        names = (self.column,) if self.column else rows.entities or timestamp
        if not names:
            raise StageError(
                "a hash split needs a column",
                "neither data.split.column nor data.entities nor data.timestamp_column is set",
                "set data.split.column to a column that identifies a row or the group it belongs to",
                path=COLUMN,
            )
        texts = [f"coalesce({require(rows.table, name, COLUMN).sql}::VARCHAR, '')" for name in names]
        # MD5 is the same everywhere and for ever, so that a row keeps its part whatever computes it.
        drawn = (
            f"md5_number_upper('{self.seed}:' || {' || chr(31) || '.join(texts)}) / 18446744073709551616.0"
        )
        table = rows.assigned(
            f"CASE WHEN {drawn} < {self.test!r} THEN 'test' "
            f"WHEN {drawn} < {self.test + self.validation!r} THEN 'validation' ELSE 'train' END"
        )
        part = table.column(PART).sql
        found = {name for (name,) in table.query(part, f"GROUP BY {part}")}
        missing = {"train", "test"} | ({"validation"} if self.validation > 0 else set())
        if missing := missing - found:
            raise StageError(
                "a part of the split has no rows",
                f"the {table.rows} rows leave nothing for: {', '.join(sorted(missing))}",
                "bring more rows, change the shares, or hash a column with more distinct values",
                path=("data", "split"),
            )
        return table
