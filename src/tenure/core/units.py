"""Durations and sizes as people write them: `30m 12h 7d 3mo 1y`, `50MB`; and instants in UTC."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, date, datetime, timedelta

import msgspec

_DURATION = re.compile(r"(?P<count>\d+)\s*(?P<unit>ms|s|m|h|d|w|mo|y)")
_SIZE = re.compile(r"(?P<count>\d+(\.\d+)?)\s*(?P<unit>B|KB|MB|GB|TB)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


class Duration(msgspec.Struct, frozen=True):
    """A duration: whole calendar months plus seconds, since a month has no fixed number of days."""

    months: int = 0
    seconds: float = 0.0

    def after(self, start: datetime) -> datetime:
        """`start` plus this duration; the day is clipped to the length of the month."""
        return _add_months(start, self.months) + timedelta(seconds=self.seconds)

    def before(self, end: datetime) -> datetime:
        """`end` minus this duration."""
        return _add_months(end, -self.months) - timedelta(seconds=self.seconds)

    @property
    def approximate_seconds(self) -> float:
        """Seconds, with a month taken as 30.4375 days: for ordering and estimates only."""
        return self.months * 30.4375 * 86400 + self.seconds


def parse_duration(text: str) -> Duration:
    """`"90d"` -> Duration. Raises ValueError with what is accepted."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            f"{text!r} is not a duration; write a whole number and a unit, such as 30m, 12h, 7d, 3mo or 1y"
        )
    count, unit = int(match["count"]), match["unit"]
    if unit in ("mo", "y"):
        return Duration(months=count * (12 if unit == "y" else 1))
    return Duration(seconds=count * _SECONDS[unit])


def parse_size(text: str) -> int:
    """`"50MB"` -> bytes (decimal units). Raises ValueError with what is accepted."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size; write a number and a unit, such as 500KB, 50MB or 1GB")
    return int(float(match["count"]) * _BYTES[match["unit"]])


def parse_instant(text: str) -> datetime:
    """An ISO 8601 date or date-time as an aware UTC datetime; without an offset it is taken as UTC."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def as_instant(value: datetime | date) -> datetime:
    """A date as its first instant in UTC; a datetime in UTC."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return datetime(value.year, value.month, value.day, tzinfo=UTC)


def format_instant(moment: datetime) -> str:
    """`2026-05-03T10:00:00Z`: ISO 8601 in UTC, to the second unless there is a fraction."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def format_seconds(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`: for people."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def format_size(size: int) -> str:
    """`512 B`, `1.2 MB`: bytes for people, in decimal units."""
    if size < 1000:
        return f"{size} B"
    amount, units = size / 1000, ["TB", "GB", "MB", "KB"]
    while amount >= 999.5 and len(units) > 1:
        amount /= 1000
        units.pop()
    return f"{amount:.1f} {units[-1]}" if amount < 10 else f"{amount:.0f} {units[-1]}"


def _add_months(moment: datetime, months: int) -> datetime:
    if months == 0:
        return moment
    index = moment.year * 12 + moment.month - 1 + months
    year, month = divmod(index, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)
