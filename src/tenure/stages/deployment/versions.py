"""Registered versions on their way to a target: the predictor of one, and which one of an endpoint answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tenure.core.errors import ArtifactError, Blocked, StageError
from tenure.ml.predictor_files import FILES

if TYPE_CHECKING:
    from tenure.artifacts.store import ArtifactStore
    from tenure.ml.predictor import Predictor
    from tenure.stages.base import StageContext
    from tenure.state.record import Record


def load_version(artifacts: ArtifactStore, record: Record, *, threads: int = 1) -> Predictor:
    """The predictor of a registered version. Raises ArtifactError for a lost or damaged blob, StageError otherwise."""
    from tenure.ml.predictor import load_recorded

    return load_recorded(record.artifacts, artifacts, threads=threads)


def live_version(model: str, endpoint: Mapping[str, Any] | None) -> int:
    """The version with the largest share of an endpoint. Raises Blocked when none answers."""
    if endpoint is not None and endpoint["state"] == "gone":
        successor = endpoint.get("successor")
        hint = f"Use its successor {successor}." if successor else ""
        raise Blocked("model is retired", f"{model} is retired and predicts no more.", hint)
    if endpoint is None or not endpoint["routes"]:
        raise Blocked("no version is live", f"{model} has no released version yet.", f"tenure apply {model}")
    return int(max(endpoint["routes"], key=lambda route: route["share"])["version"])


def verify_versions(context: StageContext, numbers: Iterable[int]) -> None:
    """Make sure that each version can serve before it gets a route. Raises StageError.

    A version that is released for the first time is loaded and predicts rows of the snapshot one by one and together.
    One that has served before only has to be there undamaged: going back must not wait for libraries to load, nor
    for the data it was once made from.
    """
    before = context.previous.value.get("released", ()) if context.previous else ()
    for number in numbers:
        record = context.view.versions.get(number)
        if record is None:
            raise StageError(
                "version not found",
                f"{context.model} has no version {number}.",
                f"tenure history {context.model}",
            )
        try:
            if number in before:
                for name in FILES:
                    if name in record.artifacts:
                        # Where it is kept: a copy on this machine does not help the servers on others.
                        context.artifacts.verify(record.artifacts[name])
            else:
                _verify_parity(context, number, load_version(context.artifacts, record))
        except ArtifactError as error:
            raise StageError(
                "version cannot be loaded",
                f"Version {number}: {error}",
                "Restore the artifact from a backup, or release another version.",
            ) from error


def _verify_parity(context: StageContext, number: int, predictor: Predictor) -> None:
    """The answer for a row must not depend on how it arrives: as a request of its own, or in a batch."""
    import numpy as np
    import pyarrow.parquet as pq

    from tenure.ml.signature import check_rows, rows_to_table

    snapshot = context.records.get("data/snapshot")
    if snapshot is None or "snapshot" not in snapshot.artifacts:
        return
    names = [column.name for column in predictor.signature.inputs]
    source = pq.ParquetFile(context.artifacts.local(snapshot.artifacts["snapshot"]))
    if not set(names) <= set(source.schema_arrow.names):
        # The snapshot is that of a later version with other columns; this one was compared when it was released.
        return
    batch = next(source.iter_batches(batch_size=_PARITY_ROWS, columns=names), None)
    if batch is None:
        return
    rows = batch.to_pylist()
    together = predictor.predict(_as_table(batch))
    for position, row in enumerate(rows):
        if not check_rows(predictor.signature, [row]).ok:
            continue
        alone = predictor.predict(rows_to_table(predictor.signature, [row]))
        if together.probabilities is None or alone.probabilities is None:
            same = bool(
                np.allclose(alone.labels, together.labels[position : position + 1], rtol=1e-6, atol=1e-9)
            )
        else:
            same = bool(
                np.allclose(alone.probabilities, together.probabilities[position : position + 1], atol=1e-6)
            )
        if not same:
            raise StageError(
                "version contradicts itself",
                f"Version {number} predicts row {position} of the snapshot differently on its own and in a batch.",
                f"tenure show {context.model}/training/model",
            )


_PARITY_ROWS = 16


def _as_table(batch: Any) -> Any:
    import pyarrow as pa

    return pa.Table.from_batches([batch])
