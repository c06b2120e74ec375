"""A split by the hash of a column: a row stays in its part while the data grow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import field
from tenure.stages.data.lookup import require
from tenure.stages.data.splits.shares import Rows, Shares

if TYPE_CHECKING:
    from tenure.stages.data.engine import Table

_KEY = "tenure-hash-part"
"""Sixteen characters, as the hash asks for; part of the split's definition."""


class Hash(Shares):
    """The hash of a column decides, so a row that was in the test part stays there when new rows arrive.

    A champion and a challenger are then judged on rows that neither was trained on. Rows with the same value stay
    together, for instance all rows of one customer.
    """

    type: Literal["hash"] = field(Effect.RETRAIN, "Split by the hash of a column.")
    column: str | None = field(
        Effect.RETRAIN,
        "Column whose values are hashed; `data.timestamp_column` when left out.",
        None,
        examples=["customer_id"],
    )
    seed: int = field(Effect.RETRAIN, "Another seed gives another split.", 0, ge=0)

    def assign(self, rows: Rows) -> Table:
        """The rows with the part of each. Raises StageError when a part gets no rows."""
        import numpy as np
        import pyarrow as pa
        from pandas.util import hash_array

        name = self.column or rows.timestamp_column
        where = ("data", "split", "column")
        if name is None:
            raise StageError(
                "a hash split needs a column",
                "neither data.split.column nor data.timestamp_column is set",
                "set data.split.column to a column that identifies a row or the group it belongs to",
                path=where,
            )
        require(rows.table, name, where)
        values = rows.table.arrow([name]).column(0)
        texts = values.cast(pa.string()).fill_null("").to_numpy(zero_copy_only=False)
        hashes = hash_array(np.array([f"{self.seed}:{text}" for text in texts], dtype=object), hash_key=_KEY)
        drawn = hashes.astype(np.float64) / 2.0**64
        labels = np.full(len(drawn), "train", dtype="<U10")
        labels[drawn < self.test] = "test"
        labels[(drawn >= self.test) & (drawn < self.test + self.validation)] = "validation"
        wanted = {"train", "test"} | ({"validation"} if self.validation > 0 else set())
        missing = wanted - set(labels.tolist())
        if missing:
            raise StageError(
                "a part of the split has no rows",
                f"the {len(drawn)} rows leave nothing for: {', '.join(sorted(missing))}",
                "bring more rows, change the shares, or hash a column with more distinct values",
                path=("data", "split"),
            )
        return rows.divided(labels)
