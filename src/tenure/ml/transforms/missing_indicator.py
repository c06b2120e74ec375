"""Transform `missing_indicator`: 1 where a number is missing, else 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from tenure.core.effect import Effect
from tenure.ml.transforms.base import Action, Learned, Target, Transform
from tenure.spec.base import field


class MissingIndicator(Transform):
    """1 where a number is missing and 0 where it is not, for columns that had missing ones in the training rows."""

    type: Literal["missing_indicator"] = field(Effect.RETRAIN, "Say where a number is missing.")

    @property
    def completes(self) -> bool:
        """Whether there is a number for a missing one."""
        return True

    def fit(self, values: Any, target: Target | None) -> Learned:
        """`columns`: positions of those with missing values."""
        import numpy as np

        return {"columns": np.flatnonzero(np.isnan(values).any(axis=0)).astype(np.int64)}

    def compiled(self, learned: Learned) -> Action:
        """Where it is NaN, for the columns that count."""
        import numpy as np

        columns = learned["columns"]
        return lambda matrix: np.isnan(matrix[:, columns])

    def names(self, columns: Sequence[str], learned: Learned) -> list[tuple[str, int]]:
        """`COLUMN is missing`."""
        return [(f"{columns[position]} is missing", position) for position in learned["columns"].tolist()]
