"""Text with delimiters as an Arrow table: dialect from the first lines, types from all rows, errors with their line.

DuckDB does the reading, told everything about the dialect: its own guessing would rather skip the rows it does not
understand than refuse them. A column is an integer, a number, a boolean or a timestamp only if every value that is
there looks like one; digits behind a leading zero (`007`) are text, since they name things.
"""

from __future__ import annotations

import codecs
import csv
import glob
import io
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenure.core.errors import StageError
from tenure.stages.data.files import open_bytes
from tenure.stages.data.lookup import Where, refuse_repeated_names

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

DELIMITERS = (",", ";", "\t", "|")
_HEAD = 1 << 16
_SAMPLE = 1000
_UTF8 = ("utf-8", "ascii")

_TRIMMED = "trim({c}, ' \t')"
_LOOKS_LIKE = {
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
_DECLARED = {
    "integer": "regexp_full_match({t}, '[+-]?[0-9]+') AND try_cast({t} AS BIGINT) IS NOT NULL",
    "number": "try_cast({t} AS DOUBLE) IS NOT NULL",
}
_CAST = {
    "integer": "CAST({t} AS BIGINT)",
    "number": "CAST({t} AS DOUBLE)",
    "boolean": "lower({t}) = 'true'",
    "timestamp": "make_timestamp(epoch_us(CAST({t} AS TIMESTAMPTZ)))",
    "string": "{c}",
}


def read(
    files: Sequence[Path],
    *,
    delimiter: str | None,
    encoding: str,
    null_values: Sequence[str],
    types: Mapping[str, str],
    timestamp_format: str | None,
    where: Where,
) -> pa.Table:
    """All rows of the files in order, in canonical types.

    Raises StageError for a wrong encoding, ragged rows, duplicate names, files with different headers and values
    that are not of the type declared in `types`; `where` is the path of the source in the spec.
    """
    import duckdb

    with ExitStack() as stack:
        readable = list(files)
        if encoding not in _UTF8:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tenure-")))
            readable = [_as_utf8(file, folder / f"{n}.csv", encoding, where) for n, file in enumerate(files)]
        delimiter, names = _header(readable, files, delimiter, where)
        unknown = [name for name in types if name not in names]
        if unknown:
            raise StageError(
                "unknown column",
                f"types names {', '.join(map(repr, unknown))}; the header has {', '.join(names)}",
                path=(*where, "types", unknown[0]),
            )
        connection = stack.enter_context(
            duckdb.connect(
                ":memory:",
                config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"},
            )
        )
        connection.execute("SET TimeZone = 'UTC'")
        scan = _scan(readable, names, delimiter, null_values)
        try:
            kinds = _kinds(connection, scan, names, types, timestamp_format)
            _refuse_misfits(connection, scan, names, types, timestamp_format, where)
            items = ", ".join(
                f"{_cast(n, kinds[name], timestamp_format)} AS {_quoted(name)}"
                for n, name in enumerate(names)
            )
            return connection.sql(f"SELECT {items} FROM {scan}").to_arrow_table()
        except duckdb.Error as error:
            raise _diagnosis(readable, files, names, delimiter, error, where) from error


def _header(
    readable: Sequence[Path], files: Sequence[Path], delimiter: str | None, where: Where
) -> tuple[str, list[str]]:
    """The delimiter and the names of the columns. Blank names are numbered, as from a saved row index."""
    first: list[str] = []
    for file, shown in zip(readable, files, strict=True):
        head = _head(file, shown, where)
        if delimiter is None:
            delimiter = _sniff(head)
        cells = next(csv.reader(io.StringIO(head, newline=""), delimiter=delimiter), [])
        names = [cell.strip() or f"column_{position}" for position, cell in enumerate(cells)]
        refuse_repeated_names(
            names, f"the header of {shown.name}", "rename them in the file", (*where, "path")
        )
        if len(names) == 1:
            inside = [sign for sign in DELIMITERS if sign != delimiter and sign in names[0]]
            if inside:
                raise StageError(
                    "only one column was found",
                    f"the header of {shown.name} is {names[0]!r}, which looks like columns separated by {inside[0]!r}",
                    f'set delimiter: "{_escaped(inside[0])}"',
                    path=(*where, "delimiter"),
                )
        if first and names != first:
            raise StageError(
                "the files of a source have different headers",
                f"{shown.name} has the columns {', '.join(names)}; {files[0].name} has {', '.join(first)}",
                "narrow the glob, or give the files the same header",
                path=(*where, "path"),
            )
        first = names
    assert delimiter is not None
    return delimiter, first


def _head(file: Path, shown: Path, where: Where) -> str:
    try:
        with open_bytes(file) as stream:
            data = stream.read(_HEAD)
    except (OSError, EOFError) as error:
        raise StageError(
            "a source file cannot be read", f"{shown.name}: {error}", path=(*where, "path")
        ) from error
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


def _scan(files: Sequence[Path], names: Sequence[str], delimiter: str, null_values: Sequence[str]) -> str:
    """The table function that reads the files as text. Columns are called c0, c1, ... to be free of their names."""
    paths = ", ".join(_literal(glob.escape(str(file))) for file in files)
    columns = ", ".join(f"'c{position}': 'VARCHAR'" for position in range(len(names)))
    nulls = ", ".join(_literal(text) for text in dict.fromkeys(["", *null_values]))
    return (
        f"read_csv([{paths}], auto_detect = false, columns = {{{columns}}}, header = true, "
        f"delim = {_literal(delimiter)}, quote = '\"', escape = '\"', nullstr = [{nulls}], "
        "null_padding = false, strict_mode = true, max_line_size = 16777216)"
    )


def _kinds(
    connection: duckdb.DuckDBPyConnection,
    scan: str,
    names: Sequence[str],
    types: Mapping[str, str],
    timestamp_format: str | None,
) -> dict[str, str]:
    """The type of each column: what a sample allows is tested on every row."""
    free = {n: list(_LOOKS_LIKE) for n, name in enumerate(names) if name not in types}
    for source in (f"(SELECT * FROM {scan} LIMIT {_SAMPLE})", scan):
        items = [f"count(c{n})" for n in free if free[n]]
        items += [f"count(*) FILTER ({_test(n, kind, timestamp_format)})" for n in free for kind in free[n]]
        if not items:
            break
        counts = iter(_row(connection, f"SELECT {', '.join(items)} FROM {source}"))
        known = {n: next(counts) for n in free if free[n]}
        free = {n: [kind for kind in kinds if next(counts) == known[n]] for n, kinds in free.items()}
    else:
        # No value contradicts any type in a column without values.
        free = {n: kinds if known.get(n) else [] for n, kinds in free.items()}
    found = {names[n]: kinds[0] for n, kinds in free.items() if kinds}
    return {name: types.get(name) or found.get(name, "string") for name in names}


def _refuse_misfits(
    connection: duckdb.DuckDBPyConnection,
    scan: str,
    names: Sequence[str],
    types: Mapping[str, str],
    timestamp_format: str | None,
    where: Where,
) -> None:
    for n, name in enumerate(names):
        if name not in types or types[name] == "string":
            continue
        misfit = f"c{n} IS NOT NULL AND NOT ({_test(n, types[name], timestamp_format, declared=True)})"
        count, example = _row(connection, f"SELECT count(*), min(c{n}) FROM {scan} WHERE {misfit}")
        if count:
            raise StageError(
                "values of another type than declared",
                f"{count} value(s) of column {name!r} are no {types[name]}, such as {example!r}",
                "change the declared type, or add the text to null_values if it stands for a missing value",
                path=(*where, "types", name),
            )


def _test(n: int, kind: str, timestamp_format: str | None, *, declared: bool = False) -> str:
    """True where the value of column n is of a kind; false or null elsewhere."""
    if kind == "timestamp" and timestamp_format:
        return f"try_strptime({_text(n)}, {_literal(timestamp_format)}) IS NOT NULL"
    pattern = _DECLARED.get(kind, _LOOKS_LIKE[kind]) if declared else _LOOKS_LIKE[kind]
    return f"coalesce({pattern.format(t=_text(n))}, false)"


def _cast(n: int, kind: str, timestamp_format: str | None) -> str:
    if kind == "timestamp" and timestamp_format:
        parsed = f"strptime({_text(n)}, {_literal(timestamp_format)})"
        return f"make_timestamp(epoch_us(CAST({parsed} AS TIMESTAMPTZ)))"
    return _CAST[kind].format(c=f"c{n}", t=_text(n))


def _text(n: int) -> str:
    return _TRIMMED.format(c=f"c{n}")


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    row: tuple[Any, ...] = connection.sql(query).fetchall()[0]
    return row


def _as_utf8(file: Path, copy: Path, encoding: str, where: Where) -> Path:
    """A copy of the file in UTF-8."""
    decoder = codecs.getincrementaldecoder(encoding)()
    done = 0
    with open_bytes(file) as source, copy.open("wb") as target:
        try:
            while chunk := source.read(1 << 20):
                target.write(decoder.decode(chunk).encode())
                done += len(chunk)
            target.write(decoder.decode(b"", final=True).encode())
        except UnicodeError as error:
            reason = getattr(error, "reason", str(error))
            raise StageError(
                "the encoding is wrong",
                f"{file.name} is not {encoding} text: {reason} behind byte {done:,}",
                "leave encoding out for utf-8, or try latin-1 or cp1252",
                path=(*where, "encoding"),
            ) from error
    return copy


def _diagnosis(
    readable: Sequence[Path],
    files: Sequence[Path],
    names: Sequence[str],
    delimiter: str,
    error: Exception,
    where: Where,
) -> StageError:
    """Why a file could not be read, found by going through it line by line."""
    for file, shown in zip(readable, files, strict=True):
        if not file.exists():
            return StageError(
                "a source file disappeared while it was read",
                shown.name,
                "run the command again",
                path=(*where, "path"),
            )
        problem = _bad_byte(file, shown, where) or _ragged_row(file, shown, names, delimiter, where)
        if problem is not None:
            return problem
    lines = [line for line in str(error).splitlines() if line.strip()]
    return StageError(
        "a source file cannot be read as CSV",
        " ".join(lines[:2]),
        "check the quotes and the delimiter in that line",
        path=(*where, "path"),
    )


def _bad_byte(file: Path, shown: Path, where: Where) -> StageError | None:
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


def _wrong_encoding(shown: Path, reason: str, suggestion: str, where: Where) -> StageError:
    return StageError(
        "the encoding is wrong",
        f"{shown.name} is not utf-8 text: {reason}",
        f"set encoding: {suggestion}",
        path=(*where, "encoding"),
    )


def _ragged_row(
    file: Path, shown: Path, names: Sequence[str], delimiter: str, where: Where
) -> StageError | None:
    with open_bytes(file) as stream:
        reader = csv.reader(io.TextIOWrapper(stream, "utf-8-sig", newline=""), delimiter=delimiter)
        try:
            for row in reader:
                if row and len(row) != len(names):
                    return StageError(
                        "rows of different length",
                        f"line {reader.line_num} of {shown.name} has {len(row)} value(s), the header {len(names)}: "
                        f"{delimiter.join(row)[:80]!r}",
                        "correct the line; values that contain the delimiter need quotes around them",
                        path=(*where, "path"),
                    )
        except csv.Error:
            return None
    return None


def _escaped(sign: str) -> str:
    return "\\t" if sign == "\t" else sign


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
