"""Categorical columns as numbers, with memory bounded by the number of categories kept, not by those that occur."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

OTHER = "(other)"
MISSING = "(missing)"


class CategoryEncoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """One-hot or ordinal codes of the most frequent categories of each text column.

    Up to `max_categories` categories per column are kept, each with at least the share `rare_below` of the rows;
    equally frequent ones are taken in alphabetical order. All others, and any never seen, share one `(other)`
    category when training had rare ones; a missing value is the category `(missing)` when training had missing ones.
    What fits neither is encoded as nothing: zeros, or -1. Ordinal codes follow the alphabet.

    scikit-learn's OneHotEncoder stores every category that occurred, which for 200,000 of them is most of the model.
    """

    def __init__(
        self,
        encoding: Literal["onehot", "ordinal"] = "onehot",
        rare_below: float = 0.0,
        max_categories: int = 50,
    ) -> None:
        self.encoding = encoding
        self.rare_below = rare_below
        self.max_categories = max_categories

    def fit(self, X: Any, y: Any = None) -> CategoryEncoder:
        """Choose the categories. `X`: frame or array (rows, columns) of text and None."""
        names = [str(name) for name in getattr(X, "columns", range(np.shape(X)[1]))]
        self.columns_ = names
        self.kept_: list[list[str]] = []
        self.other_: list[bool] = []
        self.missing_: list[bool] = []
        for column in _columns(X):
            present = np.array([value for value in column if value is not None], dtype=object)
            values, counts = np.unique(present.astype(str), return_counts=True)
            frequent = counts >= self.rare_below * len(column)
            # A stable sort keeps the alphabetical order of `unique` among equally frequent categories.
            order = np.argsort(-counts, kind="stable")
            kept = sorted(
                str(values[position]) for position in order[: self.max_categories] if frequent[position]
            )
            self.kept_.append(kept)
            self.other_.append(len(kept) < len(values))
            self.missing_.append(len(present) < len(column))
        return self

    def transform(self, X: Any) -> npt.NDArray[np.float64]:
        """Codes, float64: (rows, sum of kept categories) one-hot, or (rows, columns) ordinal."""
        check_is_fitted(self, "kept_")
        return self.encode(_columns(X))

    def encode(self, columns: list[list[Any]]) -> npt.NDArray[np.float64]:
        """As `transform`, for columns given as lists of text and None."""
        blocks = []
        for column, kept, has_other, has_missing in zip(
            columns, self.kept_, self.other_, self.missing_, strict=True
        ):
            positions = {category: position for position, category in enumerate(kept)}
            other = len(kept) if has_other else -1
            missing = len(kept) + has_other if has_missing else -1
            codes = np.fromiter(
                (missing if value is None else positions.get(value, other) for value in column),
                dtype=np.int64,
                count=len(column),
            )
            if self.encoding == "ordinal":
                blocks.append(codes.astype(np.float64)[:, None])
            else:
                block = np.zeros((len(codes), len(kept) + has_other + has_missing))
                seen = np.flatnonzero(codes >= 0)
                block[seen, codes[seen]] = 1.0
                blocks.append(block)
        return np.hstack(blocks)

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """`column=category` for one-hot codes, the column itself for ordinal ones."""
        check_is_fitted(self, "kept_")
        if self.encoding == "ordinal":
            return np.array(self.columns_, dtype=object)
        groups = zip(self.columns_, self.kept_, self.other_, self.missing_, strict=True)
        names = [
            f"{name}={category}"
            for name, kept, has_other, has_missing in groups
            for category in (*kept, *[OTHER] * has_other, *[MISSING] * has_missing)
        ]
        return np.array(names, dtype=object)


def _columns(X: Any) -> list[list[Any]]:
    if hasattr(X, "columns"):
        return [X[name].tolist() for name in X.columns]
    array = np.asarray(X, dtype=object)
    return [array[:, position].tolist() for position in range(array.shape[1])]
