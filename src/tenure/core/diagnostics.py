"""Diagnostics: what is wrong, where, why it matters and the way out; values that are collected and shown together."""

from __future__ import annotations

import difflib
import enum
from collections.abc import Iterable, Sequence

import msgspec

from tenure.core.spans import Path, Span


class Severity(enum.StrEnum):
    """An error makes the document unusable; a warning is worth a look."""

    ERROR = "error"
    WARNING = "warning"


class Diagnostic(msgspec.Struct, frozen=True):
    """One finding.

    `summary` consists of fixed words, without names of the user's, so that it can be searched for. `detail` says what
    is wrong and why it matters, `hint` the way out (several lines where it holds a command). `breadcrumb` names the
    blocks on the way to the place; `excerpt` holds ready lines of the file with a marker below.
    """

    severity: Severity
    summary: str
    detail: str = ""
    hint: str = ""
    span: Span | None = None
    breadcrumb: tuple[str, ...] = ()
    excerpt: tuple[str, ...] = ()

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR

    @property
    def place(self) -> str:
        """`specs/churn.yaml:12:5, monitoring > signals > drift`, as much of it as is known."""
        crumbs = " > ".join(self.breadcrumb)
        return ", ".join(part for part in (str(self.span) if self.span else "", crumbs) if part)


def in_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """By file, then by place in it; equal findings once. What has no place comes first."""
    unique = dict.fromkeys(diagnostics)
    return tuple(sorted(unique, key=lambda found: (found.span or Span(""), found.severity, found.summary)))


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether one of them makes the document unusable."""
    return any(found.is_error for found in diagnostics)


def excerpt(lines: Sequence[str], span: Span, width: int = 100) -> tuple[str, ...]:
    """The line of `span` and the one before, numbered, with a marker below; long lines are cut around the place."""
    if not 1 <= span.line <= len(lines):
        return ()
    column = max(span.column, 1)
    start = max(0, column - 1 - width // 2) if len(lines[span.line - 1]) > width else 0
    shown = [number for number in (span.line - 1, span.line) if number >= 1 and lines[number - 1].strip()]
    gutter = len(str(span.line))
    out = [
        f"{number:>{gutter}} | {_printable(lines[number - 1][start : start + width])}".rstrip()
        for number in shown
    ]
    room = max(1, len(lines[span.line - 1]) - column + 1)
    marker = "^" * max(1, min(span.length, room, width - (column - 1 - start)))
    return (*out, f"{'':>{gutter}} | {' ' * (column - 1 - start)}{marker}")


def breadcrumb(path: Path) -> tuple[str, ...]:
    """`("gates", 0, "min")` -> `("gates[0]", "min")`: list positions stay with the list they count in."""
    crumbs: list[str] = []
    for step in path:
        if isinstance(step, int) and crumbs:
            crumbs[-1] += f"[{step}]"
        else:
            crumbs.append(str(step))
    return tuple(crumbs)


def closest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate somebody who typed `name` most likely meant, or None when none is near."""
    folded = {_fold(candidate): candidate for candidate in candidates}
    wanted = _fold(name)
    if wanted in folded:
        return folded[wanted]
    near = difflib.get_close_matches(wanted, folded, n=1, cutoff=0.6)
    if near:
        return folded[near[0]]
    # An abbreviation (`max` for `max_trials`) or a longer form is far by edit distance, but only one can be meant.
    related = [original for fold, original in folded.items() if _abbreviates(wanted, fold)]
    return related[0] if len(related) == 1 else None


def way_out(name: str, candidates: Iterable[str], what: str = "Valid here") -> str:
    """`Did you mean 'x'?` when a candidate is near, otherwise the candidates, otherwise nothing."""
    options = sorted(set(candidates))
    if (meant := closest(name, options)) is not None:
        return f"Did you mean '{meant}'?"
    return f"{what}: {', '.join(options)}." if options else ""


def _fold(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_")


def _abbreviates(one: str, other: str) -> bool:
    return min(len(one), len(other)) >= 3 and (one.startswith(other) or other.startswith(one))


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " if char == "\t" else "�" for char in text)
