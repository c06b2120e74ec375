from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from tenure.core.errors import StageError
from tenure.stages.evaluation.groups import MOST_GROUPS, groups_of

TABLE = pa.table(
    {
        "region": ["north", "south", None, "south", "north", "south"],
        "age": [20.0, 70.0, 65.0, None, 30.0, 81.0],
        "adult": [True, False, None, True, True, False],
        "__split__": ["test"] * 6,
    }
)
PATH = ("evaluation", "slices", 0)


def _rows(table: pa.Table, text: str) -> dict[str, list[int]]:
    return {group.label: np.flatnonzero(group.rows).tolist() for group in groups_of(table, text, PATH)}


def test_the_values_of_a_column_are_groups_and_missing_is_one():
    assert _rows(TABLE, "region") == {"north": [0, 4], "south": [1, 3, 5], "missing": [2]}
    assert _rows(TABLE, "adult") == {"false": [1, 5], "true": [0, 3, 4], "missing": [2]}


def test_a_condition_is_one_group_and_unknown_is_not_in_it():
    assert _rows(TABLE, "age >= 65") == {"age >= 65": [1, 2, 5]}
    assert _rows(TABLE, "region = 'south' and adult") == {"region = 'south' and adult": [3]}


def test_a_number_with_many_values_is_cut_into_parts_of_equal_count():
    values = np.random.default_rng(1).permutation(400) / 4
    found = groups_of(pa.table({"x": values}), "x", PATH)
    assert [int(group.rows.sum()) for group in found] == [99, 100, 100, 101]
    assert found[0].label == "below 24.75"
    assert found[-1].label == "74.75 and above"
    assert np.sum([group.rows for group in found], axis=0).tolist() == [1] * 400


def test_equal_numbers_are_never_parted():
    values = [0.0] * 90 + [float(n) for n in range(1, 12)]
    found = _rows(pa.table({"x": values}), "x")
    assert len(found) == 1 or all(len({values[i] for i in rows} & {0.0}) in (0, 1) for rows in found.values())
    assert sum(len(rows) for rows in found.values()) == len(values)


def test_times_are_cut_by_their_days():
    days = [datetime(2026, 1, 1 + n, tzinfo=UTC) for n in range(20)]
    table = pa.table({"at": pa.array(days, pa.timestamp("us", "UTC")).cast(pa.timestamp("us"))})
    assert next(iter(_rows(table, "at"))) == "below 2026-01-05"


def test_rare_values_are_one_group():
    names = [f"n{n:02}" for n in range(40) for _ in range(40 - n)]
    found = groups_of(pa.table({"x": names}), "x", PATH)
    assert len(found) == MOST_GROUPS
    assert found[-1].label == "21 rarer values"
    assert sum(int(group.rows.sum()) for group in found) == len(names)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("regoin", "reads 'regoin'"),
        ("age + 1", "not true or false"),
        ("age >=", "syntax error"),
        ("random() > 0.5", "random() is not a function of one row"),
        ("age > (select 1)", "a subquery"),
    ],
)
def test_what_is_no_slice(text, said):
    with pytest.raises(StageError) as caught:
        groups_of(TABLE, text, PATH)
    assert caught.value.path == PATH
    assert said in caught.value.detail
    assert "derived" not in str(caught.value.detail) + caught.value.hint


def test_an_unknown_column_has_a_near_one():
    with pytest.raises(StageError) as caught:
        groups_of(TABLE, "regoin = 'x'", PATH)
    assert caught.value.hint == "did you mean 'region'?"
