"""Selection `variance`: features that hardly vary go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from tenure.core.effect import Effect
from tenure.ml.selection.base import Selection, completed
from tenure.spec.base import field

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tenure.ml.transforms.base import Target


class Variance(Selection):
    """Features that hardly vary go. Of those left, `max_features` keeps the ones that vary most.

    The variance is that of the transformed feature, so that scaled numbers all have 1; a 0/1 feature with share p has
    p (1 - p).
    """

    type: Literal["variance"] = field(Effect.RETRAIN, "Features that hardly vary go.")
    threshold: float = field(
        Effect.RETRAIN,
        "Variance up to which a feature goes; 0 drops constant ones.",
        0.0,
        ge=0,
        examples=[0.01],
    )

    def scores(self, matrix: npt.NDArray[Any], target: Target) -> npt.NDArray[np.float64]:
        """The variance."""
        import numpy as np

        spread = completed(matrix).var(axis=0)
        return np.where(spread > self.threshold, spread, -np.inf)
