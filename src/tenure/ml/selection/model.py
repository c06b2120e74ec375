"""Selection `model`: features that a small forest has no use for go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from tenure.core.effect import Effect
from tenure.ml.selection.base import Selection, sampled
from tenure.spec.base import field

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tenure.ml.transforms.base import Target

_TREES = 60


class ModelImportance(Selection):
    """Features that a small forest of randomized trees has no use for go.

    The importance of a feature is its share of the impurity that all splits together remove; noise gets some too, so a
    feature has to have more than a share of the mean.
    """

    type: Literal["model"] = field(Effect.RETRAIN, "Features that a small forest has no use for go.")
    threshold: float = field(
        Effect.RETRAIN,
        "Share of the mean importance up to which a feature goes.",
        0.1,
        ge=0,
        examples=[0.5],
    )

    def scores(self, matrix: npt.NDArray[Any], target: Target) -> npt.NDArray[np.float64]:
        """The importance."""
        import numpy as np
        from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

        values, truth = sampled(matrix, target)
        kind = ExtraTreesClassifier if target.classes else ExtraTreesRegressor
        forest = kind(
            _TREES, min_samples_leaf=max(2, len(truth) // 2000), max_features=0.5, random_state=target.seed
        )
        found = np.asarray(forest.fit(values, truth).feature_importances_)
        return np.where(found > self.threshold * found.mean(), found, -np.inf)
