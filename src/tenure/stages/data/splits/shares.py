"""The fields that all splits have."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tenure.ml.splits import Labels
    from tenure.ml.task import Target
    from tenure.stages.data.engine import Table


class Rows(NamedTuple):
    """What a split may look at: the cleaned rows, what the target asks for, and the column of event times."""

    table: Table
    target_column: str
    target: Target
    timestamp_column: str | None

    def classes(self) -> npt.NDArray[np.object_]:
        """The class of each row as text."""
        import pyarrow as pa

        values: npt.NDArray[np.object_] = (
            self.table.arrow([self.target_column])
            .column(0)
            .cast(pa.string())
            .to_numpy(zero_copy_only=False)
            .astype(object)
        )
        return values

    def divided(self, labels: Labels) -> Table:
        """The rows with the part of each as column `PART`."""
        import pyarrow as pa

        from tenure.ml.snapshot import PART

        return self.table.append(PART, pa.array(labels, pa.string()))


class Shares(SpecModel):
    """Shares of the rows that are kept away from training."""

    test: float = field(
        Effect.RETRAIN,
        "Share of the rows that judges the finished model and is used for nothing else.",
        0.2,
        gt=0.0,
        lt=1.0,
    )
    validation: float = field(
        Effect.RETRAIN,
        "Share of the rows kept apart for choices made between training and test; cross-validation needs none.",
        0.0,
        ge=0.0,
        lt=1.0,
    )

    @model_validator(mode="after")
    def _leave_rows_to_train(self) -> Self:
        if self.test + self.validation >= 1.0:
            raise ValueError(
                f"test ({self.test}) and validation ({self.validation}) together leave no rows to train on"
            )
        return self
