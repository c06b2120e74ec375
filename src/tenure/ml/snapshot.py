"""Reading the parts of a snapshot that a stage needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tenure.core.errors import StageError
from tenure.ml.signature import Signature
from tenure.ml.task import class_of

PART = "__split__"
"""The column of a snapshot that says which part a row belongs to: train, validation or test."""


def read_parts(file: Path, parts: Sequence[str], columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of the named parts, in the order of the snapshot: of some columns, or of all with the column `PART`.

    Nothing else of the file is brought into memory.
    """
    return pq.read_table(
        file,
        columns=None if columns is None else list(columns),
        filters=pc.field(PART).isin(pa.array(list(parts), pa.string())),
        partitioning=None,
    )


def target_values(table: pa.Table, signature: Signature) -> npt.NDArray[Any]:
    """The target of each row: JSON values as objects for classes, float64 for regression.

    Raises StageError when a row has none.
    """
    column = table.column(signature.target)
    if column.null_count:
        raise StageError(
            "the target has missing values",
            f"{column.null_count} of {len(column)} rows have no value in target column {signature.target!r}",
            "add to data.cleaning: - {type: drop_null_target}",
            path=("data", "target_column"),
        )
    if signature.task == "regression":
        return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    values = np.empty(len(column), dtype=object)
    values[:] = [class_of(value) for value in column.to_pylist()]
    return values


def target_codes(values: npt.NDArray[Any], signature: Signature) -> npt.NDArray[Any]:
    """What an algorithm learns: positions of the classes (int64), or the numbers themselves."""
    if signature.task == "regression":
        return values
    positions = {value: position for position, value in enumerate(signature.classes)}
    return np.array([positions[value] for value in values], dtype=np.int64)
