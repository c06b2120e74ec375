"""A random split within each class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.ml.quoting import literal
from tenure.spec.base import field
from tenure.stages.data.splits.shares import Rows, Shares

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tenure.stages.data.engine import Table


class Stratified(Shares):
    """Rows are dealt out by chance within each class, so that every part has the classes in the same proportion."""

    type: Literal["stratified"] = field(Effect.RETRAIN, "Split by chance within each class.")
    seed: int = field(
        Effect.RETRAIN, "Start of the random numbers; the same seed gives the same split.", 0, ge=0
    )

    def assign(self, rows: Rows) -> Table:
        """The rows with the part of each. Raises StageError when the target has no classes."""
        from tenure.ml.splits import within_classes

        if rows.target.task == "regression":
            raise StageError(
                "a stratified split needs classes",
                f"target column {rows.target_column!r} is a number to be predicted, without classes",
                "choose split type random or datetime",
                path=("data", "split", "type"),
            )
        parts = within_classes(_codes(rows), test=self.test, validation=self.validation, seed=self.seed)
        return rows.divided(parts)


def _codes(rows: Rows) -> npt.NDArray[np.int16]:
    """The class of each row, counted from 0 in the order of their texts."""
    import numpy as np

    table, column = rows.table, rows.table.column(rows.target_column)
    text = f"{column.sql}::VARCHAR"
    classes = sorted(found for (found,) in table.query(text, f"GROUP BY {column.sql}"))
    listed = ", ".join(literal(found) for found in classes)
    codes = table.compute({"code": ("integer", f"list_position([{listed}], {text}) - 1")})
    pieces = [batch.column(0).to_numpy().astype(np.int16) for batch in codes.batches()]
    return np.concatenate(pieces) if pieces else np.empty(0, dtype=np.int16)
