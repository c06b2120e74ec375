"""What plots share: numbers for people, scales from values to places, round ticks, and the frame of a chart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import msgspec

WIDTH = 760
"""Width of a chart in its own units; the page scales it."""

INK = 6.4
"""About the width of a letter in a tick label, in units of a chart."""


def number(value: float | None, percent: bool = False) -> str:
    """A number for people: three significant digits, or a percentage."""
    if value is None:
        return "–"
    if percent:
        return f"{100 * value:.3g} %"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def short(label: str, most: int) -> str:
    """The label, cut to `most` letters."""
    return label if len(label) <= most else label[: most - 1] + "…"


class Scale(msgspec.Struct, frozen=True):
    """From values `low` to `high` to places `start` to `end`; `log` spaces them by ratio (`low` > 0)."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The place of a value; values outside stay at the edge."""
        low, high, value = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)

    @property
    def ticks(self) -> list[float]:
        """Round values within the scale."""
        if not self.log:
            return ticks(self.low, self.high)
        first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
        if last - first < 1:
            return [self.low, self.high]
        every = -(-(last - first) // 6)
        return [10.0**power for power in range(first, last + 1, every)]


def ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers within the range."""
    span = high - low
    if not span > 0:
        return [low]
    power = 10.0 ** math.ceil(math.log10(span))
    for _ in range(3):
        for part in (0.5, 0.25, 0.2, 0.1):
            if 2.5 <= span / (power * part) <= 6:
                step = power * part
                first = math.ceil(low / step - 1e-9) * step
                # `+ 0.0` makes one zero of the two.
                return [
                    round(first + step * i, 12) + 0.0
                    for i in range(7)
                    if first + step * i <= high + step * 1e-9
                ]
        power /= 10
    return [low, high]


def spread(values: Sequence[float], *, zero: bool = False) -> tuple[float, float]:
    """The range of a scale for these values, with some air; from 0 when `zero`. Any range for no values."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    pad = (high - low) * 0.06 or abs(high) * 0.05 or 1.0
    return (low if zero and low == 0 else low - pad), (high if zero and high == 0 else high + pad)


def frame(
    x: Scale,
    y: Scale,
    *,
    x_label: str = "",
    y_label: str = "",
    percent: bool = False,
    x_percent: bool = False,
) -> list[str]:
    """Grid, tick labels and axis names. `y.start` is the bottom, `y.end` the top of the chart."""
    parts = []
    for tick in y.ticks:
        at = y(tick)
        parts.append(
            f'<line class="grid" x1="{x.start:g}" x2="{x.end:g}" y1="{at:.1f}" y2="{at:.1f}"/>'
            f'<text class="tick" x="{x.start - 6:g}" y="{at + 3.5:.1f}" text-anchor="end">'
            f"{number(tick, percent)}</text>"
        )
    for tick in x.ticks:
        at = x(tick)
        parts.append(
            f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{y.start:g}" y2="{y.start + 4:g}"/>'
            f'<text class="tick" x="{at:.1f}" y="{y.start + 16:g}" text-anchor="middle">'
            f"{number(tick, x_percent)}</text>"
        )
    if x_label:
        middle = (x.start + x.end) / 2
        parts.append(
            f'<text class="axis" x="{middle:.1f}" y="{y.start + 32:g}" text-anchor="middle">{escape(x_label)}</text>'
        )
    if y_label:
        parts.append(f'<text class="axis" x="{x.start:g}" y="{y.end - 8:g}">{escape(y_label)}</text>')
    return parts


def opening(kind: str, width: float, height: float, name: str) -> str:
    """The opening tag of a plot: its shape, and what a screen reader says of it."""
    return f'<svg class="{kind}" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(name)}">'
