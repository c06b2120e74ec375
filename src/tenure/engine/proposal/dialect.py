"""How a CSV file is written, found by looking: encoding, header, decimal sign, format of dates, texts for missing.

Whether a guess fits is decided by the reader that will read the file for the snapshot; this module only suggests.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tenure.core.errors import TenureError
from tenure.stages.data.files import UNREADABLE, open_bytes, unreadable

if TYPE_CHECKING:
    import pyarrow as pa

DELIMITERS = (",", ";", "\t", "|")
MISSING = ("?", "-", "--", ".", "#N/A", "n/a", "na", "N.A.", "missing", "<NA>", "-NaN")
"""Texts that mean no value, besides those every CSV source knows."""

_DATE_FORMATS = (
    "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y",
    "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%Y.%m.%d", "%Y%m%d",
    "%Y-%m-%d", "%Y/%m/%d",
)  # fmt: skip
_TIME_FORMATS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S", ", %H:%M")
_LOOKS_LIKE_DATE = re.compile(r"\d{1,4}[-./ ]\w{1,9}[-./ ,]+\d{1,4}|[A-Za-z]{3,9} \d{1,2},? \d{4}")
ISO_8601 = re.compile(r"\d{4}-\d{2}-\d{2}")
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
_ISO_FORMATS = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ")
_COMMA = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+)(,\d+)?")
_GROUPED = re.compile(r"[+-]?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?")
_MOST_FORMATS = 4
_HEAD = 1 << 20
_CHUNK = 1 << 22


def encoding_of(file: Path, most: int) -> str:
    """The encoding of the first `most` bytes: utf-8, utf-16, cp1252 or latin-1."""
    try:
        with open_bytes(file) as stream:
            head = stream.read(4)
            if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                return "utf-16"
            decoder, chunk, seen = codecs.getincrementaldecoder("utf-8")(), head, 0
            while chunk and seen < most:
                decoder.decode(chunk)
                seen += len(chunk)
                chunk = stream.read(_CHUNK)
            return "utf-8"
    except UnicodeDecodeError:
        return _eight_bit(file, most)
    except UNREADABLE as error:
        raise TenureError("The file cannot be read.", f"{file.name}: {unreadable(error)}") from error


def _eight_bit(file: Path, most: int) -> str:
    # Bytes 0x80 to 0x9f are control characters in latin-1 and punctuation such as the euro sign in cp1252.
    with open_bytes(file) as stream:
        content = stream.read(min(most, 8 * _CHUNK))
    try:
        content.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252" if any(0x80 <= byte <= 0x9F for byte in content) else "latin-1"


def head_of(file: Path, encoding: str) -> str:
    """The beginning of the text, without a line that is cut off."""
    with open_bytes(file) as stream:
        content = stream.read(_HEAD)
    text = content.decode(encoding, errors="ignore").removeprefix("\ufeff")
    return text if len(content) < _HEAD else text[: text.rfind("\n") + 1]


def delimiter_of(head: str) -> str:
    """What cuts the first lines into the most columns, the same number in each."""
    best, most = ",", 1
    for sign in DELIMITERS:
        widths = [len(row) for row in _rows(head, sign)]
        if widths and len(set(widths)) == 1 and widths[0] > most:
            best, most = sign, widths[0]
    return best


def require_header(file: Path, head: str, delimiter: str) -> None:
    """Refuse a file whose first line is data. Columns of numbers have names that are no numbers."""
    first, *rest = _rows(head, delimiter) or [[]]
    columns = [
        [row[at] for row in rest if at < len(row) and row[at].strip() not in ("", "NA", *MISSING)]
        for at in range(len(first))
    ]
    numeric = [at for at, cells in enumerate(columns) if cells and all(map(is_number, cells))]
    if numeric and all(is_number(first[at]) for at in numeric):
        shown = delimiter.join(first)
        names = delimiter.join(f"name{at + 1}" for at in range(len(first)))
        raise TenureError(
            "The file has no header.",
            f"The first line of {file.name} is data: {shown[:100]!r}. A spec calls columns by their names.",
            f"Write a line with the names of the {len(first)} columns in front of it: {names[:100]}",
        )


def missing_texts(table: pa.Table) -> tuple[str, ...]:
    """Texts that stand for a missing value here: known ones, among numbers or categories."""
    found: dict[str, None] = {}
    for values in _texts(table):
        present = {value.strip() for value in values}
        found |= dict.fromkeys(text for text in MISSING if text in present)
    # A dash among words may be a category of its own; beside a question mark or among numbers it is none.
    sure = [text for text in found if text not in ("-", "--", ".") or _among_numbers(table, text)]
    return tuple(sure)


def number_signs(table: pa.Table, delimiter: str) -> dict[str, tuple[str, ...]]:
    """Signs in numbers besides the decimal point: `decimal` and `thousands`, with the columns written so."""
    found: dict[str, tuple[str, ...]] = {}
    for name in table.column_names:
        values = [value.strip() for value in _values(table, name)]
        if not any("," in value for value in values):
            continue
        # `1,234` alone may be either; a file with another delimiter is likely to come from where commas are decimal.
        readings = [({"thousands": ","}, _GROUPED), ({"decimal": ","}, _COMMA)]
        for signs, pattern in readings if delimiter == "," else reversed(readings):
            if all(pattern.fullmatch(value) for value in values):
                if "decimal" in signs and any("." in value for value in values):
                    signs = {**signs, "thousands": "."}
                for field, sign in signs.items():
                    if field not in found or found[field][0] == sign:
                        found[field] = (sign, *found.get(field, (sign,))[1:], name)
                break
    return found


class Dates(msgspec.Struct, frozen=True):
    """How dates are written that are no ISO 8601, in which columns; `ambiguous` when day and month may be swapped."""

    formats: tuple[str, ...]
    columns: tuple[str, ...]
    ambiguous: bool


def date_formats(table: pa.Table) -> Dates | None:
    """The formats that read every date in columns of text; None where there is no such column."""
    import pyarrow as pa

    formats: dict[str, None] = {}
    columns, ambiguous = [], False
    for name in table.column_names:
        found = _formats_of(_values(table, name))
        if found is not None:
            columns.append(name)
            formats |= dict.fromkeys(found[0])
            ambiguous = ambiguous or found[1]
    if not formats:
        return None
    if any(pa.types.is_timestamp(column.type) for column in table.schema):
        # Where formats are given, ISO 8601 is one of them.
        formats |= dict.fromkeys(_ISO_FORMATS)
    return Dates(tuple(formats), tuple(columns), ambiguous)


def is_number(text: str) -> bool:
    """Whether the text is a number, with a decimal point or comma."""
    return _NUMBER.fullmatch(text.strip()) is not None


def _formats_of(values: Sequence[str]) -> tuple[tuple[str, ...], bool] | None:
    """The fewest formats in which all values are written, and whether day and month may be swapped in the first."""
    if not values or not all(_LOOKS_LIKE_DATE.match(value.strip()) for value in values[:50]):
        return None
    import duckdb
    import pyarrow as pa

    candidates = [day + time for day in _DATE_FORMATS for time in _TIME_FORMATS]
    chosen: list[str] = []
    ambiguous = False
    with duckdb.connect(":memory:") as connection:
        connection.register("dates", pa.table({"text": [value.strip() for value in values]}))
        # `%Y` takes 1/1/13 for the year 13, which nobody writes with two digits.
        tests = ", ".join(["count(*) FILTER (year(try_strptime(text, ?)) >= 1000)"] * len(candidates))
        rest, left = "true", len(values)
        while left and len(chosen) < _MOST_FORMATS:
            query = f"SELECT {tests} FROM dates WHERE {rest}"
            counts = dict(zip(candidates, connection.execute(query, candidates).fetchall()[0], strict=True))
            best = max(candidates, key=lambda pattern: counts[pattern])
            if not counts[best]:
                return None
            if not chosen:
                swapped = best.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")
                ambiguous = swapped != best and counts.get(swapped) == counts[best]
            chosen.append(best)
            rest += f" AND coalesce(year(try_strptime(text, '{best}')), 0) < 1000"
            left -= counts[best]
    return (tuple(chosen), ambiguous) if not left else None


def _among_numbers(table: pa.Table, text: str) -> bool:
    """Whether the text stands in a column all of whose other values are numbers."""
    return any(
        text in stripped and all(is_number(value) for value in stripped if value not in MISSING)
        for stripped in ([value.strip() for value in values] for values in _texts(table))
        if len(set(stripped) - set(MISSING)) > 1
    )


def _texts(table: pa.Table) -> Iterable[list[str]]:
    for name in table.column_names:
        if values := _values(table, name):
            yield values


def _values(table: pa.Table, name: str) -> list[str]:
    """Distinct values of a column of texts, at most some thousand; none of other columns."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = table.column(name)
    if not pa.types.is_string(column.type):
        return []
    values: list[str] = pc.unique(column.drop_null()).slice(0, 5000).to_pylist()
    return values


def _rows(head: str, delimiter: str, most: int = 50) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(head, newline=""), delimiter=delimiter):
            if row:
                rows.append(row)
            if len(rows) == most:
                break
    except csv.Error:
        pass
    return rows
