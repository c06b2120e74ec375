"""Diagnostics and errors for a person: place, what is wrong, why it matters, the way out, the lines of the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tenure.core.diagnostics import Diagnostic, Severity
from tenure.core.errors import SpecError, StageError, TenureError
from tenure.render.page import BLANK, Line, Styled, line, paragraphs
from tenure.render.wording import count

_STYLES = {Severity.ERROR: "bad", Severity.WARNING: "caution"}


def diagnostics_lines(diagnostics: Sequence[Diagnostic]) -> list[Line]:
    """All findings, one below the other, and how many there are."""
    lines: list[Line] = []
    for found in diagnostics:
        lines += [*diagnostic_lines(found), BLANK]
    return [*lines, line(total_words(diagnostics) + ".")]


def total_words(diagnostics: Iterable[Diagnostic]) -> str:
    """`2 errors, 1 warning`."""
    severities = [found.severity for found in diagnostics]
    counted = [count(severities.count(s), s.value) for s in Severity if s in severities]
    return ", ".join(counted) or "no findings"


def diagnostic_lines(found: Diagnostic) -> Iterator[Line]:
    """One finding: `file:line:column: severity: summary`, breadcrumb, excerpt, detail, way out."""
    place = f"{found.span}: " if found.span else ""
    style = _STYLES[found.severity]
    yield line(
        Styled(place, "strong"), Styled(f"{found.severity.value}: ", style), Styled(found.summary, "strong")
    )
    if found.breadcrumb:
        yield line(Styled("in " + " > ".join(found.breadcrumb), "quiet"), indent=2)
    for position, shown in enumerate(found.excerpt):
        marker = position == len(found.excerpt) - 1 and "^" in shown
        yield line(Styled(shown, "caret" if marker else ""), indent=4, kept=True)
    for text in paragraphs(found.detail):
        yield line(text, indent=2)
    yield from hint_lines(found.hint)


def error_lines(error: TenureError) -> list[Line]:
    """An error raised on purpose; for specs, everything that was found in them."""
    if isinstance(error, SpecError):
        return diagnostics_lines(error.diagnostics)
    where = f"{error.address}: " if isinstance(error, StageError) and error.address else ""
    lines = [line(Styled("Error: ", "bad"), Styled(where), Styled(error.summary, "strong"))]
    if isinstance(error, StageError) and error.path:
        lines.append(line(Styled("in " + " > ".join(str(step) for step in error.path), "quiet"), indent=2))
    lines += [line(text, indent=2) for text in paragraphs(error.detail)]
    return [*lines, *hint_lines(error.hint)]


def hint_lines(hint: str, indent: int = 2) -> Iterator[Line]:
    """The way out. A command stands on its own line and is never broken, so that it can be copied."""
    for text in paragraphs(hint):
        is_command = text.lstrip().startswith(("tenure ", "pip ", "git ", "$ "))
        yield line(Styled(text, "command" if is_command else ""), indent=indent, hang=0, kept=is_command)
