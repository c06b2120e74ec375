"""Algorithm `random_forest`: the mean of many deep trees on resampled rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tenure.core.effect import Effect
from tenure.spec.base import field
from tenure.stages.training.algorithm import Algorithm, Fit, Form, Rows, Setting
from tenure.stages.training.forests import ForestSpace, grown
from tenure.stages.training.space import Value, portfolio


class RandomForestSpace(ForestSpace):
    """Parameters of the random forest that are searched."""


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
    COST: ClassVar[float] = 30.0

    def fit(self, params: Mapping[str, Any], rows: Rows, setting: Setting, validation: Rows | None) -> Fit:
        """Grow the forest."""
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        kind = RandomForestRegressor if setting.task == "regression" else RandomForestClassifier
        return grown(kind, params, rows, setting)
