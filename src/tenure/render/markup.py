"""Text from a spec or a data set inside Markdown for GitHub and GitLab: it stays text, on its line, in its cell.

Both platforms look for names, numbers and addresses in the finished page, where a backslash is gone: a character that
begins a reference is followed by a space of no width instead.
"""

from __future__ import annotations

import re
from typing import Any

from tenure.render.page import clip, plain

WORDS = 400
"""Columns of a sentence from somewhere else; a longer one ends in an ellipsis."""

GAP = "\u200b"

_SPECIAL = re.compile(r"([\\`*_{}\[\]|~>$])|^(?=[-+#=])|(?<=^\d)(?=[.)])")
_REFERENCES = re.compile(
    r"""
    @(?=\w)                # a person, a team
    | [#!%~&^$](?=["\w])   # an issue, a merge request, a milestone, a label, an epic, an alert, a snippet
    | \b(?:GH|gh)(?=-\d)   # an issue
    | (?<=:)(?=//)         # an address
    | \bwww(?=\.)
    """,
    re.VERBOSE,
)


def escaped(text: Any, cells: int = WORDS) -> str:
    """Text as Markdown shows it literally, on one line of at most `cells` columns before escaping."""
    # Blanks at the beginning would hide a mark behind them, or be one.
    said = _apart(clip(plain(str(text)).strip(), cells))
    said = _SPECIAL.sub(lambda found: "\\" + (found[1] or ""), said)
    return said.replace("&", "&amp;").replace("<", "&lt;")


def code(text: Any, cells: int = WORDS) -> str:
    """Text as a code span, whatever backticks it holds; nothing in it is looked at by the platforms."""
    said = clip(plain(str(text)), cells)
    fence = "`" * (max((len(run) for run in re.findall(r"`+", said)), default=0) + 1)
    pad = " " if said.startswith("`") or said.endswith("`") or not said.strip() else ""
    return f"{fence}{pad}{said}{pad}{fence}"


def html(text: Any, cells: int = WORDS) -> str:
    """Text inside an HTML element that Markdown leaves alone."""
    said = _apart(clip(plain(str(text)), cells))
    return said.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _apart(text: str) -> str:
    """The text with a space of no width wherever the platforms would see a reference."""
    return _REFERENCES.sub(lambda found: found[0] + GAP, text)


def units(text: str) -> int:
    """The length of a text as the platforms count it: characters beyond the first 65,536 count twice."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
