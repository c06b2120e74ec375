"""Transform `ordinal`: a category becomes its position."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from tenure.core.effect import Effect
from tenure.ml.transforms.base import Learned, Target
from tenure.ml.transforms.categories import CategoryTransform, code_count
from tenure.spec.base import field

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Ordinal(CategoryTransform):
    """One column of positions. Others follow the kept categories, missing values come last, and what has no position
    is -1."""

    type: Literal["ordinal"] = field(Effect.RETRAIN, "The position of a category.")
    order: Literal["alphabet", "frequency"] = field(
        Effect.RETRAIN,
        "`alphabet`, or `frequency`: the most frequent category of the training rows first.",
        "alphabet",
    )

    def learn(self, codes: Any, learned: Learned, target: Target | None) -> Learned:
        """`positions` (codes,)."""
        import numpy as np

        positions = np.arange(code_count(learned))
        if self.order == "frequency":
            kept = len(learned["categories"])
            counts = np.bincount(codes[(codes >= 0) & (codes < kept)], minlength=kept)
            positions[np.argsort(-counts, kind="stable")] = np.arange(kept)
        return {"positions": positions.astype(np.float64)}

    def encoded(self, codes: npt.NDArray[np.int64], learned: Learned) -> npt.NDArray[Any]:
        """Positions (rows, 1)."""
        import numpy as np

        positions: npt.NDArray[Any] = np.append(learned["positions"], -1.0)
        return positions[codes][:, None]
