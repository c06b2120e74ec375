"""Algorithm `extra_trees`: the mean of many trees whose splits are drawn at random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tenure.core.effect import Effect
from tenure.spec.base import field
from tenure.stages.training.algorithm import Algorithm, Fit, Form, Rows, Setting
from tenure.stages.training.forests import ForestSpace, grown
from tenure.stages.training.space import Value


class ExtraTreesSpace(ForestSpace):
    """Parameters of the extremely randomised trees that are searched."""


class ExtraTrees(Algorithm):
    """The mean of many trees that split at random thresholds: quicker and smoother than a random forest."""

    search_space: ExtraTreesSpace = field(
        Effect.RETRAIN, "Values of the parameters to search; each has a default.", ExtraTreesSpace
    )

    TASKS: ClassVar[tuple[str, ...]] = ("binary", "multiclass", "regression")
    MODULES: ClassVar[tuple[str, ...]] = ("sklearn.ensemble",)
    PORTFOLIO: ClassVar[tuple[Mapping[str, Value], ...]] = (
        {"n_estimators": 100, "max_features": 0.5, "min_samples_leaf": 2, "max_depth": 0},
        {"n_estimators": 100, "max_features": 1.0, "min_samples_leaf": 5, "max_depth": 0},
        {"n_estimators": 100, "max_features": 0.25, "min_samples_leaf": 1, "max_depth": 0},
    )
    FORM: ClassVar[Form] = "tree"
    COST: ClassVar[float] = 12.0

    def fit(self, params: Mapping[str, Any], rows: Rows, setting: Setting, validation: Rows | None) -> Fit:
        """Grow the trees, each on all rows."""
        from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

        kind = ExtraTreesRegressor if setting.task == "regression" else ExtraTreesClassifier
        return grown(kind, params, rows, setting)
