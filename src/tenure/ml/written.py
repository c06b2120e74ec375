"""Values written as text: which of them look like numbers, dates or booleans, and how SQL reads them.

Used where data for training are read and where files are scored, so that a file is the same rows in both. Digits behind
a leading zero (`007`) are text, since they name things. The time zone of the session has to be UTC.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from tenure.ml.quoting import literal

if TYPE_CHECKING:
    from tenure.ml.signature import ColumnType

NULL_VALUES = ("NA", "N/A", "NaN", "nan", "NULL", "null", "None")
"""Texts that stand for a missing value where nothing else is declared."""

_TRIMMED = "trim({c}, ' \t')"
_LOOKS_LIKE: dict[ColumnType, str] = {
    "integer": r"regexp_full_match({t}, '[+-]?(0|[1-9][0-9]*)') AND try_cast({t} AS BIGINT) IS NOT NULL",
    "number": (
        r"regexp_full_match(lower({t}), "
        r"'[+-]?(((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?|inf|infinity|nan)')"
    ),
    "boolean": "lower({t}) IN ('true', 'false')",
    "timestamp": (
        r"regexp_full_match({t}, '[0-9]{{4}}[-/][0-9]{{1,2}}[-/][0-9]{{1,2}}"
        r"([T ][0-9]{{1,2}}:[0-9]{{2}}(:[0-9]{{2}}(\.[0-9]+)?)?( ?(Z|UTC|[+-][0-9]{{2}}(:?[0-9]{{2}})?))?)?') "
        r"AND try_cast({t} AS TIMESTAMPTZ) IS NOT NULL"
    ),
}
_DECLARED: dict[ColumnType, str] = {
    "integer": "regexp_full_match({t}, '[+-]?[0-9]+') AND try_cast({t} AS BIGINT) IS NOT NULL",
    "number": "try_cast({t} AS DOUBLE) IS NOT NULL",
}
_CAST: dict[ColumnType, str] = {
    "integer": "CAST({t} AS BIGINT)",
    "number": "CAST({t} AS DOUBLE)",
    "boolean": "lower({t}) = 'true'",
    "timestamp": "make_timestamp(epoch_us(CAST({t} AS TIMESTAMPTZ)))",
    "string": "{c}",
}
_FAST: dict[ColumnType, str] = {
    "integer": "CASE WHEN CAST(try_cast({c} AS BIGINT) AS VARCHAR) = {c} THEN try_cast({c} AS BIGINT) END",
    "number": r"CASE WHEN regexp_full_match({c}, '-?(0|[1-9][0-9]*)(\.[0-9]+)?') THEN CAST({c} AS DOUBLE) END",
    "boolean": "CASE {c} WHEN 'true' THEN true WHEN 'false' THEN false END",
    "timestamp": (
        "CASE WHEN strlen({c}) IN (10, 19) AND substr({c}, 5, 1) = '-' AND substr({c}, 8, 1) = '-' "
        "AND substr({c}, 17, 1) IN ('', ':') THEN try_cast({c} AS TIMESTAMP) END"
    ),
}
"""As above, for values without blanks around them and times without a zone."""

GUESSED: tuple[ColumnType, ...] = tuple(_LOOKS_LIKE)
"""The types that text may turn out to be, the narrowest first."""


class Writing(msgspec.Struct, frozen=True, omit_defaults=True):
    """How values are written: dates in any of `timestamp_formats` (ISO 8601 without any), numbers with a sign between
    whole and decimals and another between thousands."""

    timestamp_formats: tuple[str, ...] = ()
    decimal: str = "."
    thousands: str | None = None


class WrittenFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a text file is written. `delimiter` is None where it is found by looking, and an empty value is missing
    whatever `null_values` are."""

    writing: Writing = Writing()
    null_values: tuple[str, ...] = NULL_VALUES
    encoding: str = "utf-8"
    delimiter: str | None = None


def looks_like(column: str, kind: ColumnType, writing: Writing, *, declared: bool = False) -> str:
    """SQL that is true where the text in a column is of a kind, false or null elsewhere; less is asked of one that is
    `declared` to be of it."""
    if kind == "timestamp" and writing.timestamp_formats:
        return f"try_strptime({_text(column)}, {_formats(writing)}) IS NOT NULL"
    pattern = _DECLARED.get(kind, _LOOKS_LIKE[kind]) if declared else _LOOKS_LIKE[kind]
    return f"coalesce({pattern.format(t=_text(column, kind, writing))}, false)"


def read_as(column: str, kind: ColumnType, writing: Writing) -> str:
    """SQL for the value of a text that looks like a kind."""
    if kind == "timestamp" and writing.timestamp_formats:
        parsed = f"strptime({_text(column)}, {_formats(writing)})"
        return f"make_timestamp(epoch_us(CAST({parsed} AS TIMESTAMPTZ)))"
    return _CAST[kind].format(c=column, t=_text(column, kind, writing))


def read_fast(column: str, kind: ColumnType, writing: Writing) -> list[str]:
    """The value where it is written in the way most are, null elsewhere: trimming and zones cost more than the rest."""
    if kind not in _FAST or writing != Writing():
        return []
    return [_FAST[kind].format(c=column)]


def _formats(writing: Writing) -> str:
    return "[" + ", ".join(literal(one) for one in writing.timestamp_formats) + "]"


def _text(column: str, kind: ColumnType = "string", writing: Writing | None = None) -> str:
    """The trimmed text of a column; a number with the signs that SQL knows."""
    text = _TRIMMED.format(c=column)
    if writing is None or kind not in ("number", "integer"):
        return text
    if writing.thousands is not None:
        sign, point = re.escape(writing.thousands), re.escape(writing.decimal)
        grouped = literal(rf"[+-]?[1-9][0-9]{{0,2}}({sign}[0-9]{{3}})+({point}[0-9]*)?")
        without = f"replace({text}, {literal(writing.thousands)}, '')"
        text = f"CASE WHEN regexp_full_match({text}, {grouped}) THEN {without} ELSE {text} END"
    if kind == "number" and writing.decimal == ",":
        # A point in such a number is a mistake, unless it was between thousands: this is no number then.
        text = f"replace(replace({text}, '.', '?'), ',', '.')"
    return text
