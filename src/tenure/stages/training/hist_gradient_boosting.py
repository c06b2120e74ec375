"""Algorithm `hist_gradient_boosting`: scikit-learn's gradient-boosted trees on binned features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field
from tenure.stages.training.algorithm import Algorithm, Fit, Form, Rows, Setting, Watch, limited_threads
from tenure.stages.training.space import Dimension, Fixed, Int, LogUniform, Takes, Uniform, Value, portfolio


class HistGradientBoostingSpace(SpecModel):
    """Parameters of histogram gradient boosting that are searched."""

    learning_rate: Annotated[Dimension, Takes("number", 0, 1, above=True)] = field(
        Effect.RETRAIN,
        "How much each tree corrects; smaller needs more trees.",
        LogUniform(type="loguniform", low=0.02, high=0.3),
    )
    max_leaf_nodes: Annotated[Dimension, Takes("whole", 2)] = field(
        Effect.RETRAIN,
        "Most leaves of a tree: how many features can act together.",
        Int(type="int", low=4, high=128, log=True),
    )
    min_samples_leaf: Annotated[Dimension, Takes("whole", 1)] = field(
        Effect.RETRAIN, "Fewest rows in a leaf; more is smoother.", Int(type="int", low=2, high=100, log=True)
    )
    l2_regularization: Annotated[Dimension, Takes("number", 0)] = field(
        Effect.RETRAIN, "L2 penalty on leaf values.", LogUniform(type="loguniform", low=0.0001, high=20)
    )
    max_features: Annotated[Dimension, Takes("number", 0, 1, above=True)] = field(
        Effect.RETRAIN, "Share of the features each split sees.", Uniform(type="uniform", low=0.3, high=1.0)
    )
    max_iter: Annotated[Dimension, Takes("whole", 1)] = field(
        Effect.RETRAIN,
        "Most rounds, each of one tree or one per class; early stopping uses fewer. Without early stopping, the number "
        "of rounds.",
        Fixed(type="fixed", value=500),
    )


class HistGradientBoosting(Algorithm):
    """scikit-learn's gradient-boosted trees: close to xgboost, without a further package."""

    search_space: HistGradientBoostingSpace = field(
        Effect.RETRAIN, "Values of the parameters to search; each has a default.", HistGradientBoostingSpace
    )

    early_stopping_rounds: int = field(
        Effect.RETRAIN,
        "Stop after so many rounds without improvement on the validation fold; the final model gets the mean number of "
        "rounds of the folds. 0 turns it off.",
        30,
        ge=0,
    )

    TASKS: ClassVar[tuple[str, ...]] = ("binary", "multiclass", "regression")
    MODULES: ClassVar[tuple[str, ...]] = ("sklearn.ensemble",)
    # Chosen greedily, as Salinas and Erickson do for TabRepo (arXiv 2311.02971), of some 25 candidates fitted to 20
    # public tables: what has the least validation loss for its time, then what adds most to the others.
    PORTFOLIO: ClassVar[tuple[Mapping[str, Value], ...]] = portfolio(
        ("learning_rate", "max_leaf_nodes", "min_samples_leaf", "l2_regularization", "max_features"),
        (0.1, 15, 40, 0.01, 1.0),
        (0.2, 31, 20, 0.0001, 1.0),
        (0.2, 4, 80, 0.01, 0.7),
        (0.05, 15, 20, 0.0001, 1.0),
        (0.15, 63, 2, 0.0001, 0.5),
        max_iter=500,
    )
    FORM: ClassVar[Form] = "tree"
    COST: ClassVar[float] = 4.0
    ROUNDS: ClassVar[str | None] = "max_iter"
    QUANTILES: ClassVar[bool] = True

    def fit(self, params: Mapping[str, Any], rows: Rows, setting: Setting, validation: Rows | None) -> Fit:
        """Boost. With validation rows and early stopping, `learned` has the best number of rounds."""
        import numpy as np
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        numbers = setting.task == "regression"
        kind = HistGradientBoostingRegressor if numbers else HistGradientBoostingClassifier
        rounds = int(params.get("rounds", params["max_iter"]))
        estimator = kind(
            learning_rate=float(params["learning_rate"]),
            max_iter=rounds,
            max_leaf_nodes=int(params["max_leaf_nodes"]),
            min_samples_leaf=int(params["min_samples_leaf"]),
            l2_regularization=float(params["l2_regularization"]),
            max_features=float(params["max_features"]),
            early_stopping=False,
            random_state=setting.seed,
        )
        if setting.quantile is not None:
            estimator.set_params(loss="quantile", quantile=setting.quantile)
        empty = np.isnan(rows.matrix).all(axis=0)
        # It cannot bin a column without any value; a constant one is never split on, so both mean the same.
        matrix = np.where(empty, 0.0, rows.matrix) if empty.any() else rows.matrix
        with limited_threads(setting.threads):
            if validation is None:
                return Fit(estimator.fit(matrix, rows.target, rows.weights), {"rounds": rounds})
            judged = validation
            if not numbers:
                # Its loss is not defined for a class that it has not learned.
                known = np.isin(validation.target, rows.target)
                weights = None if validation.weights is None else validation.weights[known]
                judged = Rows(validation.matrix[known], validation.target[known], weights)
            estimator.set_params(early_stopping=True)
            estimator._should_stop = _Watching(setting.watch, self.early_stopping_rounds)
            estimator.fit(
                matrix,
                rows.target,
                rows.weights,
                X_val=judged.matrix,
                y_val=judged.target,
                sample_weight_val=judged.weights,
            )
        losses = -np.asarray(estimator.validation_score_)[1:]
        best = int(np.argmin(losses)) + 1 if self.early_stopping_rounds else len(losses)
        del estimator._should_stop
        estimator.set_params(early_stopping=False)
        estimator._predictors = estimator._predictors[:best]
        estimator.train_score_ = estimator.validation_score_ = np.empty(0)
        return Fit(estimator, {"rounds": best})


class _Watching:
    """Stands in for scikit-learn's own rule, which knows no watch and keeps the rounds that did not help."""

    def __init__(self, watch: Watch, patience: int) -> None:
        self._watch = watch
        self._patience = patience
        self._best, self._best_at = float("inf"), 0

    def __call__(self, scores: list[float]) -> bool:
        """`scores`: minus the loss on the validation rows, of no round and after each; true means stop."""
        done, loss = len(scores) - 1, -float(scores[-1])
        if done == 0:
            return False
        if loss < self._best:
            self._best, self._best_at = loss, done
        return self._watch(done, loss) or 0 < self._patience <= done - self._best_at
