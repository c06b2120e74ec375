"""What a selection is: it looks at the matrix of the training rows and says which features stay."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tenure.ml.transforms.base import Target

MOST_ROWS = 20_000
"""Rows, drawn by the seed, that a costly selection looks at."""


class Selection(SpecModel, ABC):
    """The base of every selection. It is fitted inside each fold: equal rows and seed keep equal features."""

    max_features: int | None = field(
        Effect.RETRAIN,
        "Most features that stay, the best ones; no limit when left out.",
        None,
        ge=1,
        examples=[20],
    )

    @abstractmethod
    def scores(self, matrix: npt.NDArray[Any], target: Target) -> npt.NDArray[np.float64]:
        """How good each feature of the matrix (rows, features) is, more is better; -inf for one that goes."""

    def kept(self, matrix: npt.NDArray[Any], target: Target) -> npt.NDArray[np.int64]:
        """Positions of the features that stay, ascending; at least one does. The matrix may hold NaN."""
        import numpy as np

        scores = self.scores(matrix, target)
        order = np.argsort(-scores, kind="stable")
        staying = order[np.isfinite(scores[order])]
        if self.max_features is not None:
            staying = staying[: self.max_features]
        return np.sort(staying if len(staying) else order[:1]).astype(np.int64)


def sampled(matrix: npt.NDArray[Any], target: Target) -> tuple[npt.NDArray[np.float64], npt.NDArray[Any]]:
    """At most `MOST_ROWS` rows of the matrix, medians in place of NaN, and their target."""
    import numpy as np

    rows = np.arange(len(matrix))
    if len(rows) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(target.seed).permutation(len(rows))[:MOST_ROWS])
    return completed(matrix[rows]), np.asarray(target.values)[rows]


def completed(matrix: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The matrix in float64, medians in place of NaN; 0 where a feature has no value."""
    import numpy as np

    full = matrix.astype(np.float64)
    for column in np.flatnonzero(np.isnan(full).any(axis=0)):
        missing = np.isnan(full[:, column])
        full[missing, column] = 0.0 if missing.all() else np.median(full[~missing, column])
    return full
