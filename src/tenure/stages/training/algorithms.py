"""Every algorithm there is. A new one is a file, and a line here."""

from __future__ import annotations

from typing import Any, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.spec.base import FieldProblem, SpecModel, field
from tenure.stages.training.algorithm import Algorithm
from tenure.stages.training.hist_gradient_boosting import HistGradientBoosting
from tenure.stages.training.logistic_regression import LogisticRegression
from tenure.stages.training.random_forest import RandomForest
from tenure.stages.training.ridge import Ridge
from tenure.stages.training.xgboost import Xgboost


class Algorithms(SpecModel):
    """The algorithms to search among; an empty block means its defaults: `xgboost: {}`."""

    xgboost: Xgboost | None = field(
        Effect.RETRAIN, "Gradient-boosted trees, for classes and numbers.", None, examples=[{}]
    )
    logistic_regression: LogisticRegression | None = field(
        Effect.RETRAIN, "A linear model of class probabilities.", None, examples=[{}]
    )
    ridge: Ridge | None = field(
        Effect.RETRAIN, "Linear regression with an L2 penalty, for numbers.", None, examples=[{}]
    )
    random_forest: RandomForest | None = field(
        Effect.RETRAIN, "The mean of many trees, for classes and numbers.", None, examples=[{}]
    )
    hist_gradient_boosting: HistGradientBoosting | None = field(
        Effect.RETRAIN,
        "Gradient-boosted trees of scikit-learn, for classes and numbers.",
        None,
        examples=[{}],
    )

    @model_validator(mode="before")
    @classmethod
    def _bare_names(cls, data: Any) -> Any:
        # `xgboost:` with nothing after it is null in YAML; who writes it means the defaults.
        if isinstance(data, dict):
            return {name: {} if block is None else block for name, block in data.items()}
        return data

    @model_validator(mode="after")
    def _at_least_one(self) -> Self:
        if not self.listed():
            raise FieldProblem("no algorithm is listed", hint="add one, such as xgboost: {}")
        return self

    def listed(self) -> dict[str, Algorithm]:
        """The algorithms of the spec by name, in the order of the fields."""
        blocks = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: block for name, block in blocks.items() if block is not None}
