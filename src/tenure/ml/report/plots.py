"""Bars, histograms and heat maps as inline SVG. Colours come from the page's style sheet; every mark has a title that a
pointer or a screen reader gets."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import msgspec

from tenure.ml.report.axes import INK, WIDTH, Scale, number, opening, short, spread, ticks

_PLAIN = {"__null__": "missing", "__unseen__": "unseen", "__other__": "other"}


class Bar(msgspec.Struct, frozen=True):
    """One bar: `low` to `high` is an interval around its value; `title` says more; `kind` is a class of the style sheet
    (series, before, ok, warn, critical, none)."""

    label: str
    value: float
    title: str = ""
    low: float | None = None
    high: float | None = None
    kind: str = "series"


def bars(
    rows: Sequence[Bar],
    *,
    name: str,
    percent: bool = False,
    most: float | None = None,
    limit: float | None = None,
    width: float = WIDTH,
) -> str:
    """Horizontal bars from 0, one per row, each with its label and value. `most` ends the scale (default: the largest
    value); `limit` draws a line at a value, a threshold for instance."""
    label_width = min(240.0, 12 + INK * max((len(row.label) for row in rows), default=0))
    ends = [end for row in rows for end in (row.value, row.low, row.high, limit) if end is not None]
    low, high = min([*ends, 0.0]), most if most is not None else max([*ends, 0.0])
    if high <= low:
        high = low + 1.0
    x = Scale(low, high, label_width, width - 74)
    height = 20 * len(rows) + 6
    parts = [opening("bars", width, height, name)]
    for i, row in enumerate(rows):
        top, middle = 4 + 20 * i, 4 + 20 * i + 8
        left, right = sorted((x(0.0), x(row.value)))
        title = row.title or f"{row.label}: {number(row.value, percent)}"
        parts.append(
            f"<g><title>{escape(title)}</title>"
            f'<text class="label" x="{label_width - 8:g}" y="{middle + 4}" text-anchor="end">'
            f"{escape(short(row.label, 36))}</text>"
            f'<rect class="{escape(row.kind)}" x="{left:.1f}" y="{top}" height="15" '
            f'width="{max(right - left, 0.8):.1f}"/>'
        )
        end = right
        if row.low is not None and row.high is not None:
            parts.append(
                f'<line class="whisker" x1="{x(row.low):.1f}" x2="{x(row.high):.1f}" y1="{middle}" y2="{middle}"/>'
            )
            end = max(right, x(row.high))
        parts.append(
            f'<text class="tick" x="{end + 6:.1f}" y="{middle + 4}">{number(row.value, percent)}</text></g>'
        )
    if limit is not None:
        at = x(limit)
        parts.append(
            f'<line class="limit warn" x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="{height}">'
            f"<title>limit {number(limit, percent)}</title></line>"
        )
    return "".join([*parts, "</svg>"])


def histogram(
    labels: Sequence[str],
    before: Sequence[float] | None,
    now: Sequence[float],
    name: str = "",
    words: tuple[str, str] = ("reference", "window"),
) -> str:
    """Shares per bin. With `before`, two histograms over the same bins: the one before as an outline behind.

    `words` are what the two are called. Bins beginning with `__` are the special ones of a profile.
    """
    width, height, base, top = 240, 92, 78, 6
    peak = max((*(before or ()), *now, 1e-9))
    step = width / max(len(labels), 1)
    said = f"{words[0]} and {words[1]}" if before is not None else "shares"
    parts = [opening("histogram", width, height, f"{name}: {said}")]
    for i, (label, share) in enumerate(zip(labels, now, strict=True)):
        x, tall = i * step, share / peak * (base - top)
        if before is None:
            parts += [
                f"<g><title>{escape(_plain(label))}: {share:.1%}</title>",
                _bar("now", x + step * 0.06, step * 0.88, base, tall),
                "</g>",
            ]
            continue
        title = f"{escape(_plain(label))}: {before[i]:.1%} in the {words[0]}, {share:.1%} in the {words[1]}"
        parts += [
            f"<g><title>{title}</title>",
            _bar("before", x + step * 0.06, step * 0.88, base, before[i] / peak * (base - top)),
            _bar("now", x + step * 0.26, step * 0.48, base, tall),
            "</g>",
        ]
    parts.append(f'<line class="grid" x1="0" x2="{width}" y1="{base}" y2="{base}"/>')
    # Every bin of a few; of many the first and the last real one, which is enough to read the scale by.
    real = [i for i, label in enumerate(labels) if not label.startswith("__")]
    named = range(len(labels)) if len(labels) <= 4 else sorted({real[0], real[-1]}) if real else ()
    for i in named:
        middle = (i + 0.5) * step
        anchor, at = (
            ("start", 1.0)
            if middle < 45
            else ("end", (i + 1) * step)
            if middle > width - 45
            else ("middle", middle)
        )
        text = escape(short(_plain(labels[i]), 12 if len(labels) in (3, 4) else 20))
        parts.append(f'<text class="tick" x="{at:.1f}" y="{height - 3}" text-anchor="{anchor}">{text}</text>')
    parts.append("</svg>")
    return "".join(parts)


def columns(
    rows: Sequence[Bar], *, name: str, y_label: str = "", height: int = 170, width: float = WIDTH
) -> str:
    """Vertical bars from 0 in the order given: counts over an ordered scale, such as folds or bins of probability."""
    low, high = spread(
        [edge for row in rows for edge in (row.value, row.low, row.high) if edge is not None], zero=True
    )
    left, bottom, top = 46.0, height - 24.0, 20.0 if y_label else 10.0
    y = Scale(low, high, bottom, top)
    step = (width - left - 8) / max(len(rows), 1)
    parts = [opening("columns", width, height, name)]
    for tick in ticks(low, high):
        parts += [
            f'<line class="grid" x1="{left:g}" x2="{width - 8:g}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>',
            f'<text class="tick" x="{left - 6:g}" y="{y(tick) + 3.5:.1f}" text-anchor="end">{number(tick)}</text>',
        ]
    if y_label:
        parts.append(f'<text class="axis" x="{left:g}" y="10">{escape(y_label)}</text>')
    every = max(1, round(len(rows) * max((len(row.label) for row in rows), default=1) * INK / (width - left)))
    for i, row in enumerate(rows):
        x, upper, lower = left + step * i, y(max(row.value, 0.0)), y(min(row.value, 0.0))
        middle = x + step / 2
        parts.append(
            f"<g><title>{escape(row.title or f'{row.label}: {number(row.value)}')}</title>"
            f'<rect class="{escape(row.kind)}" x="{x + step * 0.1:.1f}" y="{upper:.1f}" width="{step * 0.8:.1f}" '
            f'height="{lower - upper:.1f}"/>'
        )
        if row.low is not None and row.high is not None:
            parts.append(
                f'<line class="whisker" x1="{middle:.1f}" x2="{middle:.1f}" '
                f'y1="{y(row.low):.1f}" y2="{y(row.high):.1f}"/>'
            )
        parts.append("</g>")
        if i % every == 0:
            parts.append(
                f'<text class="tick" x="{middle:.1f}" y="{height - 8}" text-anchor="middle">{escape(row.label)}</text>'
            )
    return "".join([*parts, "</svg>"])


def heat(
    rows: Sequence[str],
    columns: Sequence[str],
    values: Sequence[Sequence[float | None]],
    *,
    name: str,
    texts: Sequence[Sequence[str]] | None = None,
    titles: Sequence[Sequence[str]] | None = None,
    x_label: str = "",
    y_label: str = "",
    most: float | None = None,
) -> str:
    """A table whose cells are shaded by their value from 0 to `most` (default: the largest): a confusion matrix, say.

    `texts` are written in the cells (default: the values), `titles` shown on pointing.
    """
    peak = most or max((value for row in values for value in row if value is not None), default=0.0) or 1.0
    label_width = min(170.0, 14 + INK * max((len(label) for label in rows), default=0))
    cell = min(92.0, max(24.0, (WIDTH - label_width - 8) / max(len(columns), 1)))
    tall = 30.0 if cell > 34 else 22.0
    head = 38.0 if x_label or y_label else 20.0
    width = label_width + cell * len(columns) + 4
    parts = [opening("heat", WIDTH, head + tall * len(rows) + 4, name)]
    if x_label:
        parts.append(
            f'<text class="axis" x="{(label_width + width) / 2:.1f}" y="12" text-anchor="middle">'
            f"{escape(x_label)}</text>"
        )
    if y_label:
        parts.append(f'<text class="axis" x="0" y="{head - 6:g}">{escape(y_label)}</text>')
    for j, label in enumerate(columns):
        parts.append(
            f'<text class="label" x="{label_width + cell * (j + 0.5):.1f}" y="{head - 6:g}" text-anchor="middle">'
            f"{escape(short(label, max(3, int(cell / INK))))}<title>{escape(label)}</title></text>"
        )
    for i, label in enumerate(rows):
        y = head + tall * i
        parts.append(
            f'<text class="label" x="{label_width - 8:g}" y="{y + tall / 2 + 4:.1f}" text-anchor="end">'
            f"{escape(short(label, 24))}</text>"
        )
        for j, value in enumerate(values[i]):
            x = label_width + cell * j
            text = texts[i][j] if texts is not None else number(value)
            title = titles[i][j] if titles is not None else f"{label}, {columns[j]}: {text}"
            shade = 0.0 if value is None else min(max(value / peak, 0.0), 1.0)
            parts.append(
                f"<g><title>{escape(title)}</title>"
                f'<rect class="cell" x="{x + 1:.1f}" y="{y + 1:.1f}" width="{cell - 2:.1f}" height="{tall - 2:.1f}" '
                f'fill-opacity="{0.04 + 0.66 * shade:.2f}"/>'
                f'<text class="cell" x="{x + cell / 2:.1f}" y="{y + tall / 2 + 4:.1f}" text-anchor="middle">'
                f"{escape(short(text, max(3, int(cell / INK))))}</text></g>"
            )
    return "".join([*parts, "</svg>"])


def _bar(kind: str, x: float, width: float, base: float, height: float) -> str:
    return f'<rect class="{kind}" x="{x:.1f}" y="{base - height:.1f}" width="{width:.1f}" height="{height:.1f}"/>'


def _plain(label: str) -> str:
    return _PLAIN.get(label, label)
