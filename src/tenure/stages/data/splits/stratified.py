"""A random split within each class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import field
from tenure.stages.data.splits.shares import Rows, Shares

if TYPE_CHECKING:
    from tenure.stages.data.engine import Table


class Stratified(Shares):
    """Rows are dealt out by chance within each class, so that every part has the classes in the same proportion."""

    type: Literal["stratified"] = field(Effect.RETRAIN, "Split by chance within each class.")
    seed: int = field(
        Effect.RETRAIN, "Start of the random numbers; the same seed gives the same split.", 0, ge=0
    )

    def assign(self, rows: Rows) -> Table:
        """The rows with the part of each. Raises StageError when the target has no classes."""
        from tenure.ml.splits import assign

        if rows.target.task == "regression":
            raise StageError(
                "a stratified split needs classes",
                f"target column {rows.target_column!r} is a number to be predicted, without classes",
                "choose split type random, or datetime if the rows have a time",
                path=("data", "split", "type"),
            )
        labels = assign(
            rows.table.rows,
            "stratified",
            test=self.test,
            validation=self.validation,
            seed=self.seed,
            classes=rows.classes(),
        )
        return rows.divided(labels)
