"""Forests and histogram boosting of scikit-learn answering a few rows at once, all trees together.

scikit-learn asks one tree after the other, which costs microseconds each: hundreds of trees take milliseconds for a
single row. Here their nodes lie in flat arrays, and every row goes down all trees in step. The sums are taken in the
same order, so that the answers are the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

MOST_ROWS = 32
"""From about here on asking tree after tree is quicker."""
_MOST_NODES = 2_000_000
"""More are not copied: it would double the memory of a large model."""

Raw = npt.NDArray[np.float64]
Answer = Callable[[npt.NDArray[np.float64]], Raw | None]


@dataclass(frozen=True)
class FlatTrees:
    """Nodes of all trees in one row of arrays; a leaf is its own child, so that all trees can take the same number of
    steps. `values` (nodes, outputs)."""

    roots: npt.NDArray[np.intp]
    feature: npt.NDArray[np.intp]
    threshold: npt.NDArray[np.float64]
    missing_left: npt.NDArray[np.bool_]
    left: npt.NDArray[np.intp]
    right: npt.NDArray[np.intp]
    values: npt.NDArray[np.float64]
    depth: int

    def leaves(self, matrix: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
        """The leaf of each row in each tree (rows, trees)."""
        rows = np.arange(len(matrix))[:, None]
        at = np.broadcast_to(self.roots, (len(matrix), len(self.roots)))
        missing = bool(np.isnan(matrix).any())
        for _ in range(self.depth):
            seen = matrix[rows, self.feature[at]]
            left = seen <= self.threshold[at]
            if missing:
                left |= np.isnan(seen) & self.missing_left[at]
            at = np.where(left, self.left[at], self.right[at])
        return at


_known: WeakKeyDictionary[Any, Answer | None] = WeakKeyDictionary()


def answer_of(estimator: Any) -> Answer | None:
    """How an estimator answers a few rows, None for one that is not of this kind. What it returns may return None for
    rows that only scikit-learn should judge."""
    name = type(estimator).__name__
    if name not in _KINDS or not type(estimator).__module__.startswith("sklearn.ensemble."):
        return None
    if estimator not in _known:
        _known[estimator] = _KINDS[name](estimator)
    return _known[estimator]


def _forest(estimator: Any) -> Answer | None:
    trees = [member.tree_ for member in estimator.estimators_]
    if estimator.n_outputs_ != 1 or sum(tree.node_count for tree in trees) > _MOST_NODES:
        return None
    flat = _flat(
        [tree.children_left for tree in trees],
        [tree.children_right for tree in trees],
        [tree.children_left == -1 for tree in trees],
        [tree.feature for tree in trees],
        [tree.threshold for tree in trees],
        [tree.missing_go_to_left for tree in trees],
        [tree.value[:, 0, :] for tree in trees],
    )
    numbers = not hasattr(estimator, "classes_")
    features = estimator.n_features_in_

    def answer(matrix: npt.NDArray[np.float64]) -> Raw | None:
        with np.errstate(over="ignore"):
            narrow = matrix.astype(np.float32)  # as the trees were grown
        if matrix.shape[1] != features or np.isinf(narrow).any():
            return None
        total = _summed(flat.values[flat.leaves(narrow)]) / len(trees)
        return total[:, 0] if numbers else total

    return answer


def _boosting(estimator: Any) -> Answer | None:
    rounds = estimator._predictors
    members = [predictor.nodes for stage in rounds for predictor in stage]
    if (
        not members
        or estimator.is_categorical_ is not None
        or sum(len(nodes) for nodes in members) > _MOST_NODES
    ):
        return None
    flat = _flat(
        [nodes["left"] for nodes in members],
        [nodes["right"] for nodes in members],
        [nodes["is_leaf"].astype(bool) for nodes in members],
        [nodes["feature_idx"] for nodes in members],
        [nodes["num_threshold"] for nodes in members],
        [nodes["missing_go_to_left"] for nodes in members],
        [nodes["value"][:, None] for nodes in members],
    )
    outputs = len(rounds[0])
    start = np.asarray(estimator._baseline_prediction, dtype=np.float64).reshape(1, 1, -1)
    features = estimator.n_features_in_
    loss, numbers = estimator._loss, not hasattr(estimator, "classes_")

    def answer(matrix: npt.NDArray[np.float64]) -> Raw | None:
        if matrix.shape[1] != features or np.isinf(matrix).any():
            return None
        count = len(matrix)
        said = flat.values[flat.leaves(matrix)].reshape(count, len(rounds), outputs)
        total = _summed(np.concatenate([np.broadcast_to(start, (count, 1, outputs)), said], axis=1))
        if numbers:
            return np.asarray(loss.link.inverse(total.ravel()), dtype=np.float64)
        return np.asarray(loss.predict_proba(total), dtype=np.float64)

    return answer


def _summed(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The sum over trees (rows, trees, outputs) one after the other: `sum` would add in pairs, and round otherwise."""
    return np.ascontiguousarray(np.add.accumulate(values, axis=1)[:, -1])


def _flat(
    left: list[npt.NDArray[Any]],
    right: list[npt.NDArray[Any]],
    leaf: list[npt.NDArray[Any]],
    feature: list[npt.NDArray[Any]],
    threshold: list[npt.NDArray[Any]],
    missing_left: list[npt.NDArray[Any]],
    values: list[npt.NDArray[Any]],
) -> FlatTrees:
    sizes = np.array([len(nodes) for nodes in left])
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.intp)
    offset = np.repeat(roots, sizes)
    leaves = np.concatenate(leaf)
    own = np.arange(len(leaves), dtype=np.intp)
    lefts = np.where(leaves, own, np.concatenate(left).astype(np.intp) + offset)
    rights = np.where(leaves, own, np.concatenate(right).astype(np.intp) + offset)
    depth, at = 0, roots
    while len(at := at[~leaves[at]]):
        at = np.concatenate([lefts[at], rights[at]])
        depth += 1
    return FlatTrees(
        roots,
        np.where(leaves, 0, np.concatenate(feature)).astype(np.intp),
        np.concatenate(threshold).astype(np.float64),
        np.concatenate(missing_left).astype(bool),
        lefts,
        rights,
        np.ascontiguousarray(np.concatenate(values), dtype=np.float64),
        depth,
    )


_KINDS: dict[str, Callable[[Any], Answer | None]] = {
    "RandomForestClassifier": _forest,
    "RandomForestRegressor": _forest,
    "ExtraTreesClassifier": _forest,
    "ExtraTreesRegressor": _forest,
    "HistGradientBoostingClassifier": _boosting,
    "HistGradientBoostingRegressor": _boosting,
}
