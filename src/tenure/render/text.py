"""The terminal: colour, width, and nothing about content. The only home of terminal colour.

A view is a sequence of `render.page.Line`; `paint` turns it into the text that is written. Colours are the
sixteen basic ones, so that the palette of the person's own terminal decides how they look.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TextIO

from tenure.render.page import Line, laid_out

STYLES = {
    "strong": "1",
    "quiet": "2",
    "title": "1",
    "command": "36",
    "good": "32",
    "caution": "33",
    "bad": "1;31",
    "create": "32",
    "update": "33",
    "replace": "35",
    "promote": "36",
    "retire": "31",
    "adopt": "36",
    "forget": "31",
    "blocked": "1;33",
    "none": "2",
    "caret": "1;31",
}
"""Select Graphic Rendition parameters (ECMA-48) of each style."""

PIPE_WIDTH = 110
"""Columns where nobody can say how wide the page is: a log, a file, a pipe."""


@dataclass(frozen=True)
class Screen:
    """Where text goes: how wide it is, whether it takes colour, and whether a person sits in front of it."""

    width: int = PIPE_WIDTH
    colour: bool = False
    terminal: bool = False


def screen_of(stream: TextIO, *, no_color: bool = False, environ: Mapping[str, str] | None = None) -> Screen:
    """The screen behind a stream.

    Colour needs a terminal (or `FORCE_COLOR`) and is turned off by `no_color`, `NO_COLOR` and `TERM=dumb`.
    """
    environ = os.environ if environ is None else environ
    terminal = stream.isatty()
    width = (
        shutil.get_terminal_size((PIPE_WIDTH, 24)).columns
        if terminal or environ.get("COLUMNS")
        else PIPE_WIDTH
    )
    colour = terminal and environ.get("TERM") != "dumb"
    colour = (colour or bool(environ.get("FORCE_COLOR"))) and not environ.get("NO_COLOR") and not no_color
    return Screen(width=max(width, 1), colour=colour, terminal=terminal)


def paint(lines: Iterable[Line], screen: Screen = Screen()) -> str:
    """The lines as text that fits the screen, each ended by a newline."""
    written = []
    for row in laid_out(lines, screen.width):
        text = "".join(_styled(piece.text, piece.style) if screen.colour else piece.text for piece in row)
        written.append(text.rstrip() + "\n")
    return "".join(written)


def _styled(text: str, style: str) -> str:
    return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if style and not text.isspace() else text
