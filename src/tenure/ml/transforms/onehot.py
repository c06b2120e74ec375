"""Transform `onehot`: a column per category."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from tenure.core.effect import Effect
from tenure.ml.transforms.base import Learned
from tenure.ml.transforms.categories import CategoryTransform, code_count, code_names
from tenure.spec.base import Share, field

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class OneHot(CategoryTransform):
    """A column per category that is 1 where it applies; a category without a column is zeros."""

    type: Literal["onehot"] = field(Effect.RETRAIN, "A column per category.")
    rare_below: Share = field(
        Effect.RETRAIN,
        "Categories with a smaller share of the training rows are treated as one.",
        0.01,
    )
    max_categories: int = field(
        Effect.RETRAIN,
        "Most frequent categories that are kept apart; memory depends on it.",
        50,
        ge=1,
        le=1000,
    )

    def encoded(self, codes: npt.NDArray[np.int64], learned: Learned) -> npt.NDArray[Any]:
        """Zeros and ones (rows, codes)."""
        import numpy as np

        columns: npt.NDArray[Any] = codes[:, None] == np.arange(code_count(learned))
        return columns

    def names(self, columns: Sequence[str], learned: Learned) -> list[tuple[str, int]]:
        """`COLUMN=category`."""
        (name,) = columns
        return [(f"{name}={category}", 0) for category in code_names(learned)]
