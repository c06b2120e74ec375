"""YAML text -> plain data, with a position for everything. The only place that knows the YAML parser.

The dialect is the core schema of YAML 1.2: only `true` and `false` are booleans (`no`, `on`, `off` stay text); dates
and infinities stay text, keys are always text. Tags, merge keys, several documents and oversized or self-expanding
files are refused.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from tenure.core.diagnostics import Diagnostic, Severity, breadcrumb, excerpt, in_order
from tenure.core.files import read_regular
from tenure.core.spans import Path as KeyPath
from tenure.core.spans import Span, SpanMap
from tenure.spec.syntax import explain_syntax_error

MAX_BYTES = 1_000_000
MAX_DEPTH = 60
MAX_VALUES = 100_000
"""After aliases have been expanded: a handful of nested aliases can stand for billions of values."""

_PLAIN = ""
_QUOTED = "'"
_UNTAGGED = (_PLAIN, _QUOTED)
_CORE_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "map", "seq")}
_TEXT_TAG = "tag:yaml.org,2002:str"
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER_STARTS = frozenset("0123456789+-.")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CONFLICT = re.compile(r"^(<<<<<<<|>>>>>>>)(?= |$)", re.MULTILINE)
_TAB = re.compile(r"^ *\t[ \t]*(?=[^\s#])", re.MULTILINE)
# The C parser is ten times faster; the other one is there where no wheel of it exists.
_BaseLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_BaseLoader):  # type: ignore[misc]
    """Marks each scalar as plain or quoted and leaves its type to `_plain`: PyYAML's own rules are YAML 1.1."""

    def resolve(self, kind: type[Node], value: Any, implicit: Any) -> str:
        return _PLAIN if implicit == (True, False) else _QUOTED


@dataclass(frozen=True)
class Document:
    """A YAML mapping as plain data, and its text for those who must point into it.

    `file` is the name shown; `path` is the file it was read from, if any.
    """

    file: str
    text: str
    data: dict[str, Any]
    path: Path | None = None

    @cached_property
    def spans(self) -> SpanMap:
        """Where each key and value stands. Worked out when first asked for: most files have no error."""
        spans = SpanMap()
        node = _Loader(self.text).get_single_node()
        if node is not None:
            _record(node, (), self.file, spans, None)
        return spans

    @cached_property
    def lines(self) -> list[str]:
        """The lines of the text, for excerpts."""
        return self.text.splitlines()


Read = tuple[Document | None, tuple[Diagnostic, ...]]
"""A document, or the reasons why there is none; both when something is merely odd."""


def read(path: Path, file: str | None = None) -> Read:
    """Read a YAML file; bad content never raises. `file` is the name to show for it, by default the path."""
    name = file if file is not None else str(path)
    whole = Span(name)
    try:
        size = path.stat().st_size
        content = read_regular(path) if size <= MAX_BYTES else b""
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return None, (_error("The file cannot be read.", f"{name}: {reason}.", "", whole),)
    if size > MAX_BYTES:
        return None, (
            _error(
                "The file is too large.",
                f"{name} has {size:,} bytes; a spec may have {MAX_BYTES:,}.",
                "Keep data in files of its own and refer to them from the spec.",
                whole,
            ),
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return None, (_not_utf8(content, error, name),)
    return parse(text, name, path)


def parse(text: str, file: str, path: Path | None = None) -> Read:
    """Read YAML text. Every problem that can be told apart is reported, not only the first."""
    if "<<<<<<<" in text or ">>>>>>>" in text:
        conflicts = _conflicts(text, file)
        if conflicts:
            return None, conflicts
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
    except (yaml.YAMLError, RecursionError) as error:
        return None, _broken(text, file, error)
    if node is None:
        return None, (
            _error(
                "The document is empty.",
                f"{file} holds no keys.",
                "Write a spec with:\n  tenure init",
                Span(file, 1, 1),
            ),
        )
    builder = _Builder(file, text)
    try:
        data = builder.build(node, (), 0)
    except _TooMuch as stop:
        return None, in_order([*builder.found, stop.diagnostic])
    if not isinstance(data, dict):
        kind = "a list" if isinstance(data, list) else "a single value"
        builder.report(
            node,
            (),
            "The document is not a mapping.",
            f"At the top there is {kind}; `key: value` lines are expected.",
        )
    if builder.found:
        return None, in_order(builder.found)
    return Document(file, text, data, path), ()


class _TooMuch(Exception):
    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.summary)
        self.diagnostic = diagnostic


