"""Every algorithm through a search and the final fit, as a spec asks for it."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.stages.lab import Lab

from tenure.core.errors import StageError
from tenure.ml.predictor import load
from tenure.stages.training.algorithms import Algorithms

FEW: dict[str, dict[str, Any]] = {
    **{
        name: {"n_estimators": 10}
        for name in ("xgboost", "lightgbm", "catboost", "random_forest", "extra_trees")
    },
    **{name: {"max_iter": 10} for name in ("hist_gradient_boosting", "mlp")},
}
KINDS = {
    name: kind
    for name, kind in Algorithms.kinds().items()
    if name not in ("xgboost", "lightgbm", "catboost") or importlib.util.find_spec(name)
}
ONE_FOLD = {"type": "kfold", "folds": 2}


def _lab(tmp_path: Any, task: str) -> Lab:
    generator = np.random.default_rng(5)
    a, b = generator.normal(size=180), generator.normal(size=180)
    signal = a + 0.5 * b
    target = {
        "binary": np.where(signal > 0, "yes", "no").tolist(),
        "multiclass": np.array(["low", "mid", "high"])[np.digitize(signal, [-0.5, 0.5])].tolist(),
        "regression": signal * 100,
    }[task]
    c = generator.choice(["u", "v", "w"], 180).tolist()
    holes = [None if i % 11 == 0 else float(v) for i, v in enumerate(b)]
    made = Lab(tmp_path, pa.table({"a": a, "b": holes, "c": c, "y": target}), "y")
    made.make_features()
    return made


@pytest.mark.parametrize(
    ("name", "task"),
    [(name, task) for name, kind in KINDS.items() for task in kind.TASKS if name != "estimator"],
)
def test_it_is_searched_fitted_kept_and_answers_better_than_chance(tmp_path, name, task):
    lab = _lab(tmp_path, task)
    found = lab.search(
        algorithms={name: {"search_space": FEW.get(name, {})}},
        limits={"max_trials": 3},
        cross_validation=ONE_FOLD,
    )
    assert found.value["algorithm"] == name
    assert found.value["failed"] == 0, found.value["algorithms"]
    made = lab.fit()
    predictor = load({file: lab.artifacts.get(blob) for file, blob in made.artifacts.items()})
    rows = pa.table({"a": [2.0, -2.0], "b": [1.0, None], "c": ["u", "new"]})
    high, low = predictor.predict(rows).labels
    if task == "regression":
        assert high > low
    else:
        assert (high, low) == {"binary": ("yes", "no"), "multiclass": ("high", "low")}[task]


def test_what_has_nothing_to_search_is_tried_once(tmp_path):
    found = _lab(tmp_path, "regression").search(
        algorithms={"linear_regression": {}}, limits={"max_trials": 9}
    )
    assert found.value["trials"] == 1
    assert found.value["ended_by"] == "nothing left to try"


def test_another_class_with_equal_parameters_is_another_model(tmp_path):
    lab, models = _lab(tmp_path, "binary"), []
    for name in ("DecisionTreeClassifier", "ExtraTreeClassifier"):
        block = {"class": f"sklearn.tree.{name}", "search_space": {"max_depth": 3}}
        found = lab.search(algorithms={"estimator": block}, limits={"max_trials": 1})
        models.append((found.digest, lab.fit().digest))
    assert models[0][0] != models[1][0]
    assert models[0][1] != models[1][1]


@pytest.mark.parametrize("name", ["k_nearest_neighbors", "svm"])
def test_too_many_rows_are_refused_before_the_search_with_the_field_that_says_how_many(tmp_path, name):
    """The folds have fewer rows than the final fit, which would fail after all the work."""
    lab = _lab(tmp_path, "binary")
    with pytest.raises(StageError, match="too many rows") as caught:
        lab.search(
            algorithms={"naive_bayes": {}, name: {"max_rows": 100}},
            limits={"max_trials": 2},
            cross_validation=ONE_FOLD,
        )
    assert "135" in caught.value.detail
    assert caught.value.path == ("training", "algorithms", name, "max_rows")
    assert lab.trials.kept == {}


def test_a_linear_kernel_has_no_limit_of_rows(tmp_path):
    linear = {"svm": {"max_rows": 20, "search_space": {"kernel": "linear"}}}
    found = _lab(tmp_path, "binary").search(algorithms=linear, limits={"max_trials": 2})
    assert found.value["failed"] == 0, found.value["algorithms"]
