"""Algorithm `logistic_regression`: a linear model of class probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field
from tenure.stages.training.algorithm import Algorithm, Fit, Rows, Setting, limited_threads, quietly
from tenure.stages.training.space import Choice, Dimension, Fixed, LogUniform, Takes, Uniform, Value


class LogisticRegressionSpace(SpecModel):
    """Parameters of the logistic regression that are searched."""

    penalty: Annotated[Dimension, Takes("word", words=("l2", "l1", "elasticnet"))] = field(
        Effect.RETRAIN,
        "`l2` shrinks all coefficients, `l1` drops features that add little, `elasticnet` does both. The last two take "
        "several times as long.",
        Choice(type="choice", choices=("l2", "l1", "elasticnet")),
    )
    C: Annotated[Dimension, Takes("number", 0, above=True)] = field(
        Effect.RETRAIN,
        "Inverse strength of the penalty; smaller is more cautious.",
        # Far below, every probability nears the base rate while the ranking stays: roc_auc would not notice.
        LogUniform(type="loguniform", low=0.01, high=100),
    )
    l1_ratio: Annotated[Dimension, Takes("number", 0, 1)] = field(
        Effect.RETRAIN,
        "Share of the L1 penalty in `elasticnet`.",
        Uniform(type="uniform", low=0.1, high=0.9),
    )
    max_iter: Annotated[Dimension, Takes("whole", 1)] = field(
        Effect.RETRAIN, "Most steps of the solver.", Fixed(type="fixed", value=500)
    )


class LogisticRegression(Algorithm):
    """A linear model of class probabilities: small, fast, calibrated, easy to explain. It needs scaled numbers."""

    search_space: LogisticRegressionSpace = field(
        Effect.RETRAIN, "Values of the parameters to search; each has a default.", LogisticRegressionSpace
    )

    TASKS: ClassVar[tuple[str, ...]] = ("binary", "multiclass")
    MODULES: ClassVar[tuple[str, ...]] = ("sklearn.linear_model",)
    COST: ClassVar[float] = 3.0
    PORTFOLIO: ClassVar[tuple[Mapping[str, Value], ...]] = (
        {"penalty": "l2", "C": 1.0, "max_iter": 500},
        {"penalty": "l2", "C": 0.05, "max_iter": 500},
        {"penalty": "l1", "C": 0.5, "max_iter": 500},
        {"penalty": "elasticnet", "C": 0.2, "l1_ratio": 0.5, "max_iter": 500},
    )
    CONDITIONS: ClassVar[Mapping[str, tuple[str, tuple[Value, ...]]]] = {
        "l1_ratio": ("penalty", ("elasticnet",))
    }
    MISSING_VALUES: ClassVar[bool] = False

    def fit(self, params: Mapping[str, Any], rows: Rows, setting: Setting, validation: Rows | None) -> Fit:
        """Fit with L-BFGS, or with SAGA where the penalty has corners; more than two classes are multinomial."""
        from sklearn.linear_model import LogisticRegression as Estimator

        ratios = {"l2": 0.0, "l1": 1.0, "elasticnet": params.get("l1_ratio", 0.5)}
        smooth = params["penalty"] == "l2"
        estimator = Estimator(
            C=float(params["C"]),
            l1_ratio=float(ratios[params["penalty"]]),
            solver="lbfgs" if smooth else "saga",
            # SAGA nears its optimum slowly: more digits than these do not move a score.
            tol=1e-4 if smooth else 1e-3,
            max_iter=int(params["max_iter"]),
            random_state=setting.seed,
        )
        with limited_threads(setting.threads), quietly():
            return Fit(estimator.fit(rows.matrix, rows.target, rows.weights))
