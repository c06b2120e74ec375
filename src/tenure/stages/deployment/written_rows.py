"""Rows of a text file written as the training data are (dates, decimals, blanks, encoding), in types of the model.

The texts are read by the SQL that reads them for training (`ml.written`), so a file that was trained on is the same
rows here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tenure.core.errors import StageError
from tenure.ml.quoting import quoted
from tenure.ml.written import Writing, WrittenFile, looks_like, read_as

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from tenure.ml.signature import ColumnType

_ALSO: dict[ColumnType, tuple[ColumnType, ...]] = {"integer": ("number",), "boolean": ("integer",)}
"""Types that become another one without loss where they can; what cannot is refused with its row."""
_WORDS = {"number": "number", "integer": "whole number", "boolean": "boolean", "timestamp": "date or time"}


class Columns(NamedTuple):
    """The types of a file's columns by name: those the model reads, and others that the training data have.

    Other columns stay as they are written, and so does one of `known` that holds something else.
    """

    needed: Mapping[str, ColumnType]
    known: Mapping[str, ColumnType]


def written_chunks(
    source: Path,
    names: Sequence[str],
    delimiter: str,
    written: WrittenFile,
    columns: Columns,
    block_size: int,
) -> Iterator[pa.Table]:
    """The file in pieces of about `block_size` bytes. `names` are those of its header.

    Raises StageError for a value that is not of its column's type, pa.ArrowException for a file that is no such text.
    """
    import duckdb
    import pyarrow as pa
    import pyarrow.csv as pacsv

    reader = pacsv.open_csv(
        source,
        read_options=pacsv.ReadOptions(block_size=block_size, encoding=written.encoding),
        parse_options=pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=["", *written.null_values],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )
    with reader, duckdb.connect(":memory:") as engine:
        engine.execute("SET TimeZone = 'UTC'")
        first = 0
        for batch in reader:
            texts = pa.Table.from_batches([batch])
            texts = texts.rename_columns([name.strip() for name in texts.column_names])
            yield _typed(engine, texts, columns, written.writing, source, first)
            first += texts.num_rows


def _typed(
    engine: duckdb.DuckDBPyConnection,
    texts: pa.Table,
    columns: Columns,
    writing: Writing,
    source: Path,
    first: int,
) -> pa.Table:
    """A table of texts with its columns in their types. `first` is how many rows of the file are before it."""
    kinds = {**columns.known, **columns.needed}
    ways = {
        name: _ways(kinds[name], writing)
        for name in texts.column_names
        if kinds.get(name, "string") != "string"
    }
    if not ways or not texts.num_rows:
        return texts
    rows = engine.from_arrow(texts)
    counts = iter(
        rows.aggregate(
            ", ".join(
                f"count(*) FILTER ({_misfit(name, *way)})"
                for name, several in ways.items()
                for way in several
            )
        ).fetchall()[0]
    )
    misfits = {name: [next(counts) for _ in several] for name, several in ways.items()}
    items = []
    for name in texts.column_names:
        item = quoted(name)
        if name in ways:
            fitting = [way for way, count in zip(ways[name], misfits[name], strict=True) if not count]
            if fitting:
                item = f"{_value(name, *fitting[0])} AS {quoted(name)}"
            elif name in columns.needed:
                raise _refusal(engine, texts, name, ways[name], source, first, misfits[name][-1])
        items.append(item)
    return rows.project(", ".join(items)).to_arrow_table()


def _ways(kind: ColumnType, writing: Writing) -> list[tuple[ColumnType, Writing]]:
    """How texts may be read for a column of a type, the first that fits all of them."""
    ways = [(one, writing) for one in (kind, *_ALSO.get(kind, ()))]
    # Dates of ISO 8601 are no dates of another form, so they are understood whatever the source declares.
    return [*ways, (kind, Writing())] if kind == "timestamp" and writing.timestamp_formats else ways


def _misfit(name: str, kind: ColumnType, writing: Writing) -> str:
    return f"{quoted(name)} IS NOT NULL AND NOT ({looks_like(quoted(name), kind, writing, declared=True)})"


def _value(name: str, kind: ColumnType, writing: Writing) -> str:
    value = read_as(quoted(name), kind, writing)
    return f"CASE WHEN NOT isnan({value}) THEN {value} END" if kind == "number" else value


def _refusal(
    engine: duckdb.DuckDBPyConnection,
    texts: pa.Table,
    name: str,
    ways: Sequence[tuple[ColumnType, Writing]],
    source: Path,
    first: int,
    count: int,
) -> StageError:
    import pyarrow.compute as pc

    kind, writing = ways[0]
    misfits = engine.from_arrow(texts).project(f"{_misfit(name, *ways[-1])} AS misfit").to_arrow_table()
    row = pc.index(misfits.column(0), True).as_py()
    text = texts.column(name)[row].as_py()
    return StageError(
        "row that cannot be predicted",
        f"{source}: column {name!r} is a {_WORDS[kind]} in the model{_as_declared(kind, writing)}, and row "
        f"{first + row + 1} has {text[:60]!r} ({count} such rows near it).",
        "Correct these rows, write them as the training data are written, or score a Parquet file.",
    )


def _as_declared(kind: ColumnType, writing: Writing) -> str:
    """How the source says that such values are written, where it does."""
    if kind == "timestamp" and writing.timestamp_formats:
        return f", written as {' or '.join(writing.timestamp_formats)} as in its source"
    if kind in ("number", "integer") and (writing.decimal != "." or writing.thousands):
        thousands = f" and {writing.thousands!r} between thousands" if writing.thousands else ""
        return f", written with the decimal sign {writing.decimal!r}{thousands} as in its source"
    return ""
