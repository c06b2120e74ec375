"""Transform `log1p`: long tails are drawn in."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from tenure.core.effect import Effect
from tenure.ml.transforms.base import Action, Learned, Target, Transform
from tenure.spec.base import field


class Log1p(Transform):
    """The logarithm of 1 + x. Of a negative number it is that of its size, with the sign kept: nothing is undefined."""

    type: Literal["log1p"] = field(Effect.RETRAIN, "Take the logarithm of 1 + x, the sign kept.")

    MONOTONE: ClassVar[bool] = True

    def fit(self, values: Any, target: Target | None) -> Learned:
        """Nothing to learn."""
        return {}

    def compiled(self, learned: Learned) -> Action:
        """sign(x) log(1 + |x|)."""
        import numpy as np

        return lambda matrix: np.copysign(np.log1p(np.abs(matrix)), matrix)
