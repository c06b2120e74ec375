"""Algorithm `k_nearest_neighbors`: what the most similar rows of the training say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import SpecModel, field
from tenure.stages.training.algorithm import Algorithm, Fit, Rows, Setting
from tenure.stages.training.space import Choice, Dimension, Int, Takes, Value


class KNearestNeighborsSpace(SpecModel):
    """Parameters of the nearest neighbours that are searched."""

    n_neighbors: Annotated[Dimension, Takes("whole", 1)] = field(
        Effect.RETRAIN,
        "How many neighbours are asked; more is smoother.",
        Int(type="int", low=1, high=100, log=True),
    )
    weights: Annotated[Dimension, Takes("word", words=("uniform", "distance"))] = field(
        Effect.RETRAIN,
        "`uniform` lets all neighbours count the same, `distance` lets nearer ones count more.",
        Choice(type="choice", choices=("uniform", "distance")),
    )
    metric: Annotated[Dimension, Takes("word", words=("euclidean", "manhattan"))] = field(
        Effect.RETRAIN,
        "How far rows are apart: `manhattan` adds differences up, `euclidean` is the straight line.",
        Choice(type="choice", choices=("euclidean", "manhattan")),
    )


class KNearestNeighbors(Algorithm):
    """The mean of the most similar rows: no training, but the model holds every row and is slow to answer. It needs
    scaled numbers, and does not know weights of rows."""

    search_space: KNearestNeighborsSpace = field(
        Effect.RETRAIN, "Values of the parameters to search; each has a default.", KNearestNeighborsSpace
    )
    max_rows: int = field(
        Effect.RETRAIN,
        "More rows to learn from are refused: the model would hold them all, and compare each request with every one.",
        50_000,
        ge=1,
    )

    TASKS: ClassVar[tuple[str, ...]] = ("binary", "multiclass", "regression")
    MODULES: ClassVar[tuple[str, ...]] = ("sklearn.neighbors",)
    PORTFOLIO: ClassVar[tuple[Mapping[str, Value], ...]] = (
        {"n_neighbors": 15, "weights": "distance", "metric": "euclidean"},
        {"n_neighbors": 5, "weights": "distance", "metric": "manhattan"},
        {"n_neighbors": 40, "weights": "uniform", "metric": "manhattan"},
    )
    COST: ClassVar[float] = 3.0
    MISSING_VALUES: ClassVar[bool] = False

    def check_rows(self, count: int) -> None:
        """No more than `max_rows`."""
        if count > self.max_rows:
            raise StageError(
                "too many rows for the algorithm",
                f"k_nearest_neighbors would keep all {count:,} rows; max_rows is {self.max_rows:,}",
                "raise max_rows, or remove the algorithm",
                path=("training", "algorithms", "k_nearest_neighbors", "max_rows"),
            )

    def fit(self, params: Mapping[str, Any], rows: Rows, setting: Setting, validation: Rows | None) -> Fit:
        """Keep the rows. Rows that weigh nothing are left out; other weights make no difference."""
        from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

        matrix, target = rows.matrix, rows.target
        if rows.weights is not None and not rows.weights.all():
            matrix, target = matrix[rows.weights > 0], target[rows.weights > 0]
        kind = KNeighborsRegressor if setting.task == "regression" else KNeighborsClassifier
        estimator = kind(
            n_neighbors=min(int(params["n_neighbors"]), len(matrix)),
            weights=str(params["weights"]),
            metric=str(params["metric"]),
            # Trees of neighbours have no safe format.
            algorithm="brute",
            n_jobs=1,
        )
        return Fit(estimator.fit(matrix, target))
