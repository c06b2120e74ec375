"""The frozen reference of one version: profiles of its inputs and of its own predictions, made once and kept as a blob.

It holds aggregates only. It is made anew when another version is watched or another part of the data is asked for,
never silently from recent windows: a reference that follows the data would hide a slow drift.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tenure.core.decoding import json_decoder
from tenure.core.errors import StageError
from tenure.ml.inference_log import event_times, score_column
from tenure.ml.predictor import Predictor
from tenure.ml.profile import Column, profile
from tenure.ml.task import Task

FORMAT = 1
MOST_PREDICTIONS = 100_000
Dataset = Literal["training", "test", "all"]
PARTS: dict[Dataset, tuple[str, ...]] = {
    "training": ("train",),
    "test": ("test",),
    "all": ("train", "validation", "test"),
}


class Reference(msgspec.Struct, frozen=True):
    """What windows are compared with. `columns` are the model's inputs except timestamps, which always move on;
    `predictions` are columns of the prediction log. `snapshot` is the digest of the data it was made from."""

    format: int
    version: int
    task: Task
    classes: tuple[str | bool | int | float, ...]
    target: str
    dataset: Dataset
    rows: int
    snapshot: str
    columns: tuple[Column, ...]
    predictions: tuple[Column, ...]


def build(
    predictor: Predictor,
    table: pa.Table,
    *,
    version: int,
    snapshot: str,
    dataset: Dataset,
    timestamp: str | None = None,
    seasonal: bool = False,
) -> Reference:
    """Profile one part of a snapshot (a table with `__split__`) and the predictions of a version for it.

    Raises StageError when the snapshot lacks an input of the version, or times that a seasonal reference needs.
    """
    signature = predictor.signature
    lacking = [column.name for column in signature.inputs if column.name not in table.column_names]
    if lacking:
        raise StageError(
            "the reference cannot be made",
            f"version {version} needs {', '.join(lacking)}, which the recorded snapshot does not have",
            "Release a version that was made from the present snapshot.",
            path=("monitoring", "reference"),
        )
    part = table.filter(pc.is_in(table.column("__split__"), value_set=pa.array(PARTS[dataset])))
    months = _months(part, timestamp) if seasonal else None
    inputs = [column for column in signature.inputs if column.type != "timestamp"]
    return Reference(
        format=FORMAT,
        version=version,
        task=signature.task,
        classes=signature.classes,
        target=signature.target,
        dataset=dataset,
        rows=part.num_rows,
        snapshot=snapshot,
        columns=tuple(profile(column.name, part.column(column.name), months=months) for column in inputs),
        predictions=_predictions(predictor, part, months, with_scores=dataset == "test"),
    )


def encode(reference: Reference) -> bytes:
    """The reference as JSON."""
    return msgspec.json.encode(reference)


def decode(data: bytes) -> Reference:
    """Read a stored reference. Raises StageError when it is of another format."""
    try:
        found = json_decoder(Reference).decode(data)
    except msgspec.DecodeError as error:
        raise StageError(
            "the reference cannot be read", str(error), "Apply again to make it anew."
        ) from error
    if found.format != FORMAT:
        raise StageError(
            "the reference has another format",
            f"it has format {found.format}, this version reads format {FORMAT}",
            "Use the version of Tenure that wrote it, or release a new version of the model.",
        )
    return found


def _predictions(
    predictor: Predictor, part: pa.Table, months: pa.Array | None, *, with_scores: bool
) -> tuple[Column, ...]:
    if part.num_rows > MOST_PREDICTIONS:
        # Evenly spaced rows keep the mix of a table that is ordered by time.
        rows = pa.array(np.linspace(0, part.num_rows - 1, MOST_PREDICTIONS).astype(np.int64))
        part, months = part.take(rows), None if months is None else months.take(rows)
    predicted = predictor.predict(part)
    columns = {"prediction": pa.array(predicted.labels.tolist())}
    if predicted.probabilities is not None:
        # A class is a category, however it is stored: 0 and 1 are no quantity.
        columns["prediction"] = columns["prediction"].cast(pa.string())
        if with_scores:
            for position, name in enumerate(predicted.classes):
                columns[score_column(name)] = pa.array(predicted.probabilities[:, position])
    return tuple(profile(name, column, months=months) for name, column in columns.items())


def _months(part: pa.Table, timestamp: str | None) -> pa.Array:
    if timestamp is None or timestamp not in part.column_names:
        raise StageError(
            "a seasonal reference needs times",
            "monitoring.reference.season compares with the same months, but the data has no timestamp column",
            "Set data.timestamp_column, or leave season out.",
            path=("monitoring", "reference", "season"),
        )
    nowhere = pa.nulls(part.num_rows, pa.timestamp("us", tz="UTC"))
    return pc.month(event_times(part.column(timestamp), nowhere))
