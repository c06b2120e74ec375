"""Formats of estimators: the same model gives the same bytes, the bytes give the same answers, damage is an error."""

from __future__ import annotations

import os
import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from tenure.core.errors import StageError
from tenure.ml.estimators.registry import FORMATS, format_named, format_of, raw_predictions
from tenure.ml.predictor_files import ESTIMATORS
from tenure.ml.signature import InputColumn, Signature

CLASSES = {"binary": ("no", "yes"), "multiclass": ("a", "b", "c"), "regression": ()}
GENERATOR = np.random.default_rng(4)
MATRIX = GENERATOR.normal(size=(400, 4))
MATRIX[:, 3] = GENERATOR.integers(0, 6, len(MATRIX))
MATRIX[GENERATOR.random(len(MATRIX)) < 0.1, 1] = np.nan
SIGNAL = MATRIX[:, 0] + (MATRIX[:, 3] % 3)
TARGETS = {
    "binary": (SIGNAL > 1).astype(int),
    "multiclass": np.digitize(SIGNAL, [0.5, 1.5]),
    "regression": SIGNAL,
}


def _signature(task: str) -> Signature:
    return Signature(
        tuple(InputColumn(f"x{number}", "number") for number in range(4)), task, "y", CLASSES[task]
    )


def _skops(task: str, threads: int) -> Any:
    kind = Ridge() if task == "regression" else LogisticRegression()
    return kind.fit(np.nan_to_num(MATRIX), TARGETS[task])


def _xgboost(task: str, threads: int) -> Any:
    xgboost = pytest.importorskip("xgboost")
    objective = {
        "binary": "binary:logistic",
        "multiclass": "multi:softprob",
        "regression": "reg:squarederror",
    }
    settings = {"objective": objective[task], "nthread": threads, "seed": 1}
    settings |= {"num_class": 3} if task == "multiclass" else {}
    return xgboost.train(settings, xgboost.QuantileDMatrix(MATRIX, TARGETS[task], nthread=threads), 4)


def _lightgbm(task: str, threads: int) -> Any:
    lightgbm = pytest.importorskip("lightgbm")
    settings = {"objective": task, "num_threads": threads, "verbosity": -1, "seed": 1, "deterministic": True}
    settings |= {"force_row_wise": True} | ({"num_class": 3} if task == "multiclass" else {})
    settings |= {"min_data_per_group": 5, "cat_smooth": 1}
    rows = lightgbm.Dataset(MATRIX, TARGETS[task], categorical_feature=[3], params=settings)
    return lightgbm.train(settings, rows, 4)


def _catboost(task: str, threads: int) -> Any:
    catboost = pytest.importorskip("catboost")
    loss = {"binary": "Logloss", "multiclass": "MultiClass", "regression": "RMSE"}[task]
    settings = {"loss_function": loss, "iterations": 4, "thread_count": threads, "random_seed": 1}
    return catboost.CatBoost({**settings, "allow_writing_files": False, "logging_level": "Silent"}).fit(
        MATRIX, TARGETS[task]
    )


MAKERS = {"skops": _skops, "xgboost": _xgboost, "lightgbm": _lightgbm, "catboost": _catboost}
CASES = [(name, task) for name in MAKERS for task in CLASSES]


def _rows(name: str) -> np.ndarray:
    return np.nan_to_num(MATRIX) if name == "skops" else MATRIX


def test_every_format_has_a_case_here_and_a_file_that_others_know_of():
    assert {item.name for item in FORMATS} == {*MAKERS, "ensemble"}  # which has a file of its own
    assert {f"estimator.{item.suffix}" for item in FORMATS} == set(ESTIMATORS)


