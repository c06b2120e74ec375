"""Algorithm `random_forest`: the mean of many deep trees on resampled rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field
from tenure.stages.training.algorithm import Algorithm, Fit, Form, Rows, Setting, limited_threads
from tenure.stages.training.space import Dimension, Fixed, Int, Takes, Uniform, Value, portfolio


class RandomForestSpace(SpecModel):
    """Parameters of the random forest that are searched."""

    n_estimators: Annotated[Dimension, Takes("whole", 1)] = field(
        Effect.RETRAIN,
        "Number of trees: more is never worse, only larger and slower.",
        Fixed(type="fixed", value=100),
    )
    max_features: Annotated[Dimension, Takes("number", 0, 1, above=True)] = field(
        Effect.RETRAIN,
        "Share of the features considered at each split.",
        Uniform(type="uniform", low=0.1, high=1.0),
    )
    min_samples_leaf: Annotated[Dimension, Takes("whole", 1)] = field(
        Effect.RETRAIN, "Fewest rows in a leaf; more is smoother.", Int(type="int", low=1, high=20, log=True)
    )
    max_depth: Annotated[Dimension, Takes("whole", 0)] = field(
        Effect.RETRAIN, "Greatest depth of a tree; 0 for no limit.", Fixed(type="fixed", value=0)
    )


class RandomForest(Algorithm):
    """The mean of many deep trees on resampled rows: hard to get wrong, large when the data are large."""

    search_space: RandomForestSpace = field(
        Effect.RETRAIN, "Values of the parameters to search; each has a default.", RandomForestSpace
    )

    TASKS: ClassVar[tuple[str, ...]] = ("binary", "multiclass", "regression")
    MODULES: ClassVar[tuple[str, ...]] = ("sklearn.ensemble",)
    PORTFOLIO: ClassVar[tuple[Mapping[str, Value], ...]] = portfolio(
        # Leaves of one row make trees as large as the data, and are seldom better.
        ("max_features", "min_samples_leaf"),
        (0.3, 2),
        (0.6, 5),
        (0.15, 1),
        (1.0, 10),
        n_estimators=100,
        max_depth=0,
    )
    FORM: ClassVar[Form] = "tree"
    COST: ClassVar[float] = 12.0

    def fit(self, params: Mapping[str, Any], rows: Rows, setting: Setting, validation: Rows | None) -> Fit:
        """Grow the forest."""
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        kind = RandomForestRegressor if setting.task == "regression" else RandomForestClassifier
        estimator = kind(
            n_estimators=int(params["n_estimators"]),
            max_features=float(params["max_features"]),
            min_samples_leaf=int(params["min_samples_leaf"]),
            max_depth=int(params["max_depth"]) or None,
            random_state=setting.seed,
            n_jobs=setting.threads,
        )
        with limited_threads(setting.threads):
            estimator.fit(rows.matrix, rows.target, rows.weights)
        # With several jobs the trees are added up in the order they finish, which changes the last digits.
        estimator.set_params(n_jobs=1)
        return Fit(estimator)
