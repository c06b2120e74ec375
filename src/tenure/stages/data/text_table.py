"""Text with delimiters as a table, its types found from all rows.

DuckDB does the reading, told everything about the dialect: its own guessing would rather skip the rows it does not
understand than refuse them. A column is an integer, a number, a boolean or a timestamp only if every value that is
there looks like one; digits behind a leading zero (`007`) are text, since they name things.
"""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from tenure.core.errors import StageError
from tenure.stages.data.engine import Engine, literal
from tenure.stages.data.files import UNREADABLE
from tenure.stages.data.loading import Loaded, settle
from tenure.stages.data.lookup import Where
from tenure.stages.data.text_dialect import UTF8, as_utf8, diagnosis, header, with_plain_line_ends

if TYPE_CHECKING:
    from tenure.ml.signature import ColumnType
    from tenure.stages.data.engine import Table

_SAMPLE = 1000

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


class _Writing(NamedTuple):
    """How values are written in the files."""

    timestamp_format: str | None
    decimal: str


def decimal_commas(table: Table) -> list[str]:
    """The text columns all of whose values look like numbers with a decimal comma."""
    texts = [column for column in table.columns if column.type == "string"]
    if not texts:
        return []
    (found,) = table.query(
        ", ".join(
            rf"coalesce(bool_and(regexp_full_match({c.sql}, '\s*[+-]?[0-9]+(,[0-9]+)?\s*')), false) "
            f"AND bool_or(contains({c.sql}, ','))"
            for c in texts
        )
    )
    return [column.name for column, looks in zip(texts, found, strict=True) if looks]


def read(
    engine: Engine,
    files: Sequence[Path],
    *,
    delimiter: str | None,
    encoding: str,
    null_values: Sequence[str],
    types: Mapping[str, ColumnType],
    timestamp_format: str | None,
    where: Where,
    decimal: str = ".",
) -> Loaded:
    """All rows of the files in order.

    Raises StageError for a wrong encoding, ragged rows, duplicate names, files with different headers and values
    that are not of the type declared in `types`; `where` is the path of the source in the spec.
    """
    import duckdb

    with TemporaryDirectory(dir=engine.folder) as name:
        folder = Path(name)
        readable = list(files)
        if encoding not in UTF8:
            readable = [as_utf8(file, folder / f"{n}.csv", encoding, where) for n, file in enumerate(files)]
        delimiter, names = header(readable, files, delimiter, where)
        unknown = [name for name in types if name not in names]
        if unknown:
            raise StageError(
                "unknown column",
                f"types names {', '.join(map(repr, unknown))}; the header has {', '.join(names)}",
                path=(*where, "types", unknown[0]),
            )

        def table(paths: Sequence[Path]) -> Loaded:
            scan = _scan(paths, names, delimiter, null_values)
            writing = _Writing(timestamp_format, decimal)
            kinds = _kinds(engine, scan, names, types, writing)
            _refuse_misfits(engine, scan, names, types, writing, where)
            items = ", ".join(f"{_cast(n, kinds[name], writing)} AS c{n}" for n, name in enumerate(names))
            return settle(engine, engine.write(f"SELECT {items} FROM {scan}"), kinds)

        try:
            return table(readable)
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            # Different line ends in one file are the one fault that can be mended without changing a value.
            try:
                mended = [
                    with_plain_line_ends(file, folder / f"mended-{n}.csv") for n, file in enumerate(readable)
                ]
                return table(mended)
            except (duckdb.Error, *UNREADABLE):
                raise diagnosis(readable, files, names, delimiter, error, where) from error


