"""Transform `impute`: something stands in for a missing number."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.ml.transforms.base import Action, Learned, Target, Transform
from tenure.spec.base import FieldProblem, field

ImputeStrategy = Literal["median", "mean", "most_frequent", "constant"]


class Impute(Transform):
    """Missing numbers become a statistic of the training rows, or a number of your choice.

    A column without any value in the training rows becomes 0.
    """

    type: Literal["impute"] = field(Effect.RETRAIN, "Something stands in for a missing number.")
    strategy: ImputeStrategy = field(
        Effect.RETRAIN,
        "What stands in: `median`, `mean` or the most frequent value of the training rows, or `constant`.",
        "median",
    )
    value: float | None = field(
        Effect.RETRAIN, "The number for `constant`; 0 when left out.", None, examples=[-1]
    )

    @model_validator(mode="after")
    def _value_is_used(self) -> Self:
        if self.value is not None and self.strategy != "constant":
            raise FieldProblem(
                f"the strategy {self.strategy} uses no value", at=("value",), hint="choose constant"
            )
        return self

    @property
    def completes(self) -> bool:
        """Whether there is a number for a missing one."""
        return True

    def fit(self, values: Any, target: Target | None) -> Learned:
        """`values` (columns,): what stands in for each."""
        import numpy as np

        return {"values": np.array([self._standing_in(column[~np.isnan(column)]) for column in values.T])}

    def _standing_in(self, known: Any) -> float:
        import numpy as np

        if self.strategy == "constant":
            return self.value or 0.0
        if not len(known):
            return 0.0
        if self.strategy == "median":
            return float(np.median(known))
        if self.strategy == "mean":
            return float(np.mean(known))
        values, counts = np.unique(known, return_counts=True)
        return float(values[np.argmax(counts)])

    def compiled(self, learned: Learned) -> Action:
        """NaN replaced."""
        import numpy as np

        values = learned["values"]
        return lambda matrix: np.where(np.isnan(matrix), values, matrix)
