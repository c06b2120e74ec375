"""Class weights and sampling, against scikit-learn's weights and by counting."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.utils.class_weight import compute_class_weight

from tenure.core.errors import StageError
from tenure.ml.signature import Signature
from tenure.stages.training.algorithm import Rows
from tenure.stages.training.section import Training
from tenure.stages.training.weighting import Sampling, class_weights, sampled, weighted

CODES = np.array([0] * 60 + [1] * 12 + [2] * 3)
THREE = Signature((), "multiclass", "y", ("a", "b", "c"))
TWO = Signature((), "binary", "y", (False, True))
NUMBER = Signature((), "regression", "y", ())


def _counts(kind: str, ratio: float) -> list[int]:
    chosen = sampled(CODES, Sampling(type=kind, ratio=ratio), seed=1)
    return np.bincount(CODES[chosen], minlength=3).tolist()


def _block(**fields):
    return Training.model_validate({"algorithms": {"ridge": {}}} | fields)


def test_balanced_weights_are_those_of_scikit_learn():
    expected = compute_class_weight("balanced", classes=np.arange(3), y=CODES)
    assert class_weights(CODES, "balanced", THREE) == pytest.approx(expected)


def test_a_class_without_a_row_in_the_fold_weighs_nothing_down():
    codes = np.array([0] * 30 + [2] * 10)
    found = class_weights(codes, "balanced", THREE)
    assert found[[0, 2]] == pytest.approx(compute_class_weight("balanced", classes=np.array([0, 2]), y=codes))
    assert np.isfinite(found).all()


def test_a_mapping_weighs_the_classes_it_names():
    assert class_weights(CODES, {"c": 5.0}, THREE).tolist() == [1, 1, 5]
    block = _block(class_weights={True: 3})
    assert class_weights(CODES, block.class_weights, TWO).tolist() == [1, 3]
    with pytest.raises(StageError, match="unknown class") as caught:
        class_weights(CODES, {"d": 2.0}, THREE)
    assert caught.value.path == ("training", "class_weights", "d")
    assert "a, b, c" in caught.value.detail


@pytest.mark.parametrize("weight", [0, -1, "many"])
def test_a_weight_is_a_positive_number(weight):
    with pytest.raises(ValidationError):
        _block(class_weights={"a": weight})


def test_undersampling_keeps_the_rarest_class_whole():
    assert _counts("undersample", 1) == [3, 3, 3]
    assert _counts("undersample", 0.1) == [30, 12, 3]


def test_oversampling_repeats_rows_evenly():
    assert _counts("oversample", 1) == [60, 60, 60]
    assert _counts("oversample", 0.5) == [60, 30, 30]
    assert _counts("oversample", 0.1) == [60, 12, 6]
    times = np.bincount(sampled(CODES, Sampling(type="oversample"), seed=1))[CODES == 1]
    assert set(times.tolist()) == {5}
    times = np.bincount(sampled(CODES, Sampling(type="oversample", ratio=0.5), seed=1))[CODES == 1]
    assert set(times.tolist()) == {2, 3}


def test_a_class_with_one_row_is_repeated():
    codes = np.array([0] * 10 + [1])
    assert np.bincount(codes[sampled(codes, Sampling(type="oversample"), 0)]).tolist() == [10, 10]
    assert np.bincount(codes[sampled(codes, Sampling(type="undersample"), 0)]).tolist() == [1, 1]


def test_the_same_seed_takes_the_same_rows():
    block = Sampling(type="undersample")
    assert np.array_equal(sampled(CODES, block, 1), sampled(CODES, block, 1))
    assert not np.array_equal(sampled(CODES, block, 1), sampled(CODES, block, 2))


def test_rows_are_weighted_after_they_are_sampled():
    rows = Rows(np.arange(len(CODES))[:, None].astype(float), CODES, None, {"made": "of other rows"})
    found = weighted(rows, "balanced", Sampling(type="undersample", ratio=0.5), THREE, 1)
    assert np.bincount(found.target).tolist() == [6, 6, 3]
    assert [found.weights[found.target == k].sum() for k in range(3)] == pytest.approx([5, 5, 5])
    assert np.array_equal(CODES[found.matrix[:, 0].astype(int)], found.target)
    assert found.cache == {}
    assert weighted(rows, None, Sampling(type="none"), THREE, 1) is rows


def test_a_number_has_no_classes():
    for asked in (("balanced", None), (None, Sampling(type="oversample"))):
        with pytest.raises(StageError, match="a number has no classes"):
            weighted(Rows(np.ones((3, 1)), np.arange(3.0)), *asked, NUMBER, 1)