class _Builder:
    """Turns nodes into data and collects what is wrong with them."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.found: list[Diagnostic] = []
        self.count = 0

    def build(self, node: Node, path: KeyPath, depth: int) -> Any:
        self.count += 1
        if self.count > MAX_VALUES:
            raise _TooMuch(
                self._diagnostic(
                    node,
                    (),
                    "The document is too large.",
                    f"With its aliases written out it has more than {MAX_VALUES:,} values.",
                    "Use fewer aliases (`*name`) of aliases.",
                )
            )
        if type(node) is ScalarNode:
            tag = node.tag
            if tag == _PLAIN:
                return _plain(node.value)
            if tag != _QUOTED:
                self._check_tag(node, path)
                return node.value if tag == _TEXT_TAG else _plain(node.value)
            return node.value
        if depth > MAX_DEPTH:
            raise _TooMuch(
                self._diagnostic(
                    node,
                    path[:3],
                    "The document is nested too deeply.",
                    f"Blocks are nested more than {MAX_DEPTH} deep, or an alias contains itself.",
                    "",
                )
            )
        if node.tag not in _UNTAGGED:
            self._check_tag(node, path)
        if type(node) is SequenceNode:
            return [
                self.build(item, (*path, position), depth + 1) for position, item in enumerate(node.value)
            ]
        return self._mapping(node, path, depth)

    def _mapping(self, node: Node, path: KeyPath, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if type(key_node) is not ScalarNode:
                self.report(
                    key_node, path, "A key is not text.", "A list or a mapping stands where a key belongs."
                )
                continue
            key = key_node.value
            if key in result:
                self._duplicate(node, key_node, path)
            elif key == "<<" and key_node.tag == _PLAIN:
                self.report(
                    key_node,
                    (*path, key),
                    "Merge keys are not supported.",
                    "`<<` merges a mapping in old YAML only.",
                    "Move the shared keys to conf/<section>/<name>.yaml and name it under `defaults:`.",
                )
            # Most values are scalars without a tag: for them there is nothing to check and no path to keep.
            if type(value_node) is ScalarNode and value_node.tag in _UNTAGGED and self.count < MAX_VALUES:
                self.count += 1
                result[key] = _plain(value_node.value) if value_node.tag == _PLAIN else value_node.value
            else:
                result[key] = self.build(value_node, (*path, key), depth + 1)
        return result

    def _check_tag(self, node: Node, path: KeyPath) -> None:
        if node.tag not in _CORE_TAGS and node.tag != _TEXT_TAG:
            self.report(
                node,
                path,
                "Tags are not supported.",
                f"`{_short_tag(node.tag)}` has no meaning here.",
                "Remove it.",
            )

    def _duplicate(self, mapping: Node, key_node: Node, path: KeyPath) -> None:
        name = key_node.value
        first = next(key for key, _ in mapping.value if type(key) is ScalarNode and key.value == name)
        before, again = _span(first, self.file), _span(key_node, self.file)
        lines = self.text.splitlines()
        marked = excerpt(lines, before)[-2:] + excerpt(lines, again)[-2:] if before.line != again.line else ()
        self.found.append(
            Diagnostic(
                Severity.ERROR,
                "The same key appears twice.",
                f"'{name}' already stands on line {before.line}, column {before.column}; one of the two would be lost.",
                "Remove one of them, or rename it.",
                again,
                breadcrumb((*path, name)),
                marked or excerpt(lines, again),
            )
        )

    def report(self, node: Node, path: KeyPath, summary: str, detail: str, hint: str = "") -> None:
        self.found.append(self._diagnostic(node, path, summary, detail, hint))

    def _diagnostic(self, node: Node, path: KeyPath, summary: str, detail: str, hint: str) -> Diagnostic:
        span = _span(node, self.file)
        return Diagnostic(
            Severity.ERROR,
            summary,
            detail,
            hint,
            span,
            breadcrumb(path),
            excerpt(self.text.splitlines(), span),
        )


def _plain(text: str) -> Any:
    """The value of an unquoted scalar by the core schema of YAML 1.2 (section 10.3.2), without `.inf` and `.nan`."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_STARTS:
        return text
    if _INTEGER.fullmatch(text):
        # Python refuses to convert more than 4,300 digits; such a "number" is somebody's text.
        return int(text) if len(text) <= 400 else text
    if _FLOAT.fullmatch(text):
        return value if math.isfinite(value := float(text)) else text
    if _BASED.fullmatch(text):
        return int(text, 0)
    return text


