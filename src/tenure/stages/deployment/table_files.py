"""CSV and Parquet files in pieces that fit into memory: rows to score, and rows that were scored."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenure.core.errors import StageError
from tenure.ml.written import WrittenFile
from tenure.stages.deployment.written_rows import Columns, written_chunks

if TYPE_CHECKING:
    import pyarrow as pa

    from tenure.ml.signature import ColumnType, Signature

TIME_FORMATS = ("%Y/%m/%d", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S")
"""Unambiguous ways to write a time besides ISO 8601, which training data are read in too."""
CHUNK_ROWS = 20_000
BLOCK_BYTES = 4 << 20
_HEAD = 1 << 20
_DELIMITERS = (",", ";", "\t", "|")


def read_chunks(
    source: Path,
    signature: Signature,
    written: WrittenFile | None = None,
    known: Mapping[str, ColumnType] | None = None,
) -> Iterator[pa.Table]:
    """The file in pieces that fit into memory, columns in the types of the model where the file leaves them open.

    `written` says how the data of the model are written, where these are text, and `known` what types their columns
    have. Raises StageError for a file that cannot be read, and for a value that is not of the type of its column.
    """
    import pyarrow as pa
    import pyarrow.csv as pacsv
    import pyarrow.parquet as pq

    try:
        if source.suffix.lower() == ".parquet":
            with pq.ParquetFile(source) as file:
                for batch in file.iter_batches(batch_size=CHUNK_ROWS):
                    yield pa.Table.from_batches([batch])
            return
        needed = {column.name: column.type for column in signature.inputs}
        delimiter, names = _header(source, list(needed), written or WrittenFile())
        if written is not None:
            yield from written_chunks(
                source, names, delimiter, written, Columns(needed, known or {}), BLOCK_BYTES
            )
            return
        types: dict[str, pa.DataType] = {
            name: pa.string() if kind == "string" else pa.float64()
            for name, kind in needed.items()
            if kind in ("string", "number")
        }
        reader = pacsv.open_csv(
            source,
            read_options=pacsv.ReadOptions(block_size=BLOCK_BYTES),
            parse_options=pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                column_types=types,
                timestamp_parsers=[pacsv.ISO8601, *TIME_FORMATS],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
        with reader:
            for batch in reader:
                yield pa.Table.from_batches([batch])
    except FileNotFoundError as error:
        raise StageError("file not found", f"There is no {source}.") from error
    except (OSError, EOFError, csv.Error, pa.ArrowException, UnicodeError) as error:
        raise StageError(
            "file cannot be read", f"{source}: {(str(error) or 'it is damaged').splitlines()[0]}"
        ) from error


def _header(source: Path, inputs: Sequence[str], written: WrittenFile) -> tuple[str, list[str]]:
    """The separator under which the first row names most of the model's inputs, and the names as they are there."""
    encoding = "utf-8-sig" if written.encoding in ("utf-8", "ascii") else written.encoding
    packed = source.suffix.lower() == ".gz"
    with (
        gzip.open(source, "rt", encoding=encoding, newline="")
        if packed
        else source.open(encoding=encoding, newline="") as stream
    ):
        head = stream.read(_HEAD)
    found = {
        sign: next(csv.reader(io.StringIO(head, newline=""), delimiter=sign), [])
        for sign in dict.fromkeys((written.delimiter or ",", *_DELIMITERS))
    }
    wanted = set(inputs)
    delimiter = max(found, key=lambda sign: len(wanted.intersection(map(str.strip, found[sign]))))
    names = [name.strip() for name in found[delimiter]]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise StageError(
            "a column name is repeated",
            f"{source} has several columns called {', '.join(map(repr, repeated))}.",
            "Rename or drop them.",
        )
    return delimiter, found[delimiter]


class TableWriter:
    """Appends tables to one CSV or Parquet file; the first one fixes the columns and their types."""

    def __init__(self, path: Path, suffix: str) -> None:
        self._path = path
        self._suffix = suffix
        self._open: Any = None
        self._schema: Any = None

    def write(self, table: pa.Table) -> None:
        """Append the rows of a table."""
        import pyarrow.csv as pacsv
        import pyarrow.parquet as pq

        if self._open is None:
            self._schema = table.schema
            make = pacsv.CSVWriter if self._suffix == ".csv" else pq.ParquetWriter
            self._open = make(self._path, table.schema)
        self._open.write_table(table.cast(self._schema))

    def close(self) -> None:
        """Finish the file."""
        if self._open is not None:
            self._open.close()
