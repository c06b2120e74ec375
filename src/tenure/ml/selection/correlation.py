"""Selection `correlation`: of features that say the same, one stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from tenure.core.effect import Effect
from tenure.ml.selection.base import Selection, sampled
from tenure.spec.base import field

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tenure.ml.transforms.base import Target


class Correlation(Selection):
    """Of two features with a higher correlation than the limit, the one that is less correlated with the target goes.

    Of those left, `max_features` keeps the most correlated with the target. Classes count as 0/1 each.
    """

    type: Literal["correlation"] = field(Effect.RETRAIN, "Of features that say the same, one stays.")
    limit: float = field(
        Effect.RETRAIN, "Absolute correlation above which two features say the same.", 0.95, gt=0, lt=1
    )

    def scores(self, matrix: npt.NDArray[Any], target: Target) -> npt.NDArray[np.float64]:
        """The correlation with the target, for those that stay."""
        import numpy as np

        values, truth = sampled(matrix, target)
        features = _standard(values)
        wanted = (
            truth[:, None] == np.arange(len(target.classes)) if target.classes else truth[:, None]
        ).astype(np.float64)
        merit = np.abs(features.T @ _standard(wanted)).max(axis=1) / len(features)
        alike = np.abs(features.T @ features) / len(features)
        scores = np.full(len(merit), -np.inf)
        for position in np.argsort(-merit, kind="stable"):
            staying = np.isfinite(scores)
            if not (alike[position, staying] > self.limit).any():
                scores[position] = merit[position]
        return scores


def _standard(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    import numpy as np

    spread = values.std(axis=0)
    centred: npt.NDArray[np.float64] = values - values.mean(axis=0)
    centred /= np.where(spread > 0, spread, 1.0)
    return centred
