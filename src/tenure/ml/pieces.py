"""The rows of a snapshot piece after piece, for tables that do not fit into memory.

Rows of some parts are numbered in the order of the snapshot, whatever rows of other parts lie between them. A piece
lies within one row group of the file, so that reading it takes the memory of a row group.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tenure.ml.snapshot import PART


@dataclass(frozen=True)
class Piece:
    """Some rows of a row group: `start` to `stop` of those that belong to the parts. `first` is the number of the first
    among all rows of the parts."""

    group: int
    start: int
    stop: int
    first: int

    def __len__(self) -> int:
        return self.stop - self.start


class Pieces:
    """The rows of some parts of a snapshot. Opening it reads the column `PART` and nothing else."""

    def __init__(self, file: Path, parts: Sequence[str]) -> None:
        self._file = pq.ParquetFile(file, memory_map=True)
        self._parts = pa.array(list(parts), pa.string())
        counts = [self._belongs(group).sum() for group in range(self._file.num_row_groups)]
        self._ends = np.cumsum(np.array(counts, dtype=np.int64))

    @property
    def columns(self) -> list[str]:
        """Those of the file."""
        return list(self._file.schema_arrow.names)

    @property
    def rows(self) -> int:
        """How many there are."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def between(self, first: int, end: int) -> list[Piece]:
        """The pieces of the rows from number `first` up to, not including, number `end`."""
        found = []
        for group, stop in enumerate(self._ends.tolist()):
            start = int(self._ends[group - 1]) if group else 0
            low, high = max(first, start), min(end, stop)
            if low < high:
                found.append(Piece(group, low - start, high - start, low))
        return found

    def read(self, piece: Piece, columns: Sequence[str]) -> pa.Table:
        """The rows of a piece, with some columns in the order of the file."""
        belongs = self._belongs(piece.group)
        table = self._file.read_row_group(piece.group, columns=list(columns), use_threads=False)
        return table.filter(pa.array(belongs)).slice(piece.start, len(piece))

    def tables(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """All rows, one piece after the other."""
        for piece in self.between(0, self.rows):
            yield self.read(piece, columns)

    def take(self, numbers: npt.NDArray[np.int64], columns: Sequence[str]) -> pa.Table:
        """The rows of these numbers (rows,), ascending, with some columns in the order of the file."""
        tables = [self._file.schema_arrow.empty_table().select(self._ordered(columns))]
        for piece in self.between(0, self.rows):
            low, high = np.searchsorted(numbers, [piece.first, piece.first + len(piece)])
            if low < high:
                tables.append(self.read(piece, columns).take(pa.array(numbers[low:high] - piece.first)))
        return pa.concat_tables(tables)

    def _belongs(self, group: int) -> npt.NDArray[np.bool_]:
        part = self._file.read_row_group(group, columns=[PART], use_threads=False).column(0)
        found: npt.NDArray[Any] = pc.is_in(part, self._parts).to_numpy()
        return found

    def _ordered(self, columns: Sequence[str]) -> list[str]:
        wanted = set(columns)
        return [name for name in self._file.schema_arrow.names if name in wanted]


def spread(rows: int, count: int, seed: int) -> npt.NDArray[np.int64]:
    """Numbers of `count` of so many rows, ascending: the rows are cut into as many stretches, and one is drawn of each.
    All of them when there are no more.

    So a sample of rows in the order of time has every time, and takes the memory of the sample alone.
    """
    if count >= rows:
        return np.arange(rows, dtype=np.int64)
    edges = (np.arange(count + 1, dtype=np.float64) * (rows / count)).astype(np.int64)
    edges[-1] = rows
    return np.random.default_rng(seed).integers(edges[:-1], edges[1:], dtype=np.int64)
