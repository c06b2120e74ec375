"""Every algorithm there is. A new one is a file, and a line here."""

from __future__ import annotations

from typing import Any, Self, get_args

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.spec.base import FieldProblem, SpecModel, field
from tenure.stages.training.algorithm import Algorithm
from tenure.stages.training.catboost import CatBoost
from tenure.stages.training.elastic_net import ElasticNet
from tenure.stages.training.estimator import Estimator
from tenure.stages.training.extra_trees import ExtraTrees
from tenure.stages.training.hist_gradient_boosting import HistGradientBoosting
from tenure.stages.training.k_nearest_neighbors import KNearestNeighbors
from tenure.stages.training.lasso import Lasso
from tenure.stages.training.lightgbm import LightGbm
from tenure.stages.training.linear_regression import LinearRegression
from tenure.stages.training.logistic_regression import LogisticRegression
from tenure.stages.training.mlp import Mlp
from tenure.stages.training.naive_bayes import NaiveBayes
from tenure.stages.training.random_forest import RandomForest
from tenure.stages.training.ridge import Ridge
from tenure.stages.training.svm import Svm
from tenure.stages.training.xgboost import Xgboost


class Algorithms(SpecModel):
    """The algorithms to search among; an empty block means its defaults: `xgboost: {}`."""

    xgboost: Xgboost | None = field(
        Effect.RETRAIN, "Gradient-boosted trees, for classes and numbers.", None, examples=[{}]
    )
    lightgbm: LightGbm | None = field(
        Effect.RETRAIN,
        "Gradient-boosted trees that grow leaf by leaf, for classes and numbers; an extra.",
        None,
        examples=[{}],
    )
    catboost: CatBoost | None = field(
        Effect.RETRAIN,
        "Gradient boosting with symmetric trees, for classes and numbers; an extra.",
        None,
        examples=[{}],
    )
    hist_gradient_boosting: HistGradientBoosting | None = field(
        Effect.RETRAIN,
        "Gradient-boosted trees of scikit-learn, for classes and numbers.",
        None,
        examples=[{}],
    )
    random_forest: RandomForest | None = field(
        Effect.RETRAIN, "The mean of many trees, for classes and numbers.", None, examples=[{}]
    )
    extra_trees: ExtraTrees | None = field(
        Effect.RETRAIN,
        "The mean of many trees that split at random, for classes and numbers.",
        None,
        examples=[{}],
    )
    logistic_regression: LogisticRegression | None = field(
        Effect.RETRAIN, "A linear model of class probabilities.", None, examples=[{}]
    )
    linear_regression: LinearRegression | None = field(
        Effect.RETRAIN, "Ordinary least squares, for numbers.", None, examples=[{}]
    )
    ridge: Ridge | None = field(
        Effect.RETRAIN, "Linear regression with an L2 penalty, for numbers.", None, examples=[{}]
    )
    lasso: Lasso | None = field(
        Effect.RETRAIN, "Linear regression with an L1 penalty, for numbers.", None, examples=[{}]
    )
    elastic_net: ElasticNet | None = field(
        Effect.RETRAIN, "Linear regression with an L1 and an L2 penalty, for numbers.", None, examples=[{}]
    )
    k_nearest_neighbors: KNearestNeighbors | None = field(
        Effect.RETRAIN, "The mean of the most similar rows, for classes and numbers.", None, examples=[{}]
    )
    svm: Svm | None = field(
        Effect.RETRAIN, "A support vector machine, for classes and numbers.", None, examples=[{}]
    )
    naive_bayes: NaiveBayes | None = field(
        Effect.RETRAIN, "Gaussian naive Bayes, for classes: a quick yardstick.", None, examples=[{}]
    )
    mlp: Mlp | None = field(
        Effect.RETRAIN, "A small neural network, for classes and numbers.", None, examples=[{}]
    )
    estimator: Estimator | None = field(
        Effect.RETRAIN,
        "Any other estimator of scikit-learn, by its import path.",
        None,
        examples=[
            {"class": "sklearn.ensemble.AdaBoostClassifier", "search_space": {"n_estimators": [50, 200]}}
        ],
    )

    @model_validator(mode="before")
    @classmethod
    def _bare_names(cls, data: Any) -> Any:
        # `xgboost:` with nothing after it is null in YAML; who writes it means the defaults.
        if isinstance(data, dict):
            return {name: {} if block is None else block for name, block in data.items()}
        return data

    @model_validator(mode="after")
    def _at_least_one(self) -> Self:
        if not self.listed():
            raise FieldProblem("no algorithm is listed", hint="add one, such as xgboost: {}")
        for name, block in self.listed().items():
            for parameter, dimension in block.dimensions().items():
                if dimension.when is not None and not isinstance(block, Estimator):
                    raise FieldProblem(
                        f"{name} knows itself when {parameter} counts",
                        at=(name, "search_space", parameter, "when"),
                        hint="remove when",
                    )
        return self

    @classmethod
    def kinds(cls) -> dict[str, type[Algorithm]]:
        """Every algorithm there is by name, in the order of the fields."""
        return {name: get_args(info.annotation)[0] for name, info in cls.model_fields.items()}

    def listed(self) -> dict[str, Algorithm]:
        """The algorithms of the spec by name, in the order of the fields."""
        blocks = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: block for name, block in blocks.items() if block is not None}