def _record(node: Node, path: KeyPath, file: str, spans: SpanMap, key: Node | None) -> None:
    spans.add(path, _span(node, file), None if key is None else _span(key, file))
    if type(node) is MappingNode:
        for key_node, value_node in node.value:
            _record(value_node, (*path, key_node.value), file, spans, key_node)
    elif type(node) is SequenceNode:
        for position, item in enumerate(node.value):
            _record(item, (*path, position), file, spans, None)


def _span(node: Node, file: str) -> Span:
    start, end = node.start_mark, node.end_mark
    length = end.column - start.column if end.line == start.line else 1
    return Span(file, start.line + 1, start.column + 1, max(length, 1))


def _short_tag(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")


def _error(summary: str, detail: str, hint: str, span: Span, lines: list[str] | None = None) -> Diagnostic:
    return Diagnostic(Severity.ERROR, summary, detail, hint, span, (), excerpt(lines or [], span))


def _not_utf8(content: bytes, error: UnicodeDecodeError, file: str) -> Diagnostic:
    before = content[: error.start]
    line = before.count(b"\n") + 1
    column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        detail = "It looks like UTF-16."
    else:
        detail = f"Byte 0x{content[error.start]:02x} does not belong there; the file may be Latin-1 or Windows-1252."
    lines = content.decode("utf-8", "replace").splitlines()
    return _error("The file is not UTF-8 text.", detail, "Save it as UTF-8.", Span(file, line, column), lines)


def _conflicts(text: str, file: str) -> tuple[Diagnostic, ...]:
    lines = text.splitlines()
    return tuple(
        _error(
            "A merge conflict was left in the file.",
            f"`{match[1]}` {'begins' if match[1] == '<<<<<<<' else 'ends'} two versions of the same lines.",
            "Keep the lines you want and remove the markers.",
            Span(file, text.count("\n", 0, match.start()) + 1, 1, 7),
            lines,
        )
        for match in _CONFLICT.finditer(text)
    )


def _broken(text: str, file: str, error: Exception) -> tuple[Diagnostic, ...]:
    """A syntax error in plain words. Tabs are looked for first: what the parser says of them misleads."""
    lines = text.splitlines()
    tabs = [text.count("\n", 0, match.start()) + 1 for match in _TAB.finditer(text)]
    if tabs:
        others = ", ".join(str(line) for line in tabs[1:10]) + (", ..." if len(tabs) > 10 else "")
        more = f" The same is wrong in line {others}." if others else ""
        return (
            _error(
                "A line is indented with a tab.",
                f"YAML allows only spaces there.{more}",
                "Replace the tabs with spaces, two for each level.",
                Span(file, tabs[0], lines[tabs[0] - 1].index("\t") + 1),
                lines,
            ),
        )
    if isinstance(error, RecursionError) or "nesting" in str(error):
        return (
            _error("The document is nested too deeply.", "The parser gave up on it.", "", Span(file, 1, 1)),
        )
    found = explain_syntax_error(error, lines)
    return (_error(found.summary, found.detail, found.hint, Span(file, found.line, found.column), lines),)
