"""Algorithm `ridge`: linear regression with an L2 penalty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field
from tenure.stages.training.algorithm import Algorithm, Fit, Rows, Setting, limited_threads
from tenure.stages.training.space import Dimension, LogUniform, Takes, Value


class RidgeSpace(SpecModel):
    """Parameters of the ridge regression that are searched."""

    alpha: Annotated[Dimension, Takes("number", 0)] = field(
        Effect.RETRAIN,
        "Strength of the L2 penalty; larger is more cautious.",
        LogUniform(type="loguniform", low=0.001, high=1000),
    )


class Ridge(Algorithm):
    """Linear regression with an L2 penalty: small, fast, easy to explain. It needs scaled numbers."""

    search_space: RidgeSpace = field(
        Effect.RETRAIN, "Values of the parameters to search; each has a default.", RidgeSpace
    )

    TASKS: ClassVar[tuple[str, ...]] = ("regression",)
    MODULES: ClassVar[tuple[str, ...]] = ("sklearn.linear_model",)
    PORTFOLIO: ClassVar[tuple[Mapping[str, Value], ...]] = ({"alpha": 1.0},)
    MISSING_VALUES: ClassVar[bool] = False

    def fit(self, params: Mapping[str, Any], rows: Rows, setting: Setting, validation: Rows | None) -> Fit:
        """Solve the normal equations."""
        from sklearn.linear_model import Ridge as Estimator

        with limited_threads(setting.threads):
            estimator = Estimator(alpha=float(params["alpha"]), random_state=setting.seed)
            return Fit(estimator.fit(rows.matrix, rows.target, rows.weights))