def _scan(files: Sequence[Path], names: Sequence[str], delimiter: str, null_values: Sequence[str]) -> str:
    """The table function that reads the files as text. Columns are called c0, c1, ... to be free of their names."""
    paths = ", ".join(literal(glob.escape(str(file))) for file in files)
    columns = ", ".join(f"'c{position}': 'VARCHAR'" for position in range(len(names)))
    nulls = ", ".join(literal(text) for text in dict.fromkeys(["", *null_values]))
    return (
        f"read_csv([{paths}], auto_detect = false, columns = {{{columns}}}, header = true, "
        f"delim = {literal(delimiter)}, quote = '\"', escape = '\"', nullstr = [{nulls}], "
        "null_padding = false, strict_mode = true, max_line_size = 16777216)"
    )


def _kinds(
    engine: Engine,
    scan: str,
    names: Sequence[str],
    types: Mapping[str, ColumnType],
    writing: _Writing,
) -> dict[str, ColumnType]:
    """The type of each column: what a sample allows is tested on every row."""
    free = {n: list(_LOOKS_LIKE) for n, name in enumerate(names) if name not in types}
    for source in (f"(SELECT * FROM {scan} LIMIT {_SAMPLE})", scan):
        items = [f"count(c{n})" for n in free if free[n]]
        items += [f"count(*) FILTER ({_test(n, kind, writing)})" for n in free for kind in free[n]]
        if not items:
            break
        counts = iter(_row(engine, f"SELECT {', '.join(items)} FROM {source}"))
        known = {n: next(counts) for n in free if free[n]}
        free = {n: [kind for kind in kinds if next(counts) == known[n]] for n, kinds in free.items()}
    else:
        # No value contradicts any type in a column without values.
        free = {n: kinds if known.get(n) else [] for n, kinds in free.items()}
    found = {names[n]: kinds[0] for n, kinds in free.items() if kinds}
    return {name: types.get(name) or found.get(name, "string") for name in names}


def _refuse_misfits(
    engine: Engine,
    scan: str,
    names: Sequence[str],
    types: Mapping[str, ColumnType],
    writing: _Writing,
    where: Where,
) -> None:
    for n, name in enumerate(names):
        if name not in types or types[name] == "string":
            continue
        misfit = f"c{n} IS NOT NULL AND NOT ({_test(n, types[name], writing, declared=True)})"
        count, example = _row(engine, f"SELECT count(*), min(c{n}) FROM {scan} WHERE {misfit}")
        if count:
            raise StageError(
                "values of another type than declared",
                f"{count} value(s) of column {name!r} are no {types[name]}, such as {example!r}",
                "change the declared type, or add the text to null_values if it stands for a missing value",
                path=(*where, "types", name),
            )


def _test(n: int, kind: ColumnType, writing: _Writing, *, declared: bool = False) -> str:
    """True where the value of column n is of a kind; false or null elsewhere."""
    if kind == "timestamp" and writing.timestamp_format:
        return f"try_strptime({_text(n)}, {literal(writing.timestamp_format)}) IS NOT NULL"
    pattern = _DECLARED.get(kind, _LOOKS_LIKE[kind]) if declared else _LOOKS_LIKE[kind]
    return f"coalesce({pattern.format(t=_text(n, kind, writing))}, false)"


def _cast(n: int, kind: ColumnType, writing: _Writing) -> str:
    if kind == "timestamp" and writing.timestamp_format:
        parsed = f"strptime({_text(n)}, {literal(writing.timestamp_format)})"
        return f"make_timestamp(epoch_us(CAST({parsed} AS TIMESTAMPTZ)))"
    return _CAST[kind].format(c=f"c{n}", t=_text(n, kind, writing))


def _text(n: int, kind: str = "string", writing: _Writing | None = None) -> str:
    """The trimmed text of column n; a number with the decimal point that SQL knows."""
    text = _TRIMMED.format(c=f"c{n}")
    if kind == "number" and writing is not None and writing.decimal == ",":
        # A point in such a number separates thousands or is a mistake: either way this is no number.
        return f"replace(replace({text}, '.', '?'), ',', '.')"
    return text


def _row(engine: Engine, query: str) -> tuple[Any, ...]:
    return engine.query(query)[0]
