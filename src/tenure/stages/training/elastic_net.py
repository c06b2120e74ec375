"""Algorithm `elastic_net`: linear regression with an L1 and an L2 penalty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field
from tenure.stages.training.algorithm import Algorithm, Fit, Rows, Setting, limited_threads, quietly
from tenure.stages.training.space import Dimension, Fixed, LogUniform, Takes, Uniform, Value


class ElasticNetSpace(SpecModel):
    """Parameters of the elastic net that are searched."""

    alpha: Annotated[Dimension, Takes("number", 0, above=True)] = field(
        Effect.RETRAIN,
        "Strength of both penalties, for a target with a standard deviation of 1; larger is more cautious.",
        LogUniform(type="loguniform", low=0.00001, high=1.0),
    )
    l1_ratio: Annotated[Dimension, Takes("number", 0, 1)] = field(
        Effect.RETRAIN,
        "Share of the L1 penalty, which drops features; the rest is L2, which only shrinks them.",
        Uniform(type="uniform", low=0.05, high=1.0),
    )
    max_iter: Annotated[Dimension, Takes("whole", 1)] = field(
        Effect.RETRAIN, "Most passes over the features.", Fixed(type="fixed", value=2000)
    )


class ElasticNet(Algorithm):
    """Linear regression with an L1 and an L2 penalty: for many features of which some are alike. It needs scaled
    numbers."""

    search_space: ElasticNetSpace = field(
        Effect.RETRAIN, "Values of the parameters to search; each has a default.", ElasticNetSpace
    )

    TASKS: ClassVar[tuple[str, ...]] = ("regression",)
    MODULES: ClassVar[tuple[str, ...]] = ("sklearn.linear_model",)
    PORTFOLIO: ClassVar[tuple[Mapping[str, Value], ...]] = (
        {"alpha": 0.001, "l1_ratio": 0.5, "max_iter": 2000},
        {"alpha": 0.03, "l1_ratio": 0.5, "max_iter": 2000},
    )
    COST: ClassVar[float] = 1.0
    MISSING_VALUES: ClassVar[bool] = False

    def fit(self, params: Mapping[str, Any], rows: Rows, setting: Setting, validation: Rows | None) -> Fit:
        """Descend feature by feature."""
        from sklearn.linear_model import ElasticNet as Estimator

        share, spread = float(params["l1_ratio"]), spread_of(rows)
        # In the unit of the target the loss and the L2 penalty are squares, the L1 penalty is not: only it is adapted.
        lasso, ridge = share * spread, 1.0 - share
        estimator = Estimator(
            alpha=float(params["alpha"]) * (lasso + ridge),
            l1_ratio=lasso / (lasso + ridge),
            max_iter=int(params["max_iter"]),
        )
        return Fit(coordinate_descent(estimator, rows, setting))


def spread_of(rows: Rows) -> float:
    """The standard deviation of the target, 1 for one that never changes.

    A penalty that is right for prices in dollars is nothing for prices in cents: in this unit one default serves both.
    """
    import numpy as np

    mean = np.average(rows.target, weights=rows.weights)
    return float(np.sqrt(np.average((rows.target - mean) ** 2, weights=rows.weights))) or 1.0


def coordinate_descent(estimator: Any, rows: Rows, setting: Setting) -> Any:
    """The estimator, fitted."""

    with limited_threads(setting.threads), quietly():
        return estimator.fit(rows.matrix, rows.target, rows.weights)
