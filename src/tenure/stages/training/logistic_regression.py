"""Algorithm `logistic_regression`: a linear model of class probabilities."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field
from tenure.stages.training.algorithm import Algorithm, Fit, Rows, Setting, limited_threads
from tenure.stages.training.space import Dimension, Fixed, LogUniform, Value


class LogisticRegressionSpace(SpecModel):
    """Parameters of the logistic regression that are searched."""

    C: Dimension = field(
        Effect.RETRAIN,
        "Inverse strength of the L2 penalty; smaller is more cautious.",
        # Far below, every probability nears the base rate while the ranking stays: roc_auc would not notice.
        LogUniform(type="loguniform", low=0.01, high=100),
    )
    max_iter: Dimension = field(Effect.RETRAIN, "Most steps of the solver.", Fixed(type="fixed", value=500))


class LogisticRegression(Algorithm):
    """A linear model of class probabilities: small, fast, calibrated, easy to explain. It needs scaled numbers."""

    search_space: LogisticRegressionSpace = field(
        Effect.RETRAIN, "Values of the parameters to search; each has a default.", LogisticRegressionSpace
    )

    TASKS: ClassVar[tuple[str, ...]] = ("binary", "multiclass")
    PORTFOLIO: ClassVar[tuple[Mapping[str, Value], ...]] = ({"C": 1.0, "max_iter": 500},)
    MISSING_VALUES: ClassVar[bool] = False

    def fit(self, params: Mapping[str, Any], rows: Rows, setting: Setting, validation: Rows | None) -> Fit:
        """Fit with L-BFGS; more than two classes are multinomial."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression as Estimator

        estimator = Estimator(
            C=float(params["C"]), max_iter=int(params["max_iter"]), random_state=setting.seed
        )
        with limited_threads(setting.threads), warnings.catch_warnings():
            # A fit that is not quite at its optimum is still judged by its score on rows it has not seen.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return Fit(estimator.fit(rows.matrix, rows.target, rows.weights))
