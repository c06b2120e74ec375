"""Folds: who learns and who is scored, by kind; scikit-learn's splitters are what they are compared with."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, StratifiedKFold

from tenure.core.errors import StageError
from tenure.stages.training.folding import cut_folds
from tenure.stages.training.section import CrossValidation

ROWS = 60


def rows(codes=None, *, times=None, split="random", column=None, values=None, validation=None):
    codes = np.arange(ROWS) % 3 if codes is None else np.asarray(codes)
    return SimpleNamespace(
        codes=codes,
        signature=SimpleNamespace(
            task="regression"
            if codes.dtype.kind == "f"
            else "multiclass"
            if len(set(codes)) > 2
            else "binary",
            target="y",
            classes=tuple(range(len(set(codes)))),
        ),
        validation=np.zeros(len(codes), dtype=bool) if validation is None else validation,
        times=times,
        split_type=split,
        split_column=column,
        column=lambda name: values[name],
    )


def each_scored_once(cut, total):
    assert sorted(np.concatenate([test for _, test in cut])) == list(range(total))
    for train, test in cut:
        assert sorted([*train, *test]) == list(range(total))


@pytest.mark.parametrize("codes", [None, np.linspace(0, 1, 61)])
def test_every_row_is_scored_once_and_never_by_a_fit_that_saw_it(codes):
    found = rows(codes)
    cut, said = cut_folds(found, CrossValidation(folds=4), 7)
    assert said == ("4 stratified folds" if codes is None else "4 kfold folds")
    each_scored_once(cut, len(found.codes))
    sizes = [len(test) for _, test in cut]
    assert max(sizes) - min(sizes) <= 1


def test_classes_are_spread_as_evenly_as_by_scikit_learn():
    codes = np.repeat([0, 1, 2, 3], [31, 17, 9, 3])
    cut, _ = cut_folds(rows(codes), CrossValidation(folds=4), 7)
    with pytest.warns(UserWarning, match="least populated"):
        theirs = list(StratifiedKFold(4).split(codes, codes))
    for folds in (cut, theirs):
        counts = np.array([np.bincount(codes[test], minlength=4) for _, test in folds])
        assert (counts.max(axis=0) - counts.min(axis=0) <= 1).all()


def test_the_seed_decides():
    one, again, other = (cut_folds(rows(), CrossValidation(folds=3), seed)[0] for seed in (7, 7, 8))
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(one, again, strict=True))
    assert not all(np.array_equal(a[1], b[1]) for a, b in zip(one, other, strict=True))


def test_repeats_cut_anew():
    cut, said = cut_folds(rows(), CrossValidation(folds=3, repeats=2), 7)
    assert (len(cut), said) == (6, "3 stratified folds, 2 times")
    each_scored_once(cut[:3], ROWS)
    each_scored_once(cut[3:], ROWS)
    assert not np.array_equal(cut[0][1], cut[3][1])


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (5_000, "5 stratified folds"),
        (5_001, "3 stratified folds"),
        (50_001, "holdout of a fifth of the rows"),
    ],
)
def test_the_more_rows_the_fewer_fits(count, said):
    cut, found = cut_folds(rows(np.arange(count) % 2), None, 7)
    assert found == said
    if "holdout" in said:
        ((_, test),) = cut
        assert len(test) == pytest.approx(count / 5, abs=1)
        assert abs(np.bincount(np.arange(count)[test] % 2)[0] - len(test) / 2) <= 1


@pytest.mark.parametrize(
    ("count", "classes", "said"),
    [
        (4_000, 3, "3 stratified folds"),
        (4_000, 26, "3 stratified folds"),
        (6_000, 26, "holdout of a fifth of the rows"),
    ],
)
def test_many_classes_count_like_many_rows(count, classes, said):
    assert cut_folds(rows(np.arange(count) % classes), None, 7)[1] == said


def test_asking_for_folds_is_enough_to_have_them_on_many_rows():
    assert len(cut_folds(rows(np.arange(50_002) % 2), CrossValidation(folds=4), 7)[0]) == 4


def test_groups_stay_together_and_folds_are_as_even_as_scikit_learn_makes_them():
    generator = np.random.default_rng(3)
    names = generator.choice([f"customer {n}" for n in range(14)], ROWS, p=np.arange(1, 15) / 105)
    found = rows(values={"customer": names})
    cut, said = cut_folds(found, CrossValidation(type="group", column="customer", folds=4), 7)
    assert said == "4 group folds"
    each_scored_once(cut, ROWS)
    for train, test in cut:
        assert not set(names[train]) & set(names[test])
    theirs = max(len(test) for _, test in GroupKFold(4).split(names, groups=names))
    assert max(len(test) for _, test in cut) == theirs


def test_after_a_group_split_folds_are_by_its_column():
    found = rows(split="group", column="g", values={"g": np.arange(ROWS) // 6})
    cut, said = cut_folds(found, None, 7)
    assert said == "5 group folds"
    assert all(not set(np.arange(ROWS)[train] // 6) & set(test // 6) for train, test in cut)


def days(positions):
    return np.datetime64("2024-01-01", "us") + np.asarray(positions) * np.timedelta64(86_400_000_000, "us")


def test_time_series_folds_look_back_only_and_leave_the_gap_out():
    order = np.random.default_rng(1).permutation(ROWS)
    times = days(order // 2)  # two rows each day, in no order
    cut, _ = cut_folds(rows(times=times), CrossValidation(type="time_series", folds=3, gap="3d"), 7)
    for train, test in cut:
        assert times[test].min() - times[train].max() > np.timedelta64(3, "D")
        assert 14 <= len(test) <= 16
    without, _ = cut_folds(rows(times=times), CrossValidation(type="time_series", folds=3), 7)
    for (train, test), (more, same) in zip(cut, without, strict=True):
        assert np.array_equal(test, same)
        assert len(more) - len(train) == 6
        assert times[more].max() < times[same].min()


def test_instants_with_many_rows_are_not_torn_apart():
    times = days(np.repeat([0, 1, 2, 3, 4], [40, 2, 2, 2, 14]))
    cut, _ = cut_folds(rows(times=times), CrossValidation(type="time_series", folds=4), 7)
    assert [len(test) for _, test in cut] == [2, 2, 2, 14]


def test_a_validation_part_is_the_one_fold_unless_folds_are_asked_for():
    validation = np.arange(ROWS) >= 50
    ((train, test),), said = cut_folds(rows(validation=validation), None, 7)
    assert (said, list(test)) == ("validation part", list(range(50, 60)))
    assert len(train) == 50
    assert len(cut_folds(rows(validation=validation), CrossValidation(folds=3), 7)[0]) == 3


def test_a_fold_whose_rows_to_learn_from_have_one_class_is_left_out():
    codes = np.array([0] * 20 + [1] * 20)
    times = days(np.arange(40))
    cut, _ = cut_folds(rows(codes, times=times), CrossValidation(type="time_series", folds=3), 7)
    assert [len(train) for train, _ in cut] == [30]


def test_a_class_with_one_row_is_scored_somewhere():
    codes = np.array([0] * 30 + [1] * 29 + [2])
    cut, _ = cut_folds(rows(codes), CrossValidation(folds=5), 7)
    each_scored_once(cut, 60)
    assert sum(59 in test for _, test in cut) == 1


@pytest.mark.parametrize(
    ("found", "wanted", "summary", "field"),
    [
        (rows(np.arange(4) % 2), {"folds": 5}, "too few rows for cross-validation", "folds"),
        (rows(np.arange(40)), {"folds": 5}, "too few rows of each class", "folds"),
        (rows(np.arange(9.0)), {"type": "stratified"}, "stratified folds need classes", "type"),
        (rows(), {"type": "time_series"}, "need a timestamp", "type"),
        (rows(times=days([0] * ROWS)), {"type": "time_series", "folds": 2}, "too few instants", "folds"),
        (rows(), {"type": "group"}, "group folds need a column", "column"),
        (rows(values={"g": np.zeros(ROWS)}), {"column": "g"}, "too few groups", "folds"),
        (
            rows(np.repeat([0, 1], 30), times=days(np.arange(ROWS))),
            {"type": "time_series", "folds": 2, "gap": "90d"},
            "no fold has two classes",
            None,
        ),
    ],
)
def test_what_cannot_be_cut_is_said(found, wanted, summary, field):
    with pytest.raises(StageError, match=summary) as caught:
        cut_folds(found, CrossValidation(**wanted), 7)
    assert caught.value.path == ("training", "cross_validation", *([field] if field else []))


@pytest.mark.parametrize(
    "block",
    [
        {"type": "stratified", "column": "c"},
        {"type": "kfold", "gap": "1d"},
        {"type": "holdout", "folds": 3},
        {"type": "time_series", "repeats": 2},
    ],
)
def test_what_does_not_go_together_is_refused(block):
    with pytest.raises(ValueError, match=r"fold|gap|repeat"):
        CrossValidation.model_validate(block)
