"""Transform `tfidf`: text becomes the weights of its words."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.ml.transforms.base import Action, Learned, Reads, Target, Transform
from tenure.spec.base import FieldProblem, field

if TYPE_CHECKING:
    from tenure.ml.design import Text

_WORD = re.compile(r"\w\w+")


class Tfidf(Transform):
    """Text becomes the weights of its terms: frequent in the text, rare in the training rows.

    Weights are tf * (ln((1 + rows) / (1 + rows with the term)) + 1), each text scaled to length 1. A missing text is
    all zeros, as is one without a known term.
    """

    type: Literal["tfidf"] = field(Effect.RETRAIN, "Weights of the words of a text.")
    max_features: int = field(
        Effect.RETRAIN,
        "Most terms, the most frequent of the training rows. The matrix is dense: memory is rows x terms x 8 bytes.",
        300,
        ge=1,
        le=20_000,
    )
    analyzer: Literal["word", "char"] = field(
        Effect.RETRAIN,
        "`word` takes words of two letters and more, `char` letters in a row inside words, which bears misspellings.",
        "word",
    )
    ngrams: tuple[int, int] = field(
        Effect.RETRAIN, "Fewest and most words, or letters, that make a term.", (1, 1), examples=[[1, 2]]
    )
    lowercase: bool = field(Effect.RETRAIN, "Treat upper and lower case as equal.", True)
    min_rows: int = field(Effect.RETRAIN, "Fewest training rows that must have a term.", 2, ge=1)
    components: int | None = field(
        Effect.RETRAIN,
        "Condense the weights into so many columns (truncated singular value decomposition); not done when left out.",
        None,
        ge=1,
        le=1000,
    )

    TAKES: ClassVar[Reads] = "text"

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        low, high = self.ngrams
        if not 1 <= low <= high <= 10:
            raise FieldProblem("ngrams go from 1 to 10, the smaller one first", at=("ngrams",))
        return self

    def fit(self, values: Text, target: Target | None) -> Learned:
        """`terms`, `weights` (terms,), and `components` (terms, components)."""
        import numpy as np

        split = self._splitter()
        rows, total = Counter[str](), Counter[str]()
        for text, count in zip(values.categories, values.counts().tolist(), strict=True):
            if count:
                for term, times in Counter(split(text)).items():
                    rows[term] += count
                    total[term] += count * times
        common = [term for term, count in rows.items() if count >= self.min_rows]
        terms = sorted(sorted(common, key=lambda term: (-total[term], term))[: self.max_features])
        weights = [math.log((1 + len(values)) / (1 + rows[term])) + 1 for term in terms]
        learned: Learned = {"terms": terms, "weights": np.array(weights)}
        if self.components is not None and terms:
            learned["components"] = self._components(values, learned, target)
        return learned

    def _components(self, values: Text, learned: Learned, target: Target | None) -> Any:
        """The directions of the greatest spread of the training rows, found without a dense matrix."""
        import numpy as np
        from scipy.sparse import csr_matrix
        from sklearn.utils.extmath import randomized_svd

        weigh = self._weigher(learned)
        found = [weigh(text) for text in values.categories]
        ends = np.cumsum([0, *(len(columns) for columns, _ in found)])
        data = np.concatenate([weights for _, weights in found])
        columns = np.concatenate([columns for columns, _ in found])
        matrix = csr_matrix((data, columns, ends), shape=(len(found), len(learned["terms"])))
        matrix = matrix.multiply(np.sqrt(values.counts())[:, None]).tocsr()
        count = min(self.components or 1, min(matrix.shape))
        seed = 7 if target is None else target.seed
        _, _, directions = randomized_svd(matrix, count, random_state=seed)
        return np.ascontiguousarray(directions.T)

    def _splitter(self) -> Callable[[str], list[str]]:
        """The terms of a text, in order, repeated ones repeated."""
        low, high = self.ngrams

        def words(text: str) -> list[str]:
            found = _WORD.findall(text.lower() if self.lowercase else text)
            if (low, high) == (1, 1):
                return found
            return [
                " ".join(found[start : start + size])
                for size in range(low, high + 1)
                for start in range(len(found) - size + 1)
            ]

        def letters(text: str) -> list[str]:
            terms = []
            for word in (text.lower() if self.lowercase else text).split():
                padded = f" {word} "
                for size in range(low, high + 1):
                    terms += [padded[start : start + size] for start in range(max(1, len(padded) - size + 1))]
                    if size >= len(padded):
                        break  # a short word counts once
            return terms

        return words if self.analyzer == "word" else letters

    def _weigher(self, learned: Learned) -> Callable[[str], tuple[Any, Any]]:
        """Columns and weights of one text, by its own terms alone."""
        import numpy as np

        split = self._splitter()
        positions = {term: position for position, term in enumerate(learned["terms"])}
        weights = learned["weights"].tolist()

        def weigh(text: str) -> tuple[Any, Any]:
            counts = Counter(positions[term] for term in split(text) if term in positions)
            columns = sorted(counts)
            values = [counts[column] * weights[column] for column in columns]
            length = math.sqrt(math.fsum(value * value for value in values)) or 1.0
            return np.array(columns, dtype=np.int64), np.array([value / length for value in values])

        return weigh

    def compiled(self, learned: Learned) -> Action:
        """From `Text` to weights (rows, terms) or (rows, components); text by text: no row depends on others."""
        import numpy as np

        weigh = self._weigher(learned)
        components = learned.get("components")
        width = len(learned["terms"]) if components is None else components.shape[1]

        def transform(values: Text) -> Any:
            used, places = np.unique(values.codes, return_inverse=True)
            matrix = np.zeros((len(used), width))
            for row, code in enumerate(used.tolist()):
                if code < 0:
                    continue  # a missing text
                columns, weights = weigh(values.categories[code])
                if components is None:
                    matrix[row, columns] = weights
                elif len(columns):
                    matrix[row] = (components[columns] * weights[:, None]).sum(axis=0)
            return matrix if len(used) == len(places) and (np.diff(places) > 0).all() else matrix[places]

        return transform

    def names(self, columns: Sequence[str], learned: Learned) -> list[tuple[str, int]]:
        """`COLUMN:term`, or `COLUMN:component N`."""
        (name,) = columns
        if "components" in learned:
            return [(f"{name}:component {number + 1}", 0) for number in range(learned["components"].shape[1])]
        return [(f"{name}:{term}", 0) for term in learned["terms"]]
