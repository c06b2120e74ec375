"""Transform `frequency`: a category becomes its share of the training rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from tenure.core.effect import Effect
from tenure.ml.transforms.base import Learned, Target
from tenure.ml.transforms.categories import CategoryTransform, code_count
from tenure.spec.base import field

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Frequency(CategoryTransform):
    """One column with the share of the training rows that have the category. Categories that are not kept have
    their common share, and where there are none, one that was never seen has 0."""

    type: Literal["frequency"] = field(Effect.RETRAIN, "The share of the rows that have a category.")

    def learn(self, codes: Any, learned: Learned, target: Target | None) -> Learned:
        """`shares` (codes,)."""
        import numpy as np

        known = codes[codes >= 0]
        shares = np.bincount(known, minlength=code_count(learned)) / max(1, len(codes))
        return {"shares": shares}

    def encoded(self, codes: npt.NDArray[np.int64], learned: Learned) -> npt.NDArray[Any]:
        """Shares (rows, 1)."""
        import numpy as np

        shares: npt.NDArray[Any] = np.append(learned["shares"], 0.0)
        return shares[codes][:, None]
