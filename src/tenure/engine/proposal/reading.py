"""A file as the snapshot will read it: the block of its source, and its rows (of a large file the first ones)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tenure.core.drafts import scratch
from tenure.core.errors import StageError, TenureError
from tenure.engine.proposal import dialect
from tenure.stages.data.files import open_bytes

if TYPE_CHECKING:
    import pyarrow as pa

    from tenure.stages.data.sources.csv import Csv
    from tenure.stages.data.sources.json import Json
    from tenure.stages.data.sources.parquet import Parquet

MOST_BYTES = 96 << 20
"""What is read of a text file: all of it for most."""
MOST_ROWS = 500_000
_SUFFIXES = {
    ".parquet": "parquet", ".pq": "parquet", ".jsonl": "json", ".ndjson": "json", ".json": "json",
}  # fmt: skip


class Read(msgspec.Struct, frozen=True):
    """What was read. `source` is the block without its path; `whole` is false when only the first rows were read."""

    source: dict[str, Any]
    table: Any
    whole: bool
    remarks: tuple[tuple[str, str], ...]
    """Why a field of the block is as it is: (field, sentence)."""
    times_as_text: tuple[str, ...] = ()
    """Columns of ISO 8601 texts, shown as times here: the snapshot reads its timestamp column so, no other."""
    unusable: tuple[str, ...] = ()
    """Columns of types that no model can use, such as lists."""


def read(file: Path) -> Read:
    """Read a file of data. Raises TenureError for what is no table, or cannot be one for a model."""
    if not file.exists():
        raise TenureError(
            "There is no such file.", str(file), "Check the path; it starts from the current folder."
        )
    if file.is_dir():
        raise TenureError("This is a folder.", str(file), "Name a file in it.")
    if file.is_file() and file.stat().st_size == 0:
        raise TenureError(
            "The file is empty.", f"{file} has no content at all.", "Check what was to write it."
        )
    if not file.is_file():
        raise TenureError(
            "This is no file.", f"{file} cannot be read twice.", "Write its content to a file first."
        )
    name = file.name.removesuffix(".gz")
    kind = _SUFFIXES.get(Path(name).suffix.casefold(), "csv")
    try:
        return {"csv": _csv, "json": _json, "parquet": _parquet}[kind](file)
    except StageError as error:
        # The place in the spec is no help where there is no spec yet.
        raise TenureError(_sentence(error.summary), error.detail, error.hint) from error


def _parquet(file: Path) -> Read:
    import pyarrow.parquet as pq

    from tenure.stages.data.sources.parquet import Parquet

    rows = pq.ParquetFile(file).metadata.num_rows
    with _beginning_of_parquet(file, rows) as readable:
        table, unusable = _table(Parquet(type="parquet", path=readable.name), readable)
    table, texts = _times_as_text(table)
    return Read({"type": "parquet"}, table, rows <= MOST_ROWS, (), texts, unusable)


def _json(file: Path) -> Read:
    from tenure.stages.data.sources.json import Json

    with open_bytes(file) as stream:
        is_array = stream.read(64).lstrip()[:1] == b"["
    with _beginning_of_text(file, "utf-8", rows_end_in_lines=not is_array) as (readable, whole):
        table, unusable = _table(Json(type="json", path=readable.name), readable)
    whole = whole and table.num_rows <= MOST_ROWS
    return Read({"type": "json"}, table.slice(0, MOST_ROWS), whole, (), (), unusable)


def _csv(file: Path) -> Read:
    encoding = dialect.encoding_of(file, MOST_BYTES)
    head = dialect.head_of(file, encoding)
    delimiter = dialect.delimiter_of(head)
    dialect.require_header(file, head, delimiter)
    remarks = []
    block: dict[str, Any] = {"type": "csv"}
    if delimiter != ",":
        block["delimiter"] = delimiter
    if encoding != "utf-8":
        block["encoding"] = encoding
        remarks.append(("encoding", "the bytes are no utf-8"))
    with _beginning_of_text(file, encoding) as (readable, whole):
        plain = block if readable == file else {**block, "encoding": "utf-8"}
        table = _load(readable, plain)
        found: dict[str, Any] = {}
        if missing := dialect.missing_texts(table):
            from tenure.stages.data.sources.csv import Csv

            found["null_values"] = [*Csv.model_fields["null_values"].default, *missing]
            remarks.append(("null_values", f"{', '.join(missing)} stands for a missing value too"))
        if found:
            table = _load(readable, plain | found)
        signs = dialect.number_signs(table, delimiter)
        for field, (sign, *columns) in signs.items():
            found[field] = sign
            example = "3,14" if field == "decimal" else f"1{sign}234"
            remarks.append((field, f"{_listed(columns)} has numbers written as {example}"))
        if dates := dialect.date_formats(table):
            found["timestamp_format"] = dates.formats[0] if len(dates.formats) == 1 else list(dates.formats)
            sentence = f"how {_listed(dates.columns)} is written"
            if dates.ambiguous:
                sentence += "; no day is above 12, so day and month may be the other way round"
            remarks.append(("timestamp_format", sentence))
        if signs or dates:
            table = _load(readable, plain | found)
    whole = whole and table.num_rows <= MOST_ROWS
    return Read(block | found, table.slice(0, MOST_ROWS), whole, tuple(remarks))


def _load(file: Path, block: dict[str, Any]) -> pa.Table:
    from tenure.stages.data.sources.csv import Csv

    return _table(Csv.model_validate({**block, "path": file.name}), file)[0]


def _table(source: Csv | Json | Parquet, file: Path) -> tuple[pa.Table, tuple[str, ...]]:
    """The first rows in the types of a snapshot, with the columns that a model can use; and the names of the others."""
    from tenure.stages.data.engine import opened

    with opened() as engine:
        loaded = source.load(file.parent, (), engine)
        return loaded.table.arrow(rest=f"LIMIT {MOST_ROWS + 1}"), tuple(loaded.unusable)


def _times_as_text(table: pa.Table) -> tuple[pa.Table, tuple[str, ...]]:
    """The table with columns of ISO 8601 texts as times, and which these are."""
    import duckdb
    import pyarrow as pa

    found = []
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for at, name in enumerate(table.column_names):
            texts = table.column(name)
            first = next((value.as_py() for value in texts if value.is_valid), "") if len(texts) else ""
            if not pa.types.is_string(texts.type) or not dialect.ISO_8601.match(first):
                continue
            connection.register("texts", pa.table({"text": texts}))
            read_as = "make_timestamp(epoch_us(try_cast(text AS TIMESTAMPTZ)))"
            times = connection.sql(f"SELECT {read_as} AS time FROM texts").to_arrow_table().column("time")
            if times.null_count == texts.null_count:
                table = table.set_column(at, name, times)
                found.append(name)
    return table, tuple(found)


@contextmanager
def _beginning_of_text(
    file: Path, encoding: str, *, rows_end_in_lines: bool | None = None
) -> Iterator[tuple[Path, bool]]:
    """The file itself, or a copy of its first rows in UTF-8, and whether that is all of it.

    A line ends a row where `rows_end_in_lines`, never where that is False, and when left out unless in quotes.
    """
    packed = file.suffix == ".gz"
    if rows_end_in_lines is False or file.stat().st_size <= (MOST_BYTES // 8 if packed else MOST_BYTES):
        yield file, True
        return
    with open_bytes(file) as stream:
        content = stream.read(MOST_BYTES).decode(encoding, errors="ignore").encode()
        whole = not stream.read(1)
    if not whole:
        # A line break inside quotes ends no row.
        end = len(content)
        while (end := content.rfind(b"\n", 0, end)) > 0:
            if rows_end_in_lines or content.count(b'"', 0, end) % 2 == 0:
                break
        content = content[: end + 1]
    with scratch() as folder:
        copy = folder / file.name.removesuffix(".gz")
        copy.write_bytes(content)
        yield copy, whole


@contextmanager
def _beginning_of_parquet(file: Path, rows: int) -> Iterator[Path]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if rows <= MOST_ROWS:
        yield file
        return
    with scratch() as folder:
        content = pq.ParquetFile(file)
        batches = content.iter_batches(batch_size=1 << 16)
        first = pa.Table.from_batches(list(itertools.islice(batches, MOST_ROWS >> 16)), content.schema_arrow)
        pq.write_table(first, folder / file.name)
        yield folder / file.name


def _listed(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")


def _sentence(summary: str) -> str:
    return summary[:1].upper() + summary[1:] + "."
