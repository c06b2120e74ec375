"""Algorithm `lasso`: linear regression with an L1 penalty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field
from tenure.stages.training.algorithm import Algorithm, Fit, Rows, Setting
from tenure.stages.training.elastic_net import coordinate_descent, spread_of
from tenure.stages.training.space import Dimension, Fixed, LogUniform, Takes, Value


class LassoSpace(SpecModel):
    """Parameters of the lasso that are searched."""

    alpha: Annotated[Dimension, Takes("number", 0, above=True)] = field(
        Effect.RETRAIN,
        "Strength of the L1 penalty, for a target with a standard deviation of 1; larger leaves fewer features.",
        LogUniform(type="loguniform", low=0.00001, high=0.3),
    )
    max_iter: Annotated[Dimension, Takes("whole", 1)] = field(
        Effect.RETRAIN, "Most passes over the features.", Fixed(type="fixed", value=2000)
    )


class Lasso(Algorithm):
    """Linear regression with an L1 penalty, which drops features that add little. It needs scaled numbers."""

    search_space: LassoSpace = field(
        Effect.RETRAIN, "Values of the parameters to search; each has a default.", LassoSpace
    )

    TASKS: ClassVar[tuple[str, ...]] = ("regression",)
    MODULES: ClassVar[tuple[str, ...]] = ("sklearn.linear_model",)
    PORTFOLIO: ClassVar[tuple[Mapping[str, Value], ...]] = (
        {"alpha": 0.001, "max_iter": 2000},
        {"alpha": 0.02, "max_iter": 2000},
    )
    COST: ClassVar[float] = 1.0
    MISSING_VALUES: ClassVar[bool] = False

    def fit(self, params: Mapping[str, Any], rows: Rows, setting: Setting, validation: Rows | None) -> Fit:
        """Descend feature by feature."""
        from sklearn.linear_model import Lasso as Estimator

        alpha = float(params["alpha"]) * spread_of(rows)
        return Fit(coordinate_descent(Estimator(alpha, max_iter=int(params["max_iter"])), rows, setting))
