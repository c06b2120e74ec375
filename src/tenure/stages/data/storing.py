"""Rows on their way into the store: one pass gives the Parquet file, its digest and the moments of the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tenure.core.errors import StageError
from tenure.stages.data.profiling import Moments

if TYPE_CHECKING:
    from tenure.stages.data.engine import Table

ROW_GROUP = 1 << 17


class Stored(NamedTuple):
    """Rows in a file: the digest of their content, and the moments of each column of numbers."""

    digest: str
    moments: Mapping[str, Moments]


def content(table: Table) -> str:
    """The digest of the rows, as of `ml/columns.content_digest`, in bounded memory."""
    from tenure.ml.columns import ContentDigest

    found = ContentDigest(table.schema())
    for batch in table.batches():
        found.update(batch)
    return found.digest()


def write(table: Table, file: Path) -> Stored:
    """Write the rows as Parquet: the same bytes for the same rows. Raises StageError when there is no room."""
    import pyarrow.parquet as pq

    from tenure.ml.columns import ContentDigest

    schema = table.schema()
    found = ContentDigest(schema)
    moments = {c.name: Moments() for c in table.columns if c.type in ("number", "integer")}
    try:
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            for batch in table.batches():
                writer.write_batch(batch, row_group_size=ROW_GROUP)
                found.update(batch)
                for name, running in moments.items():
                    running.update(batch.column(name))
    except OSError as error:
        raise StageError(
            "the snapshot cannot be written", str(error), "make room in the folder for temporary files"
        ) from error
    return Stored(found.digest(), moments)
