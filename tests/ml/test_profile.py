from __future__ import annotations

import math
from datetime import date

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenure.ml.profile import NULL, OTHER, UNSEEN, Column, count, empty, merge, profile, reference_for

REFERENCE = np.random.default_rng(1).normal(size=5000)


def test_a_window_like_the_reference_has_a_tenth_in_each_bin():
    column = profile("x", pa.array(REFERENCE))
    assert column.bins.kind == "quantiles"
    assert column.reference.bins == (500,) * 10 + (0,)
    assert len(column.bins.labels) == 11


def test_bins_hold_exactly_what_numpy_counts():
    column = profile("x", pa.array(REFERENCE))
    window = np.random.default_rng(2).normal(0.4, 2, size=999)
    expected, _ = np.histogram(window, bins=[-np.inf, *column.bins.edges, np.inf])
    assert count(column.bins, pa.array(window)).bins == (*expected, 0)


def test_an_outlier_and_infinities_fall_into_the_outer_bins():
    column = profile("x", pa.array(REFERENCE))
    counts = count(column.bins, pa.array([1e300, math.inf, -math.inf, math.nan, None]))
    assert (counts.bins[0], counts.bins[-2], counts.bins[-1]) == (1, 2, 2)
    assert (counts.infinities, counts.nulls, counts.numbers, counts.maximum) == (2, 2, 1, 1e300)


def test_repeated_quantiles_are_merged():
    skewed = pa.array([0.0] * 500 + list(np.linspace(1, 50, 500)))
    column = profile("x", skewed)
    assert len(set(column.bins.edges)) == len(column.bins.edges) < 9
    assert sum(column.reference.bins) == 1000


def test_few_distinct_numbers_have_a_bin_each_and_new_ones_are_unseen():
    column = profile("rooms", pa.array([1, 2, 2, 3]))
    assert column.bins.labels == ("1", "2", "3", UNSEEN, NULL)
    counts = count(column.bins, pa.array([2.0, 2.5, 9, None]))
    assert counts.bins == (0, 1, 0, 2, 1)
    assert counts.unseen_rate == pytest.approx(2 / 3)


def test_rare_categories_are_other_and_new_ones_unseen():
    reference = [f"c{i}" for i in range(60) for _ in range(60 - i)]
    column = profile("c", pa.array(reference))
    assert column.bins.labels[:2] == ("c0", "c1")
    assert len(column.bins.labels) == 53
    counts = count(column.bins, pa.array(["c0", "c59", "new", None]))
    assert dict(zip(column.bins.labels, counts.bins, strict=True)) | {
        "c0": 1,
        OTHER: 1,
        UNSEEN: 1,
        NULL: 1,
    } == dict(zip(column.bins.labels, counts.bins, strict=True))
    assert (counts.missing_rate, counts.unseen_rate) == (0.25, pytest.approx(1 / 3))


def test_too_many_categories_to_remember_never_claims_that_a_value_is_new():
    column = profile("id", pa.array([f"c{i}" for i in range(2000)]))
    assert column.bins.open
    assert count(column.bins, pa.array(["never seen"])).unseen == 0
    assert len(msgspec.json.encode(column)) < 4096


@pytest.mark.parametrize(
    "values",
    [[True, False, True], [date(2020, 1, 1), date(2020, 1, 2)], pa.array(["a", "b"]).dictionary_encode()],
)
def test_other_types_are_categories(values):
    column = profile("x", values if isinstance(values, pa.Array) else pa.array(values))
    assert column.bins.kind == "categories"
    assert column.reference.unseen == 0


def test_a_window_of_another_type_is_read_as_the_reference_type():
    numbers = profile("x", pa.array([1.0, 2.0]))
    counts = count(numbers.bins, pa.array(["1", "2.0", "many", None]))
    assert (counts.bins, counts.mistyped, counts.nulls) == ((1, 1, 0, 2), 1, 2)
    texts = profile("x", pa.array(["1", "2"]))
    assert count(texts.bins, pa.array([1.0, 2.0, 3.0])).bins == (1, 1, 0, 1, 0)
    assert count(numbers.bins, pa.nulls(3)).nulls == 3
    assert count(texts.bins, pa.nulls(3)).nulls == 3


def test_an_empty_or_all_null_reference_still_counts():
    for column in (profile("x", pa.nulls(4, pa.float64())), profile("x", pa.nulls(4, pa.string()))):
        counts = count(column.bins, pa.array(["3"]))
        assert (counts.unseen, counts.rows) == (1, 1)


@given(
    st.lists(st.one_of(st.none(), st.floats(width=32), st.integers(-5, 5).map(float)), max_size=60),
    st.integers(0, 60),
    st.sampled_from([REFERENCE, np.arange(5.0)]),
)
def test_counts_of_parts_merge_to_the_counts_of_the_whole(values, cut, reference):
    bins = profile("x", pa.array(reference)).bins
    whole = count(bins, pa.array(values, pa.float64()))
    parts = [
        empty(bins),
        *(count(bins, pa.array(part, pa.float64())) for part in (values[:cut], values[cut:])),
    ]
    merged = merge(parts)
    for name in ("rows", "bins", "nulls", "unseen", "infinities", "numbers", "minimum", "maximum"):
        assert getattr(merged, name) == getattr(whole, name)
    assert merged.mean == pytest.approx(whole.mean, rel=1e-6, abs=1e-6)
    assert merged.squares == pytest.approx(whole.squares, rel=1e-6, abs=1e-6)


def test_moments_are_those_of_numpy():
    counts = count(profile("x", pa.array(REFERENCE)).bins, pa.array(REFERENCE))
    assert counts.mean == pytest.approx(REFERENCE.mean())
    assert counts.deviation == pytest.approx(REFERENCE.std(ddof=1))


def test_a_profile_is_small_json_and_comes_back():
    column = profile("x", pa.array(REFERENCE), months=pa.array(np.arange(5000) % 12 + 1))
    data = msgspec.json.encode(column)
    assert len(data) < 4096
    assert msgspec.json.decode(data, type=Column) == column


def test_seasons_add_up_to_the_reference():
    column = profile("x", pa.array(REFERENCE), months=pa.array(np.arange(5000) % 12 + 1))
    months = range(1, 13)
    assert reference_for(column, months, seasonal=True).bins == column.reference.bins
    assert reference_for(column, [1, 1], seasonal=True) == column.seasons["1"]
    assert reference_for(column, [1], seasonal=False) == column.reference
    assert reference_for(profile("x", pa.array(REFERENCE)), [1], seasonal=True).rows == 0
