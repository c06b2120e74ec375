"""Windows of event time: UTC, half-open, aligned so that everybody who looks gets the same ones.

A window of calendar months starts on the first of a month (quarters with January, years with January). Every other
window is a fixed number of seconds counted from Monday 5 January 1970, so that days start at midnight and weeks on
Mondays.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from tenure.core.units import Duration

ANCHOR = datetime(1970, 1, 5, tzinfo=UTC)


class Window(msgspec.Struct, frozen=True, order=True):
    """`start <= event time < end`."""

    start: datetime
    end: datetime

    @property
    def months(self) -> tuple[int, ...]:
        """The calendar months (1 to 12) the window touches, each once."""
        last = self.end - timedelta(microseconds=1)
        count = min((last.year - self.start.year) * 12 + last.month - self.start.month + 1, 12)
        return tuple((self.start.month - 1 + step) % 12 + 1 for step in range(count))


def window_of(moment: datetime, size: Duration) -> Window:
    """The window a moment falls into. Raises ValueError when the size mixes months and seconds, or is zero."""
    if bool(size.months) == bool(size.seconds):
        raise ValueError("a window is a number of months, or a number of seconds")
    moment = moment.astimezone(UTC)
    if size.months:
        index = (moment.year * 12 + moment.month - 1) // size.months * size.months
        start = datetime(index // 12, index % 12 + 1, 1, tzinfo=UTC)
    else:
        step = timedelta(seconds=size.seconds)
        start = ANCHOR + (moment - ANCHOR) // step * step
    return Window(start, size.after(start))


def completed(
    first: datetime,
    last: datetime,
    size: Duration,
    *,
    now: datetime,
    lateness: Duration,
    most: int | None = None,
) -> tuple[Window, ...]:
    """The windows from the one with `first` to the one with `last` that are over, in order; the last `most` of them.

    A window is over when `lateness` has passed since its end: until then late rows may still arrive.
    """
    window = window_of(last, size)
    earliest = window_of(first, size).start
    found: list[Window] = []
    while window.start >= earliest and (most is None or len(found) < most):
        if lateness.after(window.end) <= now:
            found.append(window)
        window = window_of(window.start - timedelta(microseconds=1), size)
    return tuple(reversed(found))
