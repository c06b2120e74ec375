"""Transform `target`: a category becomes the mean of the target over its rows, drawn towards the mean of all rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.ml.transforms.base import Learned, Target
from tenure.ml.transforms.categories import CategoryTransform, code_count
from tenure.spec.base import field

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tenure.ml.design import Text

_FOLDS = 5


class TargetEncoding(CategoryTransform):
    """One column with the mean of the target over the rows of a category; for several classes, a column per class
    with its share.

    Few rows count less: their mean is drawn towards that of all rows. While an algorithm learns, no row's own target is
    in its value: the training rows get means of the other four fifths of them (Micci-Barreca 2001; cross-fitting as
    in scikit-learn).
    """

    type: Literal["target"] = field(Effect.RETRAIN, "The mean of the target over the rows of a category.")
    smoothing: Literal["auto"] | float = field(
        Effect.RETRAIN,
        "How many rows the mean of all rows counts for; `auto` estimates it from the spread inside the categories.",
        "auto",
        examples=["auto", 20],
    )

    NEEDS_TARGET: ClassVar[bool] = True

    def learn(self, codes: Any, learned: Learned, target: Target | None) -> Learned:
        """`means` (codes + 1, outputs), the last for what has no code; `labels` of the classes where there are
        several."""
        import numpy as np

        columns = _columns(target)
        means = np.column_stack([self._means(codes, column, code_count(learned)) for column in columns])
        return {"means": means, "labels": _labels(target)}

    def _means(self, codes: Any, values: Any, count: int) -> npt.NDArray[np.float64]:
        """The smoothed mean of each code, and of all rows at the end."""
        import numpy as np

        known = codes >= 0
        rows = np.bincount(codes[known], minlength=count)
        sums = np.bincount(codes[known], weights=values[known], minlength=count)
        overall = float(values.mean()) if len(values) else 0.0
        means = np.divide(sums, rows, out=np.full(count, overall), where=rows > 0)
        if self.smoothing == "auto":
            spread = np.bincount(
                codes[known], weights=(values[known] - means[codes[known]]) ** 2, minlength=count
            )
            within = np.divide(spread, rows, out=np.zeros(count), where=rows > 0)
            between = float(values.var()) * rows
            total = between + within
            share = np.divide(between, total, out=np.ones(count), where=total > 0)
        else:
            total = rows + self.smoothing
            share = np.divide(rows, total, out=np.zeros(count), where=total > 0)
        return np.append(np.where(rows > 0, share * means + (1 - share) * overall, overall), overall)

    def fit_transform(self, values: Text, target: Target | None) -> tuple[Learned, Any]:
        """The training rows get the means of rows in other folds."""
        import numpy as np

        learned = self.fit(values, target)
        codes, columns = self.codes(values, learned), _columns(target)
        if len(codes) < 2 * _FOLDS:
            return learned, self.encoded(codes, learned)
        assert target is not None
        part = _parts(target, len(codes))
        result = np.empty((len(codes), len(columns)))
        for fold in range(_FOLDS):
            held = part == fold
            others, rest = ~held, codes[held]
            for position, column in enumerate(columns):
                result[held, position] = self._means(codes[others], column[others], code_count(learned))[rest]
        return learned, result

    def encoded(self, codes: Any, learned: Learned) -> npt.NDArray[Any]:
        """Means (rows, outputs)."""
        return learned["means"][codes]  # type: ignore[no-any-return]

    def names(self, columns: Sequence[str], learned: Learned) -> list[tuple[str, int]]:
        """The column, or `COLUMN~class` for several classes."""
        (name,) = columns
        if not learned["labels"]:
            return [(name, 0)]
        return [(f"{name}~{label}", 0) for label in learned["labels"]]


def _columns(target: Target | None) -> list[Any]:
    """What means are taken of: the numbers, whether it is the second of two classes, or each of several."""
    import numpy as np

    if target is None:
        raise StageError(
            "target encoding needs a target",
            "the rows it is fitted to come without one",
            "choose another encoding",
        )
    if not target.classes:
        return [np.asarray(target.values, dtype=np.float64)]
    if len(target.classes) == 2:
        return [(target.values == 1).astype(np.float64)]
    return [(target.values == position).astype(np.float64) for position in range(len(target.classes))]


def _labels(target: Target | None) -> list[str]:
    return [str(label) for label in target.classes] if target and len(target.classes) > 2 else []


def _parts(target: Target, rows: int) -> npt.NDArray[np.int64]:
    """The fold of each row. Classes are spread evenly: their rows are shuffled and dealt one by one."""
    import numpy as np

    generator = np.random.default_rng(target.seed)
    order = generator.permutation(rows)
    if target.classes:
        order = order[np.argsort(target.values[order], kind="stable")]
    part = np.empty(rows, dtype=np.int64)
    part[order] = np.arange(rows) % _FOLDS
    return part
