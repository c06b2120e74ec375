from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenure.core.units import Duration, parse_duration
from tenure.ml.windows import Window, completed, window_of

SIZES = st.sampled_from([parse_duration(text) for text in ("15m", "1h", "1d", "7d", "1mo", "3mo", "1y")])
MOMENTS = st.integers(10**9, 2 * 10**9).map(lambda second: datetime.fromtimestamp(second, UTC))
NONE = Duration()


def day(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("size", "start", "end"),
    [
        ("1h", "2013-02-14T15:00", "2013-02-14T16:00"),
        ("1d", "2013-02-14", "2013-02-15"),
        ("1w", "2013-02-11", "2013-02-18"),
        ("1mo", "2013-02-01", "2013-03-01"),
        ("3mo", "2013-01-01", "2013-04-01"),
        ("1y", "2013-01-01", "2014-01-01"),
    ],
)
def test_windows_are_aligned_to_the_calendar(size, start, end):
    assert window_of(day("2013-02-14T15:30"), parse_duration(size)) == Window(day(start), day(end))


@given(MOMENTS, SIZES)
def test_a_moment_is_in_its_window_and_windows_touch(moment, size):
    window = window_of(moment, size)
    assert window.start <= moment < window.end
    assert window_of(window.start, size) == window
    assert window_of(window.end, size).start == window.end


@given(MOMENTS, st.integers(0, 10**7), SIZES, st.integers(0, 5))
def test_completed_windows_are_contiguous_and_over(first, seconds, size, most):
    last, lateness = (
        first + timedelta(seconds=seconds % (40 * int(size.approximate_seconds))),
        parse_duration("6h"),
    )
    found = completed(first, last, size, now=last, lateness=lateness, most=most)
    assert len(found) <= most
    assert all(a.end == b.start for a, b in pairwise(found))
    assert all(window.end + timedelta(hours=6) <= last for window in found)
    everything = completed(first, last, size, now=last, lateness=lateness)
    assert found == everything[len(everything) - len(found) :]


def test_a_window_is_over_when_late_rows_can_no_longer_arrive():
    size, late = parse_duration("1d"), parse_duration("6h")
    at = day("2013-01-03T05:59")
    assert len(completed(day("2013-01-01"), at, size, now=at, lateness=late)) == 1
    assert len(completed(day("2013-01-01"), at, size, now=at + timedelta(minutes=1), lateness=late)) == 2
    assert completed(day("2013-01-01"), day("2013-01-01"), size, now=day("2013-01-01"), lateness=NONE) == ()


def test_a_window_names_its_calendar_months():
    assert Window(day("2013-01-31"), day("2013-02-01")).months == (1,)
    assert Window(day("2012-12-15"), day("2013-02-02")).months == (12, 1, 2)
    assert Window(day("2012-01-01"), day("2015-01-01")).months == tuple(range(1, 13))


def test_other_zones_are_the_same_instants():
    moment = datetime(2013, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=2)))
    assert window_of(moment, parse_duration("1d")).start == day("2012-12-31")


def test_a_size_is_months_or_seconds():
    with pytest.raises(ValueError, match="months"):
        window_of(day("2013-01-01"), Duration())
    with pytest.raises(ValueError, match="months"):
        window_of(day("2013-01-01"), Duration(1, 1))
