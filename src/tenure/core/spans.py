"""Where a value was written: file, line and column for every key and value of a document."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

Path = tuple[str | int, ...]


class Span(msgspec.Struct, frozen=True, order=True):
    """A place in a file. Lines and columns count from 1; line 0 means the whole of `file` (an override, say)."""

    file: str
    line: int = 0
    column: int = 0
    length: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class SpanMap:
    """The spans of the keys and of the values of a document, by path from its top."""

    __slots__ = ("_keys", "_values")

    def __init__(self) -> None:
        self._keys: dict[Path, Span] = {}
        self._values: dict[Path, Span] = {}

    def add(self, path: Path, value: Span, key: Span | None = None) -> None:
        """Record where the value at `path` stands, and the key it stands under."""
        self._values[path] = value
        if key is not None:
            self._keys[path] = key

    def value(self, path: Path) -> Span | None:
        """The span of the value at `path`, or of its nearest ancestor that was written down."""
        return _nearest(self._values, path)

    def key(self, path: Path) -> Span | None:
        """The span of the key at `path`, or of the value of its nearest ancestor that was written down."""
        return self._keys.get(path) or _nearest(self._keys | self._values, path)

    def overlay(self, other: SpanMap, at: Path = ()) -> None:
        """Let another layer win: its paths, placed below `at`, replace those known here."""
        for path, span in other._values.items():
            # The top of a fragment is its file; a mapping that an earlier layer began keeps its place.
            if path or at not in self._values:
                self._values[at + path] = span
        for path, span in other._keys.items():
            self._keys[at + path] = span

    def paths(self) -> Iterator[Path]:
        """Every path that has a value."""
        return iter(self._values)


def _nearest(spans: dict[Path, Span], path: Path) -> Span | None:
    for end in range(len(path), -1, -1):
        if (span := spans.get(path[:end])) is not None:
            return span
    return None
