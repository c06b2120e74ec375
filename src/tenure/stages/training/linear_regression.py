"""Algorithm `linear_regression`: ordinary least squares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field
from tenure.stages.training.algorithm import Algorithm, Fit, Rows, Setting, limited_threads
from tenure.stages.training.space import Dimension, Fixed, Takes, Value


class LinearRegressionSpace(SpecModel):
    """Parameters of the linear regression. There is nothing to search unless a choice is given."""

    fit_intercept: Annotated[Dimension, Takes("flag")] = field(
        Effect.RETRAIN,
        "Whether there is a constant term; without one the prediction for all zeros is zero.",
        Fixed(type="fixed", value=True),
    )
    positive: Annotated[Dimension, Takes("flag")] = field(
        Effect.RETRAIN, "Whether no coefficient may be negative.", Fixed(type="fixed", value=False)
    )


class LinearRegression(Algorithm):
    """Ordinary least squares: the simplest model of a number. Where features are many or alike, `ridge` is safer."""

    search_space: LinearRegressionSpace = field(
        Effect.RETRAIN, "Values of the parameters to search; each has a default.", LinearRegressionSpace
    )

    TASKS: ClassVar[tuple[str, ...]] = ("regression",)
    MODULES: ClassVar[tuple[str, ...]] = ("sklearn.linear_model",)
    PORTFOLIO: ClassVar[tuple[Mapping[str, Value], ...]] = ({"fit_intercept": True, "positive": False},)
    MISSING_VALUES: ClassVar[bool] = False

    def fit(self, params: Mapping[str, Any], rows: Rows, setting: Setting, validation: Rows | None) -> Fit:
        """Solve the least squares problem; of several solutions the shortest."""
        from sklearn.linear_model import LinearRegression as Estimator

        estimator = Estimator(fit_intercept=bool(params["fit_intercept"]), positive=bool(params["positive"]))
        with limited_threads(setting.threads):
            return Fit(estimator.fit(rows.matrix, rows.target, rows.weights))
