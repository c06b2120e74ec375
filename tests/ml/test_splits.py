from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from tenure.core.errors import StageError
from tenure.ml.splits import assign, folds


def _days(count: int, per_day: int = 1) -> np.ndarray:
    return np.repeat(np.datetime64("2024-01-01", "us") + np.arange(count) * np.timedelta64(1, "D"), per_day)


def test_random_gives_the_asked_shares_and_the_seed_decides():
    labels = assign(200, "random", test=0.2, validation=0.1, seed=3)
    assert {part: int((labels == part).sum()) for part in ("train", "validation", "test")} == {
        "train": 140,
        "validation": 20,
        "test": 40,
    }
    assert (labels == assign(200, "random", test=0.2, validation=0.1, seed=3)).all()
    assert (labels != assign(200, "random", test=0.2, validation=0.1, seed=4)).any()


def test_stratified_keeps_the_share_of_each_class_and_a_lone_row_in_training():
    classes = np.array(["a"] * 100 + ["b"] * 20 + ["c"], dtype=object)
    labels = assign(121, "stratified", test=0.2, seed=1, classes=classes)
    assert int((labels[:100] == "test").sum()) == 20
    assert int((labels[100:120] == "test").sum()) == 4
    assert labels[120] == "train"


def test_datetime_puts_the_latest_into_the_test_part():
    times = _days(100)
    shuffled = np.random.default_rng(0).permutation(100)
    labels = assign(100, "datetime", test=0.2, validation=0.1, times=times[shuffled])
    ordered = labels[np.argsort(shuffled)]
    assert ordered.tolist() == ["train"] * 70 + ["validation"] * 10 + ["test"] * 20


def test_datetime_never_tears_an_instant_apart():
    times = _days(10, per_day=7)
    labels = assign(70, "datetime", test=0.25, times=times)
    for day in np.unique(times):
        assert len(set(labels[times == day])) == 1
    assert set(labels) == {"train", "test"}


def test_datetime_gap_leaves_out_what_lies_just_before_the_test_part():
    labels = assign(100, "datetime", test=0.2, times=_days(100), gap=timedelta(days=5))
    assert labels.tolist() == ["train"] * 76 + ["gap"] * 4 + ["test"] * 20
    both = assign(100, "datetime", test=0.2, validation=0.1, times=_days(100), gap=timedelta(days=3))
    assert both.tolist() == ["train"] * 68 + ["gap"] * 2 + ["validation"] * 8 + ["gap"] * 2 + ["test"] * 20


def test_datetime_refuses_rows_without_time_and_a_single_instant():
    times = _days(10)
    times[3] = np.datetime64("NaT")
    with pytest.raises(StageError, match="rows without a timestamp"):
        assign(10, "datetime", test=0.2, times=times)
    with pytest.raises(StageError, match="too few instants"):
        assign(10, "datetime", test=0.2, times=_days(1, per_day=10))


@pytest.mark.parametrize("kind", ["random", "stratified"])
def test_one_row_cannot_be_split(kind):
    with pytest.raises(StageError, match="part is empty"):
        assign(1, kind, test=0.2, classes=np.array(["a"], dtype=object))


def test_folds_cover_every_row_once():
    for kind in ("kfold", "stratified"):
        cut = folds(kind, 4, 50, seed=2, codes=np.arange(50) % 3)
        assert sorted(np.concatenate([validation for _, validation in cut]).tolist()) == list(range(50))
        assert all(not set(train) & set(validation) for train, validation in cut)
    with_classes = folds("stratified", 5, 50, seed=2, codes=(np.arange(50) < 10).astype(int))
    assert [int((validation < 10).sum()) for _, validation in with_classes] == [2] * 5


def test_time_series_folds_only_look_back():
    times = _days(20, per_day=3)[np.random.default_rng(1).permutation(60)]
    cut = folds("time_series", 4, 60, times=times)
    assert len(cut) == 4
    for train, validation in cut:
        assert times[train].max() < times[validation].min()


def test_too_few_rows_for_the_folds():
    with pytest.raises(StageError, match="too few rows for cross-validation"):
        folds("kfold", 5, 6)
    with pytest.raises(StageError, match="too few rows of each class"):
        folds("stratified", 5, 12, codes=np.arange(12) // 3)
    with pytest.raises(StageError, match="need a timestamp"):
        folds("time_series", 3, 30)
