"""CSV and Parquet files in pieces that fit into memory: rows to score, and rows that were scored."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenure.core.errors import StageError

if TYPE_CHECKING:
    import pyarrow as pa

    from tenure.ml.signature import Signature

TIME_FORMATS = ("%Y/%m/%d", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S")
"""Unambiguous ways to write a time besides ISO 8601, which training data are read in too."""
CHUNK_ROWS = 20_000
_DELIMITERS = (",", ";", "\t", "|")


def read_chunks(source: Path, signature: Signature) -> Iterator[pa.Table]:
    """The file in pieces that fit into memory, columns in the types of the model where the file leaves them open."""
    import pyarrow as pa
    import pyarrow.csv as pacsv
    import pyarrow.parquet as pq

    try:
        if source.suffix.lower() == ".parquet":
            with pq.ParquetFile(source) as file:
                for batch in file.iter_batches(batch_size=CHUNK_ROWS):
                    yield pa.Table.from_batches([batch])
            return
        text = [column.name for column in signature.inputs if column.type == "string"]
        reader = pacsv.open_csv(
            source,
            read_options=pacsv.ReadOptions(block_size=4 << 20),
            parse_options=pacsv.ParseOptions(
                delimiter=_delimiter(source, signature), newlines_in_values=True
            ),
            convert_options=pacsv.ConvertOptions(
                column_types={name: pa.string() for name in text}
                | {column.name: pa.float64() for column in signature.inputs if column.type == "number"},
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
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise StageError("file cannot be read", f"{source}: {str(error).splitlines()[0]}") from error


def _delimiter(source: Path, signature: Signature) -> str:
    """The separator under which the first line names most of the model's inputs."""
    with source.open(encoding="utf-8-sig", newline="") as stream:
        header = stream.readline(1 << 20)
    names = {column.name for column in signature.inputs}

    def found(delimiter: str) -> int:
        return len(names.intersection(next(csv.reader([header], delimiter=delimiter), [])))

    return max(_DELIMITERS, key=found)


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
