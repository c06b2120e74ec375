"""The timeline of a signal as inline SVG: values by window with their intervals, verdicts and thresholds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape

import msgspec

from tenure.ml.report.axes import WIDTH, number, opening, ticks

LEFT, RIGHT, TOP, BOTTOM = 46, 84, 12, 24


class Point(msgspec.Struct, frozen=True):
    """One window on a timeline: `value` is None where it could not be judged; `low` to `high` is an interval, `floor`
    what chance alone may give, `version` the one that predicted."""

    label: str
    value: float | None
    verdict: str
    title: str
    low: float | None = None
    high: float | None = None
    floor: float | None = None
    version: str = ""


class Limit(msgspec.Struct, frozen=True):
    """A threshold: `level` is `warn` or `critical`; the bad side is above it, or below. `name` is what it is called."""

    value: float
    level: str
    below: bool = False
    name: str = ""


def timeline(
    points: Sequence[Point],
    limits: Iterable[Limit] = (),
    *,
    height: int = 190,
    percent: bool = False,
    name: str = "",
) -> str:
    """Values by window with their intervals, verdicts and thresholds."""
    limits = tuple(limits)
    low, high = _range(points, limits)
    inner, bottom = WIDTH - LEFT - RIGHT, height - BOTTOM
    step = inner / max(len(points), 1)
    xs = [LEFT + step * (i + 0.5) for i in range(len(points))]

    def y(value: float) -> float:
        return bottom - (min(max(value, low), high) - low) / (high - low) * (bottom - TOP)

    parts = [
        opening("timeline", WIDTH, height, f"{name} by window"),
    ]
    for limit in limits:
        if low <= limit.value <= high:
            top = y(limit.value) if limit.below else TOP
            size = bottom - top if limit.below else y(limit.value) - TOP
            parts.append(
                f'<rect class="zone {limit.level}" x="{LEFT}" y="{top:.1f}" width="{inner}" height="{size:.1f}"/>'
            )
    for tick in ticks(low, high):
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        )
        parts.append(
            f'<text class="tick" x="{LEFT - 6}" y="{y(tick) + 3.5:.1f}" text-anchor="end">'
            f"{number(tick, percent)}</text>"
        )
    taken: list[float] = []
    for limit in sorted(limits, key=lambda item: -item.value):
        if low <= limit.value <= high:
            at = y(limit.value)
            text_at = at if not taken or at - taken[-1] >= 12 else taken[-1] + 12
            taken.append(text_at)
            parts.append(
                f'<line class="limit {limit.level}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
                f'<text class="limit {limit.level}" x="{WIDTH - RIGHT + 6}" y="{text_at + 3.5:.1f}">'
                f"{escape(limit.name or limit.level)} {number(limit.value, percent)}</text>"
            )
    parts += [_band(run, xs, points, y) for run in _runs(points) if points[run[0]].low is not None]
    for run in _runs(points):
        path = " ".join(f"{xs[i]:.1f},{y(points[i].value or 0.0):.1f}" for i in run)
        parts.append(f'<polyline class="series" points="{path}"/>')
    for i, point in enumerate(points):
        if point.floor is not None:
            parts.append(
                f'<line class="floor" x1="{xs[i] - step * 0.36:.1f}" x2="{xs[i] + step * 0.36:.1f}" '
                f'y1="{y(point.floor):.1f}" y2="{y(point.floor):.1f}">'
                f"<title>{escape(point.label)}: noise floor {number(point.floor, percent)}</title></line>"
            )
    for i in range(1, len(points)):
        if points[i].version != points[i - 1].version:
            at = (xs[i] + xs[i - 1]) / 2
            parts.append(
                f'<line class="switch" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{bottom}"/>'
                f'<text class="tick" x="{at + 4:.1f}" y="{TOP + 9}">version {escape(points[i].version)}</text>'
            )
    every = max(1, -(-len(points) // 8))
    for i, point in enumerate(points):
        title = f"<title>{escape(point.title)}</title>"
        if point.value is None:
            parts.append(
                f'<circle class="dot none" cx="{xs[i]:.1f}" cy="{bottom - 4:.1f}" r="3">{title}</circle>'
            )
        else:
            parts.append(
                f'<circle class="dot {escape(point.verdict)}" cx="{xs[i]:.1f}" cy="{y(point.value):.1f}" r="4.2">'
                f"{title}</circle>"
            )
        if i % every == 0:
            parts.append(
                f'<text class="tick" x="{xs[i]:.1f}" y="{height - 7}" text-anchor="middle">{escape(point.label)}</text>'
            )
    parts.append("</svg>")
    return "".join(parts)


def _range(points: Sequence[Point], limits: Sequence[Limit]) -> tuple[float, float]:
    """The values, their intervals and the thresholds they come near to; from 0 unless lower values matter."""
    values = [
        edge
        for point in points
        for edge in (point.value, point.low, point.high, point.floor)
        if edge is not None
    ]
    warn = [limit.value for limit in limits]
    nearest = min(warn, default=0.0)
    if any(limit.below for limit in limits):
        low, high = min([*values, *warn]), max([*values, *warn])
        pad = (high - low or abs(high) or 1.0) * 0.12
        return low - pad, high + pad
    high = max([*values, nearest, 0.0])
    reached = [limit for limit in warn if limit <= 1.4 * high]
    low = min([*values, 0.0])
    return low, max([high, *reached]) * 1.15 or 1.0


def _runs(points: Sequence[Point]) -> list[list[int]]:
    """Positions of neighbouring windows of one version that have a value: a gap in the data is a gap in the line."""
    runs: list[list[int]] = []
    for i, point in enumerate(points):
        if point.value is None:
            continue
        before = points[i - 1]
        joined = (before.low is None) == (point.low is None) and before.version == point.version
        if runs and runs[-1][-1] == i - 1 and joined:
            runs[-1].append(i)
        else:
            runs.append([i])
    return runs


def _band(
    run: Sequence[int], xs: Sequence[float], points: Sequence[Point], y: Callable[[float], float]
) -> str:
    if len(run) == 1:
        point = points[run[0]]
        x, upper, lower = xs[run[0]], y(point.high or 0.0), y(point.low or 0.0)
        return f'<rect class="band" x="{x - 5:.1f}" y="{upper:.1f}" width="10" height="{lower - upper:.1f}"/>'
    upper_edge = [f"{xs[i]:.1f},{y(points[i].high or 0.0):.1f}" for i in run]
    lower_edge = [f"{xs[i]:.1f},{y(points[i].low or 0.0):.1f}" for i in reversed(run)]
    return f'<polygon class="band" points="{" ".join(upper_edge + lower_edge)}"/>'
