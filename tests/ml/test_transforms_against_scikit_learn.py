"""Transforms that scikit-learn has too give its numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import (
    MinMaxScaler,
    OneHotEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

from tenure.ml.design import Text
from tenure.ml.transforms import transform_of
from tenure.ml.transforms.base import Target
from tenure.ml.transforms.target import _parts


def _numbers() -> np.ndarray:
    generator = np.random.default_rng(5)
    return np.column_stack(
        [generator.normal(3, 2, 200), generator.gamma(2, size=200), generator.integers(0, 5, 200)]
    )


def _text(values: list[str | None]) -> Text:
    categories = sorted({value for value in values if value is not None})
    codes = [-1 if value is None else categories.index(value) for value in values]
    return Text(np.array(codes), categories)


def _applied(config: dict, values: object, new: object, target: Target | None = None) -> np.ndarray:
    transform = transform_of(config)
    return np.asarray(transform.compiled(transform.fit(values, target))(new))


@pytest.mark.parametrize("strategy", ["median", "mean", "most_frequent"])
def test_imputing(strategy: str) -> None:
    values = _numbers()
    values[::5] = np.nan
    expected = SimpleImputer(strategy=strategy).fit_transform(values)
    np.testing.assert_allclose(
        _applied({"type": "impute", "strategy": strategy}, values, values), expected, rtol=1e-12
    )


@pytest.mark.parametrize(
    ("method", "oracle"),
    [
        ("standard", StandardScaler()),
        ("minmax", MinMaxScaler()),
        ("robust", RobustScaler()),
        ("quantile", QuantileTransformer(n_quantiles=200, output_distribution="normal")),
        ("power", PowerTransformer()),
    ],
)
def test_scaling(method: str, oracle: object) -> None:
    # Where many values are equal, ranks are a matter of taste: only values that differ are compared.
    values, new = _numbers()[:150, :2], _numbers()[150:, :2]
    if method == "quantile":
        oracle.set_params(n_quantiles=150)  # type: ignore[attr-defined]
    expected = oracle.fit(values).transform(new)  # type: ignore[attr-defined]
    given = _applied({"type": "scale", "method": method}, values, new.copy())
    np.testing.assert_allclose(given, expected, rtol=1e-6, atol=1e-6)


def test_one_hot_codes() -> None:
    values = np.random.default_rng(0).choice(list("pqrs"), 200).tolist()
    expected = OneHotEncoder(sparse_output=False).fit_transform(np.array(values, dtype=object)[:, None])
    assert np.array_equal(_applied({"type": "onehot"}, _text(values), _text(values)), expected)


TARGETS = {
    "regression": (Target(np.random.default_rng(1).normal(size=200)), "continuous"),
    "binary": (Target(np.random.default_rng(2).integers(0, 2, 200), ("no", "yes")), "binary"),
    "multiclass": (Target(np.random.default_rng(3).integers(0, 3, 200), ("a", "b", "c")), "multiclass"),
}


@pytest.mark.parametrize("smoothing", ["auto", 12.0])
@pytest.mark.parametrize("task", TARGETS)
def test_target_means(task: str, smoothing: str | float) -> None:
    target, kind = TARGETS[task]
    values = np.random.default_rng(0).choice(
        list("pqrstuvw"), 200, p=[0.4, 0.3, 0.1, 0.1, 0.04, 0.03, 0.02, 0.01]
    )
    frame = values.astype(object)[:, None]
    oracle = TargetEncoder(smooth=smoothing, target_type=kind).fit(frame, target.values)
    new = [*values.tolist(), "never seen"]
    expected = oracle.transform(np.array(new, dtype=object)[:, None])
    given = _applied({"type": "target", "smoothing": smoothing}, _text(values.tolist()), _text(new), target)
    np.testing.assert_allclose(given, expected, rtol=1e-9)


@pytest.mark.parametrize("task", TARGETS)
def test_no_row_is_shown_a_mean_with_its_own_target(task: str) -> None:
    """Cross-fitting as scikit-learn does it, on the same folds."""
    target, kind = TARGETS[task]
    values = np.random.default_rng(0).choice(list("pqrs"), 200)
    transform = transform_of({"type": "target"})
    _, shown = transform.fit_transform(_text(values.tolist()), target)

    part = _parts(target, 200)
    folds = [(np.flatnonzero(part != fold), np.flatnonzero(part == fold)) for fold in range(5)]
    oracle = TargetEncoder(target_type=kind, cv=folds)
    expected = oracle.fit_transform(values.astype(object)[:, None], target.values)
    np.testing.assert_allclose(shown, expected, rtol=1e-9)
    if target.classes:  # each fold has as many rows of a class as another, give or take one
        counts = [np.bincount(target.values[part == fold]) for fold in range(5)]
        assert np.ptp(counts, axis=0).max() <= 1


TEXTS = [
    "The red apple fell",
    "a RED car, a red house",
    "green-ish apples and pears",
    "",
    "blue",
    "the green car",
    "pears pears pears",
    "the red apple fell",
] * 3


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        ({"ngrams": [1, 2], "min_rows": 3}, {"ngram_range": (1, 2), "min_df": 3}),
        ({"max_features": 4}, {"max_features": 4}),
        ({"lowercase": False}, {"lowercase": False}),
        ({"analyzer": "char", "ngrams": [2, 4]}, {"analyzer": "char_wb", "ngram_range": (2, 4)}),
    ],
)
def test_weights_of_words(ours: dict, theirs: dict) -> None:
    oracle = TfidfVectorizer(**{"min_df": 2} | theirs)
    expected = pd.DataFrame(oracle.fit_transform(TEXTS).toarray(), columns=oracle.get_feature_names_out())
    transform = transform_of({"type": "tfidf", "max_features": 20_000, **ours})
    learned = transform.fit(_text(TEXTS), None)
    assert set(learned["terms"]) == set(expected.columns)
    given = transform.compiled(learned)(_text(TEXTS))
    np.testing.assert_allclose(given, expected[learned["terms"]].to_numpy(), rtol=1e-12, atol=1e-15)


def test_components_keep_the_distances_between_texts() -> None:
    full = _applied({"type": "tfidf"}, _text(TEXTS), _text(TEXTS))
    condensed = _applied({"type": "tfidf", "components": 8}, _text(TEXTS), _text(TEXTS))
    assert condensed.shape == (len(TEXTS), 8)
    np.testing.assert_allclose(condensed @ condensed.T, full @ full.T, atol=0.05)
