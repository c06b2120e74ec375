"""Durations, sizes and instants as people write them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenure.core.units import (
    as_instant,
    format_instant,
    format_seconds,
    parse_duration,
    parse_instant,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("30m", "2026-01-01", "2026-01-01T00:30:00Z"),
        ("12h", "2026-01-01", "2026-01-01T12:00:00Z"),
        ("7d", "2026-02-25", "2026-03-04T00:00:00Z"),
        ("2w", "2026-01-01", "2026-01-15T00:00:00Z"),
        ("1mo", "2026-01-31", "2026-02-28T00:00:00Z"),
        ("1mo", "2024-01-31", "2024-02-29T00:00:00Z"),
        ("1y", "2024-02-29", "2025-02-28T00:00:00Z"),
    ],
)
def test_months_follow_the_calendar(text: str, start: str, end: str) -> None:
    assert format_instant(parse_duration(text).after(parse_instant(start))) == end


@given(st.dates(date(1990, 1, 1), date(2100, 1, 1)), st.integers(0, 500))
def test_months_back_and_forth_stay_within_the_clipped_days(day: date, months: int) -> None:
    start, span = as_instant(day), parse_duration(f"{months}mo")
    assert timedelta(0) <= start - span.after(span.before(start)) <= timedelta(days=3)


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "1.5h", "7 days", "1M", "1d1h"])
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="30m, 12h, 7d, 3mo or 1y"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"), [("50MB", 50_000_000), ("1.5KB", 1500), ("0B", 0), ("2GB", 2_000_000_000)]
)
def test_sizes_are_decimal(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["50", "50 mb", "MB", "-1MB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="50MB"):
        parse_size(text)


def test_instants_are_utc() -> None:
    east = timezone(timedelta(hours=2))
    assert parse_instant("2026-05-03T10:00:00+02:00") == datetime(2026, 5, 3, 8, tzinfo=UTC)
    assert parse_instant("2026-05-03") == datetime(2026, 5, 3, tzinfo=UTC)
    assert as_instant(date(2026, 5, 3)) == parse_instant("2026-05-03")
    assert as_instant(datetime(2026, 5, 3, 10, tzinfo=east)).hour == 8


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (12.4, "12 s"), (60, "1 min"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_seconds_for_people(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text
