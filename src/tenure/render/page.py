"""Lines of styled words, laid out for a width: what every view of the terminal is made of.

A view builds `Line`s out of `Styled` pieces and knows neither colours nor widths; `render/text.py` paints them.
Whatever comes from a spec, a data set or a request passes through `plain`, so that no name can move the cursor or hide
text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

MINIMUM_WIDTH = 40
ELLIPSIS = "…"


class Styled(NamedTuple):
    """A piece of text in one style; the names of styles are those of `render.text.STYLES`."""

    text: str
    style: str = ""


class Line(NamedTuple):
    """Spans on one line. Words that do not fit go on below, indented by `hang`; a `kept` line is never broken."""

    pieces: tuple[Styled, ...]
    indent: int = 0
    hang: int = 2
    kept: bool = False

    @property
    def text(self) -> str:
        """The words without their styles."""
        return "".join(piece.text for piece in self.pieces)


def line(*parts: str | Styled, indent: int = 0, hang: int = 2, kept: bool = False) -> Line:
    """A line from strings and pieces, with control characters made visible."""
    pieces = tuple(
        Styled(plain(part)) if isinstance(part, str) else Styled(plain(part.text), part.style)
        for part in parts
    )
    return Line(tuple(piece for piece in pieces if piece.text), indent, hang, kept)


BLANK = Line(())


def plain(text: str) -> str:
    r"""The text on one line with control characters shown as escapes (`\x1b`), not obeyed.

    Bidirectional and other invisible characters count as such; line breaks and tabs become blanks.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(character) for character in text)


def paragraphs(text: str) -> list[str]:
    """The lines of a longer text, each of them `plain`."""
    return [plain(part.rstrip()) for part in text.splitlines()]


def clip(text: str, cells: int) -> str:
    """The text in at most `cells` columns, with an ellipsis where something is left out."""
    if cells_of(text) <= cells:
        return text
    kept, used = [], 0
    for character in text:
        used += cells_of(character)
        if used > cells - 1:
            break
        kept.append(character)
    return "".join(kept).rstrip() + ELLIPSIS


def cells_of(text: str) -> int:
    """Columns the text takes on a terminal: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) or unicodedata.category(c) in ("Mn", "Me", "Cf")
        else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )  # fmt: skip


def table(
    rows: Sequence[Sequence[str | Styled]], *, indent: int = 0, gap: int = 2, widest: int = 44
) -> list[Line]:
    """Rows in columns as wide as their longest cell, at most `widest`; the last column wraps under itself."""
    pieces = [[cell if isinstance(cell, Styled) else Styled(cell) for cell in row] for row in rows]
    pieces = [[Styled(plain(cell.text), cell.style) for cell in row] for row in pieces]
    count = max((len(row) for row in pieces), default=0)
    widths = [
        min(widest, max((cells_of(row[column].text) for row in pieces if column < len(row) - 1), default=0))
        for column in range(count - 1)
    ]
    lines = []
    for row in pieces:
        parts: list[Styled] = []
        for width, cell in zip(widths, row[:-1], strict=False):
            text = clip(cell.text, width)
            parts += [Styled(text, cell.style), Styled(" " * (width - cells_of(text) + gap))]
        parts += row[-1:]
        lines.append(Line(tuple(parts), indent, sum(widths[: len(row) - 1]) + gap * (len(row) - 1)))
    return lines


def laid_out(lines: Iterable[Line], width: int) -> Iterator[tuple[Styled, ...]]:
    """The lines as they fit into `width` columns, indentation included."""
    width = max(width, MINIMUM_WIDTH)
    for item in lines:
        indent = min(item.indent, width // 3)
        if item.kept or indent + sum(cells_of(piece.text) for piece in item.pieces) <= width:
            yield _indented(item.pieces, indent)
        else:
            yield from _wrapped(item, indent, width)


def _wrapped(item: Line, indent: int, width: int) -> Iterator[tuple[Styled, ...]]:
    below = indent + min(item.hang, width // 3)
    row: list[Styled] = []
    start, used = indent, indent
    for word in _words(item.pieces, width - below):
        cells = cells_of(word.text)
        if used + cells > width and used > start:
            yield _indented(_trimmed(row), start)
            row, start, used = [], below, below
        if word.text.isspace() and used == start and start == below and not row:
            continue
        row.append(word)
        used += cells
    if row := list(_trimmed(row)):
        yield _indented(row, start)


def _words(pieces: Iterable[Styled], longest: int) -> Iterator[Styled]:
    """Runs of blanks and of other characters; a run longer than a whole line is cut."""
    for piece in pieces:
        start = 0
        for position in range(1, len(piece.text) + 1):
            ends = position == len(piece.text) or (piece.text[position] == " ") != (piece.text[start] == " ")
            if ends or cells_of(piece.text[start:position]) >= longest - 1:
                yield Styled(piece.text[start:position], piece.style)
                start = position


def _trimmed(row: Sequence[Styled]) -> Sequence[Styled]:
    while row and row[-1].text.isspace():
        row = row[:-1]
    return row


def _indented(pieces: Iterable[Styled], indent: int) -> tuple[Styled, ...]:
    pieces = tuple(pieces)
    return (Styled(" " * indent), *pieces) if indent and pieces else pieces


def _visible(character: str) -> str:
    if character in "\n\t\r":
        return " "
    if character.isprintable() and unicodedata.category(character) != "Cf":
        return character
    if character == " ":
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
