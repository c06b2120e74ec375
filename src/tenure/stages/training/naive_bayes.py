"""Algorithm `naive_bayes`: classes told apart by each feature on its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field
from tenure.stages.training.algorithm import Algorithm, Fit, Rows, Setting, limited_threads
from tenure.stages.training.space import Dimension, LogUniform, Takes, Value


class NaiveBayesSpace(SpecModel):
    """Parameters of naive Bayes that are searched."""

    var_smoothing: Annotated[Dimension, Takes("number", 0)] = field(
        Effect.RETRAIN,
        "Share of the largest variance of a feature that is added to all; larger is more cautious.",
        LogUniform(type="loguniform", low=0.000000001, high=1.0),
    )


class NaiveBayes(Algorithm):
    """Gaussian naive Bayes: quickest of all, with probabilities that are too sure of themselves; a yardstick."""

    search_space: NaiveBayesSpace = field(
        Effect.RETRAIN, "Values of the parameters to search; each has a default.", NaiveBayesSpace
    )

    TASKS: ClassVar[tuple[str, ...]] = ("binary", "multiclass")
    MODULES: ClassVar[tuple[str, ...]] = ("sklearn.naive_bayes",)
    PORTFOLIO: ClassVar[tuple[Mapping[str, Value], ...]] = (
        {"var_smoothing": 0.01},
        {"var_smoothing": 0.000000001},
    )
    COST: ClassVar[float] = 0.5
    MISSING_VALUES: ClassVar[bool] = False

    def fit(self, params: Mapping[str, Any], rows: Rows, setting: Setting, validation: Rows | None) -> Fit:
        """Mean and variance of each feature in each class."""
        from sklearn.naive_bayes import GaussianNB

        weights = rows.weights
        if weights is not None and not weights.all():
            # A class whose rows all weigh nothing would have a mean of nothing.
            rows = Rows(rows.matrix[weights > 0], rows.target[weights > 0], weights[weights > 0])
        with limited_threads(setting.threads):
            estimator = GaussianNB(var_smoothing=float(params["var_smoothing"]))
            return Fit(estimator.fit(rows.matrix, rows.target, rows.weights))
