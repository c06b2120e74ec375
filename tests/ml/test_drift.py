from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from tenure.ml.drift import (
    benjamini_hochberg,
    bins_in_use,
    compare,
    drift_p_value,
    excess_p_value,
    jensen_shannon,
    noise_floor,
    population_stability_index,
)
from tenure.ml.profile import count, profile

HISTOGRAM = st.lists(st.integers(0, 500), min_size=2, max_size=12)


@pytest.fixture(scope="module")
def published():
    """The data of a comparison of Evidently, NannyML, alibi-detect and scipy on the same draws."""
    rng = np.random.default_rng(42)
    reference, current = rng.normal(0, 1, 5000), rng.normal(0.3, 1.2, 2000)
    categories = rng.choice(list("abcd"), 5000, p=[0.5, 0.3, 0.15, 0.05])
    now = rng.choice(list("abcde"), 2000, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    numeric, text = profile("x", pa.array(reference)), profile("c", pa.array(categories))
    return {
        "numeric": (numeric.reference.bins, count(numeric.bins, pa.array(current)).bins),
        "text": (text.reference.bins, count(text.bins, pa.array(now)).bins),
        "outlier": (
            numeric.reference.bins,
            count(numeric.bins, pa.array(np.append(current[:-1], 10_000))).bins,
        ),
    }


def test_the_published_values_of_ten_reference_quantile_bins(published):
    assert population_stability_index(*published["numeric"], pseudo_count=0) == pytest.approx(
        0.15031, abs=5e-6
    )
    assert jensen_shannon(*published["numeric"], pseudo_count=0) == pytest.approx(0.16295, abs=5e-6)
    assert sorted(published["text"][0], reverse=True)[:4] == [2460, 1555, 724, 261]
    assert jensen_shannon(*published["text"], pseudo_count=0) == pytest.approx(0.17558, abs=5e-6)


def test_the_pseudo_count_moves_them_by_less_than_a_hundredth_of_their_value(published):
    assert population_stability_index(*published["numeric"]) == pytest.approx(0.15031, rel=0.01)
    assert jensen_shannon(*published["numeric"]) == pytest.approx(0.16295, rel=0.01)


def test_one_outlier_does_not_blind_the_index(published):
    assert population_stability_index(*published["outlier"], pseudo_count=0) == pytest.approx(
        0.1513, abs=2e-3
    )


@given(HISTOGRAM, st.data())
def test_jensen_shannon_is_that_of_scipy(reference, data):
    window = data.draw(st.lists(st.integers(0, 500), min_size=len(reference), max_size=len(reference)))
    value = jensen_shannon(reference, window)
    assert 0 <= value <= 1
    if sum(reference) and sum(window):
        used = [(a + 0.5, b + 0.5) for a, b in zip(reference, window, strict=True) if a or b]
        first, second = zip(*used, strict=True)
        assert value == pytest.approx(jensenshannon(first, second, base=2), abs=1e-7)
    else:
        assert value == 0


@given(HISTOGRAM)
def test_a_window_equal_to_the_reference_does_not_drift(histogram):
    assert population_stability_index(histogram, histogram) == pytest.approx(0, abs=1e-12)
    assert compare({"x": (histogram, histogram)})[0].above_noise is False


def test_the_false_alarm_rate_is_the_nominal_one():
    rng = np.random.default_rng(0)
    shares, n, m = np.full(10, 0.1), 5000, 1000
    draws = [(rng.multinomial(n, shares), rng.multinomial(m, shares)) for _ in range(4000)]
    p_values = np.array([drift_p_value(population_stability_index(a, b), n, m, 10) for a, b in draws])
    # 4000 draws: three standard errors around the nominal size.
    for nominal in (0.05, 0.01):
        assert (
            abs((p_values <= nominal).mean() - nominal)
            < 3 * math.sqrt(nominal * (1 - nominal) / 4000) + 0.1 * nominal
        )


def test_a_large_index_in_a_small_window_is_noise_and_a_small_one_in_a_large_window_is_no_drift():
    small = compare({"x": ([100] * 10, [14, 6, 12, 8, 10, 7, 13, 5, 15, 10])})[0]
    assert small.value > 0.1
    assert not small.above_noise
    assert small.value < small.floor
    large = compare({"x": ([10**6] * 10, [104 * 10**4, 96 * 10**4] * 5)})[0]
    assert large.above_noise
    assert large.value < 0.1


@given(
    st.lists(st.tuples(st.integers(1, 300), st.integers(1, 300), st.integers(1, 300)), min_size=1, max_size=6)
)
def test_a_value_is_above_its_floor_exactly_when_it_is_a_finding(rows):
    histograms = {str(i): ([200, 200, 200], list(window)) for i, window in enumerate(rows)}
    for metric in ("population_stability_index", "jensen_shannon"):
        for item in compare(histograms, metric):
            if not math.isclose(item.value, item.floor, rel_tol=1e-9):
                assert item.above_noise == (item.value > item.floor)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.sampled_from([0.01, 0.05, 0.2]))
def test_benjamini_hochberg_is_that_of_scipy(p_values, rate):
    adjusted = stats.false_discovery_control(p_values)
    level = benjamini_hochberg(p_values, rate)
    for p, q in zip(p_values, adjusted, strict=True):
        if not math.isclose(q, rate, rel_tol=1e-9):
            assert (p <= level) == (q <= rate)


def test_the_floor_is_the_index_at_its_own_p_value():
    floor = noise_floor(0.001, 5000, 300, 11)
    assert drift_p_value(floor, 5000, 300, 11) == pytest.approx(0.001)
    assert noise_floor(0.001, 0, 300, 11) == math.inf
    assert drift_p_value(0.5, 5000, 300, 1) == 1


def test_findings_come_first_and_empty_bins_are_not_counted():
    found = compare({"still": ([500, 500, 0], [250, 250, 0]), "moved": ([500, 500, 0], [450, 50, 0])})
    assert [item.column for item in found] == ["moved", "still"]
    assert (found[0].bins, bins_in_use([1, 0, 0], [0, 0, 2])) == (2, 2)


def test_an_excess_is_the_binomial_tail():
    assert excess_p_value(10, 1000, 30, 1000) == pytest.approx(
        stats.binomtest(30, 1000, 10.5 / 1001, "greater").pvalue
    )
    assert excess_p_value(0, 1000, 0, 50) == 1
    assert excess_p_value(0, 1000, 3, 50) < 1e-4
