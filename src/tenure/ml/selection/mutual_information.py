"""Selection `mutual_information`: features that say nothing about the target go."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from tenure.core.effect import Effect
from tenure.ml.selection.base import Selection, sampled
from tenure.spec.base import field

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tenure.ml.transforms.base import Target

_BINS = 16


class MutualInformation(Selection):
    """Features that say little about the target by themselves go, whatever the shape of the relation.

    Numbers are cut into at most 16 intervals with as many rows each, and so is a target that is a number. What chance
    alone would bring in 49 of 50 features is taken off.
    """

    type: Literal["mutual_information"] = field(
        Effect.RETRAIN, "Features that say little about the target by themselves go."
    )
    threshold: float = field(
        Effect.RETRAIN,
        "Mutual information, in nats, up to which a feature goes.",
        0.0,
        ge=0,
        examples=[0.01],
    )

    def scores(self, matrix: npt.NDArray[Any], target: Target) -> npt.NDArray[np.float64]:
        """The mutual information less what chance brings: 2 n times it is distributed as chi-squared."""
        import numpy as np

        values, truth = sampled(matrix, target)
        bins = int(np.clip(len(truth) ** (1 / 3), 4, _BINS))
        wanted = truth.astype(np.int64) if target.classes else _cut(truth, bins)
        found = np.array([_information(_cut(column, bins), wanted) for column in values.T])
        return np.where(found > self.threshold, found, -np.inf)


def _cut(values: npt.NDArray[Any], bins: int) -> npt.NDArray[np.int64]:
    """Positions of the intervals; few distinct values are taken as they are."""
    import numpy as np

    distinct, places = np.unique(values, return_inverse=True)
    if len(distinct) <= bins:
        return places
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, values, side="right")


def _information(one: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> float:
    import numpy as np

    joint = np.zeros((int(one.max()) + 1, int(other.max()) + 1))
    np.add.at(joint, (one, other), 1.0)
    rows = joint.sum()
    first, second = joint.sum(axis=1), joint.sum(axis=0)
    expected = np.outer(first, second) / rows
    seen = joint > 0
    plain = float((joint[seen] * np.log(joint[seen] / expected[seen])).sum() / rows)
    freedom = float(((first > 0).sum() - 1) * ((second > 0).sum() - 1))
    return plain - (freedom + 2.0 * math.sqrt(2.0 * freedom)) / (2.0 * float(rows))
