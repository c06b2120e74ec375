"""What the YAML parser says of broken syntax, in words for the person who wrote the file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple


class SyntaxProblem(NamedTuple):
    """A syntax error: fixed summary, detail, way out, and where (from 1)."""

    summary: str
    detail: str
    hint: str
    line: int
    column: int


_SUMMARY = "This is not valid YAML."
_COLON_IN_VALUE = re.compile(r"^\s*(?:- )?[\w.-]+:\s+[^\s'\"{\[|>&*#][^#]*?:(\s|$)")


def explain_syntax_error(error: Any, lines: Sequence[str]) -> SyntaxProblem:
    """Translate a parser error (anything with `problem`, `context` and their marks) and choose where to point."""
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    context = str(getattr(error, "context", None) or "")
    mark = getattr(error, "problem_mark", None)
    context_mark = getattr(error, "context_mark", None)
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else _position(error, lines)
    began = context_mark.line + 1 if context_mark is not None else line

    def at(detail: str, hint: str = "", summary: str = _SUMMARY, *, start: bool = False) -> SyntaxProblem:
        if start and context_mark is not None:
            return SyntaxProblem(summary, detail, hint, context_mark.line + 1, context_mark.column + 1)
        # At the end of the file there is nothing to see: point at the last line that says something.
        last = max((number for number, text in enumerate(lines, 1) if text.strip()), default=1)
        if line > last:
            return SyntaxProblem(summary, detail, hint, last, len(lines[last - 1]) + 1 if lines else 1)
        return SyntaxProblem(summary, detail, hint, line, column)

    if "single document" in context or "another document" in problem:
        return at(
            "A second document starts here; a spec file holds one.",
            "Move it to a file of its own.",
            "The file holds several documents.",
        )
    if "undefined alias" in problem:
        return at(
            "The alias `*name` refers to an anchor that is not there.", "Quote text that begins with `*`."
        )
    if "duplicate anchor" in problem or "second occurrence" in problem:
        return at("The same anchor `&name` is set twice.", "Rename one of them.")
    if "quoted scalar" in context:
        return at(
            f"The text that starts with a quotation mark on line {began} is never closed."
            if "end of stream" in problem or "document indicator" in problem
            else f"In the quoted text: {problem}.",
            "In double quotes write a backslash as `\\\\`, or use single quotes."
            if "escape" in problem
            else "",
            start="escape" not in problem,
        )
    if "mapping values are not allowed" in problem:
        text = lines[line - 1] if line <= len(lines) else ""
        if _COLON_IN_VALUE.match(text):
            return at("A value contains `: `, which starts a new key.", "Put the value in quotes.")
        above = next((number for number in range(line - 1, 0, -1) if lines[number - 1].strip()), 0)
        if above and ":" not in lines[above - 1] and not lines[above - 1].lstrip().startswith("#"):
            began_at = len(lines[above - 1]) - len(lines[above - 1].lstrip()) + 1
            return SyntaxProblem(_SUMMARY, "This line has no colon.", "Write `key: value`.", above, began_at)
        return at(
            "A key stands where none is possible here.",
            "Check the indentation of this line and of the one above.",
        )
    if "could not find expected ':'" in problem:
        return at(
            f"The key that starts on line {began} has no colon after it.", "Write `key: value`.", start=True
        )
    if "node content" in problem:
        return at(
            "A value is missing here, or a `[` or `{` before it is not closed.",
            "Write the value, or add the missing `]` or `}`.",
        )
    if "flow sequence" in context:
        return at(
            f"The list that `[` opens on line {began} is not closed.",
            "Add the missing `,` or `]`.",
            start=True,
        )
    if "flow mapping" in context:
        hint = "Add the missing `,` or `}`."
        return at(f"The block that `{{` opens on line {began} is not closed.", hint, start=True)
    if "did not find expected '-' indicator" in problem:
        return at(
            f"In the list that starts on line {began}, this line is neither an item nor inside of one.",
            "Start it with `- `, or correct its indentation.",
        )
    if "did not find expected key" in problem:
        return at(
            f"This line does not fit into the block that starts on line {began}.",
            "Give keys of one block the same indentation.",
        )
    if "block sequence entries are not allowed" in problem:
        return at("A list item cannot start here.", "Put `- ` on a line of its own below the key.")
    if "cannot start any token" in problem:
        return at("This character cannot start a value.", "Put the value in quotes.")
    if "unknown tag handle" in problem or "undefined tag handle" in problem or "tag" in context:
        return at("`!` starts a tag, and tags are not supported.", "Put the value in quotes.")
    if "not allowed" in problem and "character" in problem:
        return at("The file holds a control character.", "Remove it.")
    return at(f"The parser says: {problem}{f', {context}' if context else ''}.")


def _position(error: Any, lines: Sequence[str]) -> tuple[int, int]:
    """Line and column of a reader error, which knows only how many characters it had read."""
    position = getattr(error, "position", None)
    if not isinstance(position, int):
        return 1, 1
    for number, text in enumerate(lines, 1):
        if position <= len(text):
            return number, position + 1
        position -= len(text) + 1
    return max(len(lines), 1), 1
