"""Selection `count`: features that almost all rows share go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from tenure.core.effect import Effect
from tenure.ml.selection.base import Selection
from tenure.spec.base import field

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tenure.ml.transforms.base import Target


class Count(Selection):
    """Features in which fewer rows than a limit differ from the most frequent value go: words and categories that
    nearly nobody has. A missing value is a value of its own."""

    type: Literal["count"] = field(Effect.RETRAIN, "Features that almost all rows share go.")
    min_rows: int = field(
        Effect.RETRAIN, "Fewest training rows that must differ from the most frequent value.", 10, ge=1
    )

    def scores(self, matrix: npt.NDArray[Any], target: Target) -> npt.NDArray[np.float64]:
        """The rows that differ."""
        import numpy as np

        differing = np.array(
            [len(column) - np.unique(column, return_counts=True)[1].max() for column in matrix.T],
            dtype=np.float64,
        )
        return np.where(differing >= self.min_rows, differing, -np.inf)
