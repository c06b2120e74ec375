"""What encodings of categories have in common: which categories are kept apart, and the code of each row."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tenure.core.effect import Effect
from tenure.ml.transforms.base import Action, Learned, Reads, Target, Transform
from tenure.spec.base import Share, field

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tenure.ml.design import Text

OTHER = "(other)"
MISSING = "(missing)"

Unseen = Literal["other", "missing"]


class CategoryTransform(Transform):
    """The base of encodings of text columns, with memory bounded by the categories kept, not by those that occur.

    Codes are positions: first the kept categories, then all others, then a missing value. Others have a code of their
    own when training had some; so has a missing value. What has no code is -1.
    """

    rare_below: Share = field(
        Effect.RETRAIN,
        "Categories with a smaller share of the training rows are treated as one.",
        0.0,
    )
    max_categories: int = field(
        Effect.RETRAIN, "Most frequent categories that are kept apart.", 1000, ge=1, le=100_000
    )
    unseen: Unseen = field(
        Effect.RETRAIN,
        "What a category that is rare or was never seen counts as: `other`, or `missing`.",
        "other",
    )

    TAKES: ClassVar[Reads] = "text"

    def fit(self, values: Text, target: Target | None) -> Learned:
        """`categories`: those kept, in the order of their codes; `other` and `missing`: whether there are such rows;
        and what the encoding itself learns."""
        counts = values.counts()
        kept = self._kept(values.categories, counts, len(values))
        names = [values.categories[position] for position in kept]
        has_other = self.unseen == "other" and len(kept) < int((counts > 0).sum())
        has_missing = bool((values.codes < 0).any()) or (
            self.unseen == "missing" and len(kept) < int((counts > 0).sum())
        )
        learned: Learned = {"categories": names, "other": has_other, "missing": has_missing}
        return learned | self.learn(self.codes(values, learned), learned, target)

    def _kept(self, categories: Sequence[str], counts: npt.NDArray[np.int64], rows: int) -> list[int]:
        """The most frequent ones in alphabetical order; equally frequent ones are taken in that order too."""
        import numpy as np

        frequent = np.flatnonzero((counts > 0) & (counts >= self.rare_below * rows))
        if len(frequent) > self.max_categories:
            least = np.partition(counts[frequent], -self.max_categories)[-self.max_categories]
            sure = frequent[counts[frequent] > least]
            tied = sorted(frequent[counts[frequent] == least].tolist(), key=categories.__getitem__)
            frequent = np.concatenate([sure, tied[: self.max_categories - len(sure)]]).astype(np.int64)
        return sorted(frequent.tolist(), key=categories.__getitem__)

    def codes(self, values: Text, learned: Learned) -> npt.NDArray[np.int64]:
        """The code of each row (rows,)."""
        codes: npt.NDArray[np.int64] = _coder(self, learned)(values)
        return codes

    def learn(self, codes: npt.NDArray[np.int64], learned: Learned, target: Target | None) -> Learned:
        """What the encoding learns besides the categories; nothing where codes are enough."""
        return {}

    @abstractmethod
    def encoded(self, codes: npt.NDArray[np.int64], learned: Learned) -> npt.NDArray[Any]:
        """The matrix (rows, columns) of codes."""

    def compiled(self, learned: Learned) -> Action:
        """From `Text` to the matrix."""
        code = _coder(self, learned)
        return lambda values: self.encoded(code(values), learned)


def code_count(learned: Learned) -> int:
    """How many codes there are, -1 not counted."""
    return len(learned["categories"]) + bool(learned["other"]) + bool(learned["missing"])


def code_names(learned: Learned) -> list[str]:
    """What each code stands for. A category may be called like `OTHER`: it keeps its own code all the same."""
    return [*learned["categories"], *[OTHER] * learned["other"], *[MISSING] * learned["missing"]]


def _coder(transform: CategoryTransform, learned: Learned) -> Any:
    import numpy as np

    positions = {name: position for position, name in enumerate(learned["categories"])}
    other = len(positions) if learned["other"] else -1
    missing = len(positions) + learned["other"] if learned["missing"] else -1
    if transform.unseen == "missing":
        other = missing

    def code(values: Text) -> Any:
        table = np.array(
            [*(positions.get(name, other) for name in values.categories), missing], dtype=np.int64
        )
        return table[values.codes]  # -1, a missing value, is the last entry

    return code
