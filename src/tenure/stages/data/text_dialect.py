"""How a text file is written: its encoding, its delimiter, its header; and in which line it is broken.

What a file is told comes from going through it line by line, and only once it could not be read: see `diagnosis`.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

from tenure.core.errors import StageError
from tenure.stages.data.files import UNREADABLE, open_bytes, unreadable
from tenure.stages.data.lookup import Where, refuse_repeated_names

DELIMITERS = (",", ";", "\t", "|")
UTF8 = ("utf-8", "ascii")
_HEAD = 1 << 16
_LINE_END = re.compile(rb"\r*\n|\r")
_OTHER_FORMATS = (
    (
        b"PK\x03\x04",
        "a ZIP archive, as Excel workbooks are too",
        "save the table as CSV, or pack it with gzip",
    ),
    (b"\x1f\x8b", "packed with gzip", "end its name in .gz to have it unpacked"),
    (b"PAR1", "a Parquet file", "set type: parquet"),
    (b"SQLite format 3\0", "an SQLite database", "set type: sql, with a connection and a query"),
    (b"%PDF", "a PDF document", "save the table as CSV"),
)
"""How files of other formats begin, what they are, and what to do."""


def header(file: Path, shown: str, delimiter: str | None, where: Where) -> tuple[str, list[str]]:
    """The delimiter and the names of the columns. Blank names are numbered, as from a saved row index."""
    head = _head(file, shown, where)
    if delimiter is None:
        delimiter = _sniff(head)
    cells = next(csv.reader(io.StringIO(head, newline=""), delimiter=delimiter), [])
    names = [cell.strip() or f"column_{position}" for position, cell in enumerate(cells)]
    refuse_repeated_names(names, f"the header of {shown}", "rename them in the file", (*where, "path"))
    if len(names) == 1:
        inside = [sign for sign in DELIMITERS if sign != delimiter and sign in names[0]]
        if inside:
            raise StageError(
                "only one column was found",
                f"the header of {shown} is {names[0]!r}, which looks like columns separated by {inside[0]!r}",
                f'set delimiter: "{_escaped(inside[0])}"',
                path=(*where, "delimiter"),
            )
    return delimiter, names


def _head(file: Path, shown: str, where: Where) -> str:
    try:
        with open_bytes(file) as stream:
            data = stream.read(_HEAD)
    except UNREADABLE as error:
        raise _not_readable(shown, error, where) from error
    for mark, what, hint in _OTHER_FORMATS:
        if data.startswith(mark):
            raise StageError("a source file is not text", f"{shown} is {what}", hint, path=(*where, "path"))
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise _wrong_encoding(shown, "it begins with the mark of UTF-16", "utf-16", where)
    try:
        return codecs.getincrementaldecoder("utf-8-sig")().decode(data)
    except UnicodeDecodeError as error:
        raise _bad_byte(file, shown, where) or StageError(
            "the encoding is wrong", str(error), path=(*where, "encoding")
        ) from error


def _sniff(head: str) -> str:
    """The delimiter that cuts the first lines into the most columns, the same number in each."""
    lines = head.splitlines(keepends=True)[:50]
    if len(lines) > 1 and not lines[-1].endswith(("\n", "\r")):
        lines.pop()  # It may be cut off in the middle.
    best, most = ",", 1
    for sign in DELIMITERS:
        widths = [
            len(row) for row in csv.reader(io.StringIO("".join(lines), newline=""), delimiter=sign) if row
        ]
        even = len(set(widths)) == 1
        if widths and widths[0] > most and (even or most == 1):
            best, most = sign, widths[0] if even else 1
    return best


def as_utf8(file: Path, copy: Path, encoding: str, where: Where) -> Path:
    """A copy of the file in UTF-8."""
    decoder = codecs.getincrementaldecoder(encoding)()
    done = 0
    with open_bytes(file) as source, copy.open("wb") as target:
        try:
            while chunk := source.read(1 << 20):
                target.write(decoder.decode(chunk).encode())
                done += len(chunk)
            target.write(decoder.decode(b"", final=True).encode())
        except UNREADABLE as error:
            raise _not_readable(file.name, error, where) from error
        except UnicodeError as error:
            reason = getattr(error, "reason", str(error))
            raise StageError(
                "the encoding is wrong",
                f"{file.name} is not {encoding} text: {reason} behind byte {done:,}",
                "leave encoding out for utf-8, or try latin-1 or cp1252",
                path=(*where, "encoding"),
            ) from error
    return copy


def with_plain_line_ends(file: Path, copy: Path) -> Path:
    """A copy whose rows all end in a line feed: the reader wants one sort of line end in a file. Line breaks inside
    quotes stay as they are.
    """
    quoted = False
    with open_bytes(file) as source, copy.open("wb") as target:
        for line in source:
            parts = line.split(b'"')
            for n, part in enumerate(parts):
                if not quoted:
                    parts[n] = _LINE_END.sub(b"\n", part)
                if n < len(parts) - 1:
                    quoted = not quoted
            target.write(b'"'.join(parts))
    return copy


def diagnosis(
    file: Path, shown: str, names: Sequence[str], delimiter: str, error: Exception, where: Where
) -> StageError:
    """Why a file could not be read, found by going through it line by line."""
    if not file.exists():
        return StageError(
            "a source file disappeared while it was read",
            shown,
            "run the command again",
            path=(*where, "path"),
        )
    try:
        problem = _bad_byte(file, shown, where) or _ragged_row(file, shown, names, delimiter, where)
    except UNREADABLE as damage:
        problem = _not_readable(shown, damage, where)
    if problem is not None:
        return problem
    lines = [line for line in str(error).splitlines() if line.strip()]
    return StageError(
        "a source file cannot be read as CSV",
        " ".join(lines[:2]),
        "check the quotes and the delimiter in that line",
        path=(*where, "path"),
    )


def _not_readable(shown: str, error: BaseException, where: Where) -> StageError:
    return StageError(
        "a source file cannot be read",
        f"{shown}: {unreadable(error)}",
        "fetch or write it again",
        path=(*where, "path"),
    )


def _bad_byte(file: Path, shown: str, where: Where) -> StageError | None:
    with open_bytes(file) as stream:
        for number, line in enumerate(stream, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                text = line.decode("latin-1").strip()
                shift = max(0, error.start - 30)
                return _wrong_encoding(
                    shown,
                    f"line {number} has the byte 0x{line[error.start]:02x} at position {error.start + 1}; "
                    f"read as latin-1 it says {text[shift : shift + 60]!r}",
                    "latin-1",
                    where,
                )
    return None


def _wrong_encoding(shown: str, reason: str, suggestion: str, where: Where) -> StageError:
    return StageError(
        "the encoding is wrong",
        f"{shown} is not utf-8 text: {reason}",
        f"set encoding: {suggestion}",
        path=(*where, "encoding"),
    )


def _ragged_row(
    file: Path, shown: str, names: Sequence[str], delimiter: str, where: Where
) -> StageError | None:
    with open_bytes(file) as stream:
        reader = csv.reader(io.TextIOWrapper(stream, "utf-8-sig", newline=""), delimiter=delimiter)
        try:
            line = 1
            for row in reader:
                several = reader.line_num > line
                if row and len(row) != len(names):
                    return StageError(
                        "rows of different length",
                        f"the row in line {line} of {shown} has {len(row)} value(s), the header {len(names)}: "
                        f"{delimiter.join(row)[:80]!r}"
                        + (f"; it runs to line {reader.line_num}, inside quotes" if several else ""),
                        "close the quotes in the line where it begins"
                        if several
                        else "correct the line; values that contain the delimiter need quotes around them",
                        path=(*where, "path"),
                    )
                line = reader.line_num + 1
        except csv.Error:
            return None
    return None


def _escaped(sign: str) -> str:
    return "\\t" if sign == "\t" else sign
