"""Signal `prediction_drift`: the model answers differently from how it answered on the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field
from tenure.stages.monitoring.distances import Metric, judge_distances
from tenure.stages.monitoring.judging import Judgement, WindowRows

if TYPE_CHECKING:
    from tenure.ml.reference import Reference


class PredictionDrift(SpecModel):
    """Compares the predictions with those for the reference rows: the mix of classes, or the predicted numbers.

    With `reference.dataset: test` the scores of the classes are compared as well; on rows a model was trained on it is
    surer than on new ones, so there they are not.
    """

    needs_labels: ClassVar[bool] = False

    type: Literal["prediction_drift"] = field(
        Effect.OPERATE, "The predictions no longer look like those for the reference."
    )
    metric: Metric = field(
        Effect.OPERATE,
        "The distance between the histograms: `population_stability_index`, or `jensen_shannon` (base 2, at most 1).",
        "population_stability_index",
    )
    warn: float = field(Effect.OPERATE, "Distance from which the predictions are worth a warning.", 0.1, gt=0)
    critical: float = field(Effect.OPERATE, "Distance from which the predictions are critical.", 0.25, gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> PredictionDrift:
        if self.warn > self.critical:
            raise ValueError("warn must not be above critical")
        return self

    def check(self, name: str, reference: Reference) -> None:
        """Every model predicts something."""

    def judge(self, rows: WindowRows) -> Judgement:
        """The drift of the predictions in one window."""
        watched = {column.name: column for column in rows.reference.predictions}
        return judge_distances(rows, watched, self.metric, {"warn": self.warn, "critical": self.critical})
