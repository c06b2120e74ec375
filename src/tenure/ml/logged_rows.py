"""Predictions as rows of the prediction log, the same from the server and from a scored file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import pyarrow as pa

from tenure.ml.inference_log import FIXED, event_times, feature_column, score_column
from tenure.ml.predictions import Predictions
from tenure.ml.signature import Signature

_KINDS = dict(FIXED)


def log_table(
    signature: Signature,
    inputs: pa.Table,
    predictions: Predictions,
    *,
    ids: Sequence[str],
    received_at: Sequence[datetime],
    version: int,
    arm: Sequence[str],
    timestamp: pa.Array | pa.ChunkedArray | None = None,
    id_column: tuple[str, pa.Array | pa.ChunkedArray] | None = None,
    redact: Collection[str] = (),
) -> pa.Table:
    """One segment's table; `inputs`, `predictions` and the sequences have one entry per row.

    `timestamp` is the row's own time where it came with one. `id_column` is kept even when it is no input, since
    labels are joined by it. Redacted columns are left out altogether.
    """
    arrived = pa.array(received_at, _KINDS["received_at"])
    columns: dict[str, pa.Array | pa.ChunkedArray] = {
        "prediction_id": pa.array(ids, pa.string()),
        "received_at": arrived,
        "event_time": event_times(timestamp, arrived),
        "model_version": pa.array([version] * len(ids), pa.int64()),
        "arm": pa.array(arm, pa.string()),
    }
    for column in signature.inputs:
        if column.name not in redact:
            columns[feature_column(column.name)] = inputs.column(column.name)
    if id_column is not None and id_column[0] not in redact:
        columns.setdefault(feature_column(id_column[0]), id_column[1])
    columns["prediction"] = pa.array(predictions.labels.tolist())
    if predictions.probabilities is not None:
        for position, name in enumerate(predictions.classes):
            columns[score_column(name)] = pa.array(predictions.probabilities[:, position])
    return pa.table(columns)
