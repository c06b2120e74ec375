"""Signal `data_drift`: the inputs no longer look like those the model was made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import SpecModel, field
from tenure.stages.monitoring.distances import Metric, judge_distances
from tenure.stages.monitoring.judging import Judgement, WindowRows

if TYPE_CHECKING:
    from tenure.ml.reference import Reference


class DataDrift(SpecModel):
    """Compares every input column with the frozen reference.

    A column counts as drifted when its distance passes the threshold and is above its own noise floor. Drift alone does
    not mean that predictions got worse.
    """

    needs_labels: ClassVar[bool] = False

    type: Literal["data_drift"] = field(Effect.OPERATE, "The inputs no longer look like the reference.")
    metric: Metric = field(
        Effect.OPERATE,
        "The distance between the histograms: `population_stability_index`, or `jensen_shannon` (base 2, at most 1).",
        "population_stability_index",
    )
    warn: float = field(Effect.OPERATE, "Distance from which a column is worth a warning.", 0.1, gt=0)
    critical: float = field(Effect.OPERATE, "Distance from which a column is critical.", 0.25, gt=0)
    columns: tuple[str, ...] | None = field(
        Effect.OPERATE, "The input columns to watch. All of them by default.", None, min_length=1
    )

    @model_validator(mode="after")
    def _ordered(self) -> DataDrift:
        if self.warn > self.critical:
            raise ValueError("warn must not be above critical")
        return self

    def check(self, name: str, reference: Reference) -> None:
        """Every column that is named must be an input of the model."""
        known = {column.name for column in reference.columns}
        for position, column in enumerate(self.columns or ()):
            if column not in known:
                raise StageError(
                    "the column is not an input of the model",
                    f"signal {name!r} watches {column!r}; the model has {', '.join(sorted(known))}",
                    "Name one of these, or leave columns out to watch all of them.",
                    path=("monitoring", "signals", name, "columns", position),
                )

    def judge(self, rows: WindowRows) -> Judgement:
        """The drift of the inputs in one window."""
        from tenure.ml.inference_log import feature_column

        watched = {
            feature_column(column.name): column
            for column in rows.reference.columns
            if column.name not in rows.redacted and (self.columns is None or column.name in self.columns)
        }
        return judge_distances(rows, watched, self.metric, {"warn": self.warn, "critical": self.critical})
