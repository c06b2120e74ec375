"""Trees in flat arrays: scikit-learn itself is the oracle, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from tenure.ml.estimators import flat_trees
from tenure.ml.estimators.flat_trees import answer_of
from tenure.ml.estimators.skops import Skops
from tenure.ml.signature import Signature

GENERATOR = np.random.default_rng(9)
MATRIX = GENERATOR.normal(size=(250, 5)) * [1, 1e-3, 1e4, 1, 1]
MATRIX[GENERATOR.random(MATRIX.shape) < 0.1] = np.nan
SIGNAL = np.nan_to_num(MATRIX[:, 0]) + np.nan_to_num(MATRIX[:, 3])
TARGETS = {
    "binary": (SIGNAL > 0).astype(int),
    "multiclass": np.digitize(SIGNAL, [-0.5, 0.5]),
    "regression": SIGNAL,
}
KINDS = [
    (RandomForestClassifier, "binary", {"n_estimators": 30}),
    (RandomForestClassifier, "multiclass", {"n_estimators": 30}),
    (RandomForestRegressor, "regression", {"n_estimators": 30}),
    (ExtraTreesClassifier, "multiclass", {"n_estimators": 30}),
    (ExtraTreesRegressor, "regression", {"n_estimators": 30}),
    (HistGradientBoostingClassifier, "binary", {"max_iter": 20}),
    (HistGradientBoostingClassifier, "multiclass", {"max_iter": 20}),
    (HistGradientBoostingRegressor, "regression", {"max_iter": 20}),
]
IDS = [f"{kind.__name__}-{task}" for kind, task, _ in KINDS]


def _expected(estimator, matrix):
    return estimator.predict_proba(matrix) if hasattr(estimator, "classes_") else estimator.predict(matrix)


@pytest.mark.parametrize(("kind", "task", "settings"), KINDS, ids=IDS)
def test_answers_are_those_of_scikit_learn_to_the_last_bit(kind, task, settings):
    estimator = kind(random_state=1, **settings).fit(MATRIX, TARGETS[task])
    answer = answer_of(estimator)
    unseen = GENERATOR.normal(size=(200, 5)) * [3, 1e-3, 1e5, 1, 1]
    unseen[GENERATOR.random(unseen.shape) < 0.1] = np.nan
    edges = np.vstack(
        [np.zeros(5), np.full(5, np.nan), np.full(5, -0.0), np.full(5, 1e30), np.full(5, 1e-320)]
    )
    for rows in (MATRIX, unseen, edges, unseen[:1], unseen[:0]):
        if len(rows):
            assert np.array_equal(answer(rows), _expected(estimator, rows))
    # Values exactly at thresholds, where a comparison in another precision would turn the other way.
    member = estimator.estimators_[0].tree_ if hasattr(estimator, "estimators_") else None
    if member is not None:
        for node in np.flatnonzero((member.children_left != -1) & np.isfinite(member.threshold))[:10]:
            row = MATRIX[:1].copy()
            row[0, member.feature[node]] = member.threshold[node]
            assert np.array_equal(answer(row), _expected(estimator, row))


@pytest.mark.parametrize(("kind", "task", "settings"), KINDS, ids=IDS)
def test_few_rows_take_this_way_and_many_do_not(kind, task, settings, monkeypatch):
    estimator = kind(random_state=1, **settings).fit(MATRIX, TARGETS[task])
    classes = () if task == "regression" else tuple("abc"[: 2 if task == "binary" else 3])
    signature = Signature((), task, "y", classes)
    asked = []
    original = flat_trees.FlatTrees.leaves

    def counting(self, matrix):
        asked.append(len(matrix))
        return original(self, matrix)

    monkeypatch.setattr(flat_trees.FlatTrees, "leaves", counting)
    many = Skops().raw(estimator, MATRIX, signature)
    assert asked == []
    assert np.array_equal(Skops().raw(estimator, MATRIX[:3], signature), many[:3])
    assert asked == [3]


def test_rows_that_scikit_learn_would_refuse_are_left_to_it():
    forest = RandomForestClassifier(5, random_state=1).fit(MATRIX, TARGETS["binary"])
    signature = Signature((), "binary", "y", ("no", "yes"))
    with np.errstate(over="ignore"), pytest.raises(ValueError, match="too large"):
        Skops().raw(forest, np.full((1, 5), 1e300), signature)
    with pytest.raises(ValueError, match="features"):
        Skops().raw(forest, MATRIX[:1, :4], signature)


def test_other_estimators_and_large_ones_are_not_copied(monkeypatch):
    assert answer_of(GradientBoostingRegressor(n_estimators=2).fit(np.nan_to_num(MATRIX), SIGNAL)) is None
    monkeypatch.setattr(flat_trees, "_MOST_NODES", 10)
    assert answer_of(RandomForestRegressor(5, random_state=1).fit(MATRIX, SIGNAL)) is None
