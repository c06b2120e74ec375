from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenure.core.errors import StageError
from tenure.ml.splits import PARTS, by_chance, of_groups, within_classes


def _days(count: int, per_day: int = 1) -> np.ndarray:
    return np.repeat(np.datetime64("2024-01-01", "us") + np.arange(count) * np.timedelta64(1, "D"), per_day)


def _counts(parts):
    return {name: int((parts == position).sum()) for position, name in enumerate(PARTS)}


def test_chance_gives_the_asked_shares_and_the_seed_decides():
    parts = by_chance(200, test=0.2, validation=0.1, seed=3)
    assert _counts(parts) == {"train": 140, "validation": 20, "test": 40}
    assert (parts == by_chance(200, test=0.2, validation=0.1, seed=3)).all()
    assert (parts != by_chance(200, test=0.2, validation=0.1, seed=4)).any()


def test_within_classes_keeps_the_share_of_each_class_and_a_lone_row_in_training():
    codes = np.array([0] * 100 + [1] * 20 + [2])
    parts = within_classes(codes, test=0.2, seed=1)
    assert _counts(parts[:100])["test"] == 20
    assert _counts(parts[100:120])["test"] == 4
    assert PARTS[parts[120]] == "train"


def test_one_row_cannot_be_split():
    with pytest.raises(StageError, match="part is empty"):
        by_chance(1, test=0.2)
    with pytest.raises(StageError, match="part is empty"):
        within_classes(np.array([0]), test=0.2)


@given(
    sizes=st.lists(st.integers(1, 50), min_size=4, max_size=60),
    test=st.floats(0.05, 0.45),
    validation=st.sampled_from([0.0, 0.1, 0.4]),
    seed=st.integers(0, 100),
)
def test_groups_fill_every_part_as_near_to_its_share_as_one_group_allows(sizes, test, validation, seed):
    sizes = np.array(sizes)
    parts = of_groups(sizes, test=test, validation=validation, seed=seed)
    wanted = {"train", "test"} | ({"validation"} if validation else set())
    assert {PARTS[part] for part in parts} == wanted
    taken = sizes[parts == PARTS.index("test")].sum()
    assert abs(taken - test * sizes.sum()) <= sizes.max()
    assert (parts == of_groups(sizes, test=test, validation=validation, seed=seed)).all()


def test_large_groups_are_tested_too():
    sizes = np.array([30] * 10 + [1] * 100)
    tested = [of_groups(sizes, test=0.3, seed=seed)[:10].any() for seed in range(10)]
    assert sum(tested) >= 8


def test_fewer_groups_than_parts():
    with pytest.raises(StageError, match="too few groups"):
        of_groups(np.array([5, 5]), test=0.2, validation=0.2)
