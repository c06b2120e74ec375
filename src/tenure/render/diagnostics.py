"""Diagnostics and errors for a person: place, what is wrong, why it matters, the way out, the lines of the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from tenure.core.diagnostics import Diagnostic, Severity
from tenure.core.errors import SpecError, StageError, TenureError
from tenure.render.page import BLANK, Line, Styled, clip, line, paragraphs
from tenure.render.wording import command, count

_MANY = 20
_KINDS = 10
_FILES = 8
_EXAMPLE = 150
"""Findings that are shown one by one; kinds, files and columns of an example on the one screen for more of them."""

_STYLES = {Severity.ERROR: "bad", Severity.WARNING: "caution"}


def diagnostics_lines(diagnostics: Sequence[Diagnostic]) -> list[Line]:
    """All findings, one below the other, and how many there are."""
    lines: list[Line] = []
    for found in diagnostics:
        lines += [*diagnostic_lines(found), BLANK]
    return [*lines, line(total_words(diagnostics) + ".")]


def is_many(diagnostics: Sequence[Diagnostic]) -> bool:
    """Whether the findings are more than a person reads from the first to the last."""
    return len(diagnostics) > _MANY


def grouped_lines(
    diagnostics: Sequence[Diagnostic], *, specs: int | None = None, where: Sequence[str] = ()
) -> list[Line]:
    """Many findings on one screen: by kind with an example of each, then the files with the most of them.

    `specs` is how many were looked at, where that is known; `where` repeats global options in the command that shows
    everything.
    """
    files = Counter(found.span.file if found.span else "" for found in diagnostics)
    among = f" of {specs:,}" if specs is not None else ""
    kinds: dict[tuple[Severity, str], list[Diagnostic]] = {}
    for found in diagnostics:
        kinds.setdefault((found.severity, found.summary), []).append(found)
    often = sorted(
        kinds.values(), key=lambda several: (several[0].severity, -len(several), several[0].summary)
    )
    lines = [line(f"{total_words(diagnostics)} in {len(files):,}{among} files. By kind:"), BLANK]
    for several in often[:_KINDS]:
        lines += _kind_lines(several)
    if len(often) > _KINDS:
        lines.append(line(f"... and {count(len(often) - _KINDS, 'other kind')}", indent=4))
    lines += [BLANK, line("By file, those with the most first:"), BLANK]
    for file, number in files.most_common(_FILES):
        lines.append(line(f"{number:>6,}  {file}", indent=0, kept=True))
    if len(files) > _FILES:
        lines.append(line(f"... and {count(len(files) - _FILES, 'more file')}", indent=4))
    everything = command("validate", "-v", *where)
    return [*lines, BLANK, line("Show each with:  ", Styled(everything, "command"), kept=True)]


def _kind_lines(several: Sequence[Diagnostic]) -> Iterator[Line]:
    first = several[0]
    files = len({found.span.file if found.span else "" for found in several})
    yield line(
        f"{len(several):>6,}  ",
        Styled(first.summary, _STYLES[first.severity]),
        Styled(f"  in {count(files, 'file')}" if files > 1 else "", "quiet"),
    )
    place = f"{first.span}: " if first.span else ""
    yield line(clip(f"{place}{' '.join(paragraphs(first.detail))}", _EXAMPLE), indent=8)


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
        several = error.diagnostics
        return grouped_lines(several) if is_many(several) else diagnostics_lines(several)
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
