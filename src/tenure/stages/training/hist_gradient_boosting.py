"""Algorithm `hist_gradient_boosting`: scikit-learn's gradient-boosted trees on binned features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field
from tenure.stages.training.algorithm import Algorithm, Fit, Form, Rows, Setting, limited_threads
from tenure.stages.training.space import Dimension, Int, LogUniform, Value


class HistGradientBoostingSpace(SpecModel):
    """Parameters of histogram gradient boosting that are searched."""

    learning_rate: Dimension = field(
        Effect.RETRAIN,
        "How much each tree corrects; smaller needs more trees.",
        LogUniform(type="loguniform", low=0.02, high=0.3),
    )
    max_iter: Dimension = field(
        Effect.RETRAIN,
        "Number of rounds; each adds one tree, or one per class.",
        Int(type="int", low=50, high=300, log=True),
    )
    max_leaf_nodes: Dimension = field(
        Effect.RETRAIN, "Most leaves of a tree.", Int(type="int", low=4, high=64, log=True)
    )
    min_samples_leaf: Dimension = field(
        Effect.RETRAIN, "Fewest rows in a leaf; more is smoother.", Int(type="int", low=5, high=60, log=True)
    )
    l2_regularization: Dimension = field(
        Effect.RETRAIN, "L2 penalty on leaf values.", LogUniform(type="loguniform", low=0.0001, high=10)
    )


class HistGradientBoosting(Algorithm):
    """scikit-learn's gradient-boosted trees: close to xgboost, without a further package."""

    search_space: HistGradientBoostingSpace = field(
        Effect.RETRAIN, "Values of the parameters to search; each has a default.", HistGradientBoostingSpace
    )

    TASKS: ClassVar[tuple[str, ...]] = ("binary", "multiclass", "regression")
    PORTFOLIO: ClassVar[tuple[Mapping[str, Value], ...]] = (
        {
            "learning_rate": 0.1,
            "max_iter": 100,
            "max_leaf_nodes": 31,
            "min_samples_leaf": 20,
            "l2_regularization": 0.0001,
        },
    )
    FORM: ClassVar[Form] = "tree"
    COST: ClassVar[float] = 4.0

    def fit(self, params: Mapping[str, Any], rows: Rows, setting: Setting, validation: Rows | None) -> Fit:
        """Boost for the given number of rounds."""
        import numpy as np
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        kind = (
            HistGradientBoostingRegressor if setting.task == "regression" else HistGradientBoostingClassifier
        )
        estimator = kind(
            learning_rate=float(params["learning_rate"]),
            max_iter=int(params["max_iter"]),
            max_leaf_nodes=int(params["max_leaf_nodes"]),
            min_samples_leaf=int(params["min_samples_leaf"]),
            l2_regularization=float(params["l2_regularization"]),
            early_stopping=False,
            random_state=setting.seed,
        )
        empty = np.isnan(rows.matrix).all(axis=0)
        # It cannot bin a column without any value; a constant one is never split on, so both mean the same.
        matrix = np.where(empty, 0.0, rows.matrix) if empty.any() else rows.matrix
        with limited_threads(setting.threads):
            return Fit(estimator.fit(matrix, rows.target, rows.weights))
