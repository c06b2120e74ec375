from __future__ import annotations

import pyarrow as pa
import pytest

from tenure.core.errors import StageError
from tenure.ml.task import Target, infer


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["yes", "no", None, "yes"], Target("binary", ("no", "yes"))),
        (["sun", "rain", "fog"], Target("multiclass", ("fog", "rain", "sun"))),
        ([True, False, True], Target("binary", (False, True))),
        ([0, 1, 1, None], Target("binary", (0, 1))),
        ([0.0, 1.0, None, 1.0], Target("binary", (0, 1))),
        ([1, 2, 3] * 20, Target("multiclass", (1, 2, 3))),
        ([1, 2, 3, 4], Target("regression")),
        (list(range(100)), Target("regression")),
        ([0.5, 1.0] * 10, Target("regression")),
        ([1.5, 2.5, 3.5], Target("regression")),
    ],
)
def test_inference(values, expected):
    assert infer(pa.array(values), name="y") == expected


def test_a_dictionary_column_is_read_as_its_values():
    assert infer(pa.array(["b", "a", "b"]).dictionary_encode(), name="y") == Target("binary", ("a", "b"))


def test_declared_task_overrides():
    assert infer(pa.array([1, 2, 3, 4]), name="y", declared="classification").task == "multiclass"
    assert infer(pa.array([0, 1, 1]), name="y", declared="regression") == Target("regression")


def test_positive_class_comes_last():
    assert infer(pa.array(["bad", "good"]), name="y", positive_class="bad").classes == ("good", "bad")
    with pytest.raises(StageError, match="unknown positive class"):
        infer(pa.array(["bad", "good"]), name="y", positive_class="ugly")


@pytest.mark.parametrize(
    ("column", "declared", "summary"),
    [
        (pa.array([None, None], pa.string()), None, "the target has no values"),
        (pa.array(["a", "a", None]), None, "the target has one class only"),
        (pa.array([1, 1]), None, "the target has one class only"),
        (pa.array(["a", "b"]), "regression", "the target is not a number"),
        (pa.array([0], pa.timestamp("us")), None, "the target cannot be predicted"),
        (pa.array([f"id{i}" for i in range(1500)]), None, "the target has too many classes"),
    ],
)
def test_what_cannot_be_a_target(column, declared, summary):
    with pytest.raises(StageError, match=summary) as caught:
        infer(column, name="y", declared=declared)
    assert caught.value.path[0] == "data"
