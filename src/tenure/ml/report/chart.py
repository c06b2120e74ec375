"""Charts over two scales as inline SVG: lines, steps, dots, curves against the diagonal, parallel coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, Literal

import msgspec

from tenure.ml.report.axes import WIDTH, Scale, frame, number, opening, short, spread

COLOURS = 6
"""How many series the style sheet tells apart (`s0` to `s5`)."""


class Mark(msgspec.Struct, frozen=True):
    """A point of a series: `low` to `high` is an interval of `y`; `kind` is a class of its own (ok, warn, critical)."""

    x: float
    y: float
    title: str = ""
    low: float | None = None
    high: float | None = None
    kind: str = ""


class Series(msgspec.Struct, frozen=True):
    """Marks that belong together: drawn as dots, joined by a line, by steps (a best so far), or a line with dots."""

    name: str
    marks: Sequence[Mark]
    draw: Literal["dots", "line", "steps", "both"] = "line"


class Axis(msgspec.Struct, frozen=True):
    """One of the parallel axes: its name and labels at places from 0 (bottom) to 1 (top)."""

    name: str
    ticks: Sequence[tuple[float, str]]


class Trace(msgspec.Struct, frozen=True):
    """One line across parallel axes, with a place (0 to 1) or None on each; `strength` (0 to 1) makes it stand out."""

    places: Sequence[float | None]
    strength: float = 0.5
    title: str = ""


def chart(
    series: Sequence[Series],
    *,
    name: str,
    x_label: str = "",
    y_label: str = "",
    height: int = 240,
    width: float = WIDTH,
    percent: bool = False,
    x_percent: bool = False,
    x_log: bool = False,
    zero: bool = False,
    unit: bool = False,
    diagonal: bool = False,
    limit: tuple[float, str] | None = None,
) -> str:
    """Series over common scales. `unit`: both scales from 0 to 1 (curves of shares and probabilities); `diagonal`:
    the line of x = y; `zero`: y begins at 0; `limit`: a horizontal line and what it is called."""
    marks = [mark for item in series for mark in item.marks]
    ys = [edge for mark in marks for edge in (mark.y, mark.low, mark.high) if edge is not None]
    bottom, top = height - (40.0 if x_label else 24.0), 22.0 if y_label else 10.0
    left, right = 50.0, width - (10.0 if limit is None else 92.0)
    if unit:
        x, y = Scale(0.0, 1.0, left, right), Scale(0.0, 1.0, bottom, top)
    else:
        if limit is not None:
            ys.append(limit[0])
        xs = [mark.x for mark in marks]
        if x_log:
            x_log = bool(xs) and min(xs) > 0 and max(xs) > min(xs)
        ends = (min(xs), max(xs)) if x_log else spread(xs)
        x, y = Scale(*ends, left, right, x_log), Scale(*spread(ys, zero=zero), bottom, top)
    parts = [
        opening("chart", width, height, name),
        *frame(x, y, x_label=x_label, y_label=y_label, percent=percent, x_percent=x_percent),
    ]
    if diagonal:
        low, high = max(x.low, y.low), min(x.high, y.high)
        parts.append(_segment("diagonal", x(low), y(low), x(high), y(high)))
    if limit is not None:
        at = y(limit[0])
        parts.append(
            _segment("limit warn", x.start, at, x.end, at)
            + f'<text class="limit warn" x="{x.end + 6:g}" y="{at + 3.5:.1f}">'
            f"{escape(limit[1])} {number(limit[0], percent)}</text>"
        )
    for i, item in enumerate(series):
        parts += _series(item, f"s{i % COLOURS}", x, y)
    return "".join([*parts, "</svg>"])


def legend(names: Sequence[str]) -> Any:
    """Which colour is which series, as HTML."""
    from markupsafe import Markup

    keys = "".join(
        f'<span><span class="key s{i % COLOURS}"></span>{escape(name)}</span>' for i, name in enumerate(names)
    )
    return Markup(f'<p class="legend small">{keys}</p>')


def parallel(axes: Sequence[Axis], traces: Sequence[Trace], *, name: str, height: int = 280) -> str:
    """Parallel coordinates: each trace is a line across the axes. Stronger traces are drawn last, over the others."""
    left, right, top, bottom = 24.0, WIDTH - 64.0, 34.0, height - 16.0
    step = (right - left) / max(len(axes) - 1, 1)
    xs = [left + step * i for i in range(len(axes))]
    parts = [opening("parallel", WIDTH, height, name)]
    for trace in sorted(traces, key=lambda item: item.strength):
        runs: list[list[str]] = [[]]
        for at, place in zip(xs, trace.places, strict=True):
            if place is None:
                runs.append([])
            else:
                runs[-1].append(f"{at:.1f},{bottom - place * (bottom - top):.1f}")
        drawn = "".join(f'<polyline points="{" ".join(run)}"/>' for run in runs if len(run) > 1)
        # A value without a neighbour would leave no line.
        drawn += "".join(
            '<circle cx="{}" cy="{}" r="2"/>'.format(*run[0].split(",")) for run in runs if len(run) == 1
        )
        parts.append(
            f'<g class="trace" opacity="{0.12 + 0.78 * trace.strength:.2f}">'
            f"<title>{escape(trace.title)}</title>{drawn}</g>"
        )
    for i, (axis, at) in enumerate(zip(axes, xs, strict=True)):
        anchor = "start" if i == 0 else "end" if i == len(axes) - 1 else "middle"
        parts.append(
            _segment("upright", at, bottom, at, top)
            + f'<text class="label" x="{at - (8 if i == 0 else 0):.1f}" y="{12 + 11 * (i % 2)}" text-anchor="{anchor}">'
            f"{escape(short(axis.name, 26))}<title>{escape(axis.name)}</title></text>"
        )
        parts += [
            f'<text class="tick halo" x="{at + 4:.1f}" y="{bottom - place * (bottom - top) + 3.5:.1f}">'
            f"{escape(short(text, 16))}</text>"
            for place, text in axis.ticks
        ]
    return "".join([*parts, "</svg>"])


def _series(item: Series, colour: str, x: Scale, y: Scale) -> list[str]:
    parts = []
    places = [(x(mark.x), y(mark.y)) for mark in item.marks]
    if item.draw != "dots" and places:
        path = [f"M{places[0][0]:.1f},{places[0][1]:.1f}"]
        for at, up in places[1:]:
            path.append(f"H{at:.1f}V{up:.1f}" if item.draw == "steps" else f"L{at:.1f},{up:.1f}")
        parts.append(
            f'<path class="line {colour}" d="{"".join(path)}"><title>{escape(item.name)}</title></path>'
        )
    for mark, (at, up) in zip(item.marks, places, strict=True):
        if mark.low is not None and mark.high is not None:
            parts.append(_segment(f"whisker {colour}", at, y(mark.low), at, y(mark.high)))
        if item.draw in ("dots", "both"):
            parts.append(
                f'<circle class="mark {escape(mark.kind) or colour}" cx="{at:.1f}" cy="{up:.1f}" r="3.2">'
                f"<title>{escape(mark.title or f'{item.name}: {number(mark.y)} at {number(mark.x)}')}</title></circle>"
            )
    return parts


def _segment(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