@pytest.mark.parametrize(("name", "task"), CASES)
def test_bytes_depend_on_the_model_alone_and_answer_as_it_did(name, task):
    one, other = (MAKERS[name](task, threads) for threads in (1, 2))
    kind = format_of(one)
    assert kind is format_named(name)
    data = kind.save(one)
    assert kind.save(other) == data
    again = kind.load(data, "file", 1)
    assert kind.save(again) == data
    before, after = (raw_predictions(item, _rows(name), _signature(task)) for item in (one, again))
    assert before.shape == ((400,) if task == "regression" else (400, len(CLASSES[task])))
    assert np.array_equal(before, after)
    learned = before if task == "regression" else before.argmax(axis=1)
    assert np.corrcoef(learned, TARGETS[task])[0, 1] > 0.5


@pytest.mark.parametrize("name", MAKERS)
def test_several_threads_may_ask_at_once(name):
    estimator, rows = MAKERS[name]("multiclass", 1), _rows(name)
    expected = raw_predictions(estimator, rows, _signature("multiclass"))
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(
            lambda n: raw_predictions(estimator, rows[n : n + 9], _signature("multiclass")), range(0, 360, 9)
        )
        assert np.array_equal(np.concatenate(list(answers)), expected[:360])


class Mischief:
    """What a pickle could do."""

    def __reduce__(self):
        return (os.putenv, ("TENURE_OPENED_A_PICKLE", "yes"))


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("data", [b"", b"tree\n", b"{", b"{}", b"CBM1", pickle.dumps(Mischief())], ids=repr)
def test_what_is_no_model_is_refused_with_the_name_of_the_file(name, data):
    with pytest.raises(StageError) as caught:
        format_named(name).load(data, "estimator.any", 1)
    assert "estimator.any" in caught.value.detail


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_half_a_model_is_refused(name, share):
    kind = format_named(name)
    data = kind.save(MAKERS[name]("binary", 1))
    with pytest.raises(StageError):
        kind.load(data[: int(len(data) * share)], "file", 1)


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        (r"left_child=\d+", "left_child=900"),
        (r"left_child=\d+", "left_child=-900"),
        (r"right_child=\d+", "right_child=0"),
        (r"split_feature=\d+", "split_feature=9"),
        (r"split_feature=\d+", "split_feature=-1"),
        (r"num_leaves=\d+", "num_leaves=9999"),
        (r"num_cat=\d+", "num_cat=0"),
        (r"cat_boundaries=0 \d+", "cat_boundaries=0 99"),
        (r"max_feature_idx=3", "max_feature_idx=900"),
        (r"tree_sizes=\d+", "tree_sizes=1"),
        (r"is_linear=0", "is_linear=1"),
        (r"leaf_value=\S+", "leaf_value=much"),
    ],
)
def test_a_lightgbm_tree_that_points_outside_itself_is_refused(pattern, value):
    """LightGBM's own reader ends the process over some of these, and reads beyond its memory over others."""
    kind = format_named("lightgbm")
    text = kind.save(_lightgbm("binary", 1)).decode()
    damaged, count = re.subn(pattern, value, text, count=1)
    assert count == 1
    if "tree_sizes" not in pattern and "max_feature_idx" not in pattern:
        sizes = [len(f"Tree={tree}") for tree in damaged[: -len("end of trees\n")].split("Tree=")[1:]]
        damaged = re.sub("tree_sizes=.*", "tree_sizes=" + " ".join(map(str, sizes)), damaged)
    with pytest.raises(StageError, match="cannot be read"):
        kind.load(damaged.encode(), "file", 1)


def test_a_lightgbm_model_of_one_leaf_is_a_model():
    lightgbm = pytest.importorskip("lightgbm")
    settings = {"objective": "regression", "verbosity": -1, "num_threads": 1}
    rows = lightgbm.Dataset(np.zeros((30, 4)), np.arange(30.0), params={"verbosity": -1})
    model = lightgbm.train(settings, rows, 2)
    kind = format_of(model)
    again = kind.load(kind.save(model), "file", 1)
    assert kind.raw(again, np.zeros((2, 4)), _signature("regression")) == pytest.approx([14.5, 14.5])


def test_a_name_from_another_version_is_not_a_format():
    assert format_named("tensor") is None
