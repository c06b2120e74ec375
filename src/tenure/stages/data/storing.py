"""Rows on their way into the store: one pass gives the Parquet file, its digest and what is known of its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tenure.core.errors import StageError
from tenure.stages.data.profiling import Moments, Runs

if TYPE_CHECKING:
    import pyarrow as pa

    from tenure.stages.data.engine import Table

ROW_GROUP = 1 << 17
_LOOKED_AT = 8192
_REPEATED = 8


class Stored(NamedTuple):
    """Rows in a file: the digest of their content, the moments of each column of numbers, and the runs of equal values
    of each column that is in order."""

    digest: str
    moments: Mapping[str, Moments]
    runs: Mapping[str, Runs]


def content(table: Table) -> str:
    """The digest of the rows, as of `ml/columns.content_digest`, in bounded memory."""
    from tenure.ml.columns import ContentDigest

    found = ContentDigest(table.schema())
    for batch in table.batches():
        found.update(batch)
    return found.digest()


def write(table: Table, file: Path) -> Stored:
    """Write the rows as Parquet: the same bytes for the same rows. Raises StageError when there is no room."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from tenure.ml.columns import ContentDigest

    schema = table.schema()
    found = ContentDigest(schema)
    moments = {c.name: Moments() for c in table.columns if c.type in ("number", "integer")}
    runs = {c.name: Runs() for c in table.columns if c.type in ("integer", "timestamp")}

    def look(batch: pa.RecordBatch) -> None:
        found.update(batch)
        for name in {**moments, **runs}:
            known = batch.column(name).drop_null()
            if name in moments:
                moments[name].update(known)
            if name in runs:
                runs[name].update(known)

    batches = table.batches()
    first = next(batches, pa.RecordBatch.from_pylist([], schema=schema))
    dictionary = _repetitive(first)
    try:
        with (
            pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=dictionary) as writer,
            ThreadPoolExecutor(2) as threads,
        ):
            # While the engine makes the next batch, this one is packed and hashed: none of the three needs the others.
            under_way: list[Future[None]] = []
            for batch in chain([first], batches):
                for one in under_way:
                    one.result()
                under_way = [
                    threads.submit(writer.write_batch, batch, row_group_size=ROW_GROUP),
                    threads.submit(look, batch),
                ]
            for one in under_way:
                one.result()
    except OSError as error:
        raise StageError(
            "the snapshot cannot be written", str(error), "make room in the folder for temporary files"
        ) from error
    return Stored(found.digest(), moments, {name: one for name, one in runs.items() if one.in_order})


def _repetitive(batch: pa.RecordBatch) -> list[str]:
    """The columns whose values repeat: the others are smaller, and far faster to write, without a dictionary."""
    import pyarrow.compute as pc

    head = batch.slice(0, _LOOKED_AT)
    return [
        name
        for name, values in zip(head.schema.names, head.columns, strict=True)
        if pc.count_distinct(values).as_py() * _REPEATED <= head.num_rows
    ]
