"""The `batch` target, and scoring a file: the verb behind `tenure predict`."""

from __future__ import annotations

import uuid
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tenure.core.decoding import converted
from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.ml.written import WrittenFile
from tenure.spec.base import SpecModel, field
from tenure.stages.deployment.scoring import scored
from tenure.stages.deployment.table_files import TableWriter, read_chunks
from tenure.stages.deployment.versions import live_version, load_version

if TYPE_CHECKING:
    import pyarrow as pa

    from tenure.artifacts.store import ArtifactStore
    from tenure.executors.executor import Executor
    from tenure.ml.predictions import Predictions
    from tenure.ml.predictor import Predictor
    from tenure.ml.signature import ColumnType
    from tenure.state.record import ModelState, Record


class BatchTarget(SpecModel):
    """Score files with `tenure predict`; nothing listens on a port."""

    type: Literal["batch"] = field(Effect.REDEPLOY, "Score files with `tenure predict`.")


class Scored(msgspec.Struct, frozen=True):
    """What scoring a file came to."""

    model: str
    version: int
    rows: int
    logged: int
    output: Path


def predict_file(
    state: ModelState,
    artifacts: ArtifactStore,
    source: Path,
    output: Path,
    *,
    log_folder: Path,
    now: datetime,
    executor: Executor,
    version: int | None = None,
) -> Scored:
    """Score a CSV or Parquet file with the live version, or the given one, and append to the prediction log.

    A CSV file is read as the source of the model declares it: dates, decimals, missing values, encoding.
    `output` (CSV or Parquet by its suffix) holds the columns of `source` and `prediction`, `probability_<class>`,
    `prediction_id` and `model_version`. The whole file is checked before anything is written; `output` appears
    complete or not at all. Raises StageError for a file that does not fit, Blocked when no version is live.
    """
    endpoint = state.records.get("deployment/endpoint")
    live = live_version(state.model, endpoint.value if endpoint else None) if version is None else version
    record = state.versions.get(live)
    if record is None:
        raise StageError(
            "version not found", f"{state.model} has no version {live}.", f"tenure history {state.model}"
        )
    for path in (source, output):
        unpacked = path.with_suffix("") if path == source and path.suffix.lower() == ".gz" else path
        if unpacked.suffix.lower() not in (".csv", ".parquet") or path.name.lower().endswith(".parquet.gz"):
            raise StageError(
                "unknown file type", f"{path} is neither .csv nor .parquet.", "Convert the file first."
            )
    if source.exists() and not source.is_file():
        raise StageError("not a file", f"{source} is a folder, a pipe or a device; it is read twice.")
    # A batch is worth the threads that a single row is not; 0 lets xgboost take all of them.
    predictor = load_version(artifacts, record, threads=0)
    snapshot = state.records.get("data/snapshot")
    written, known = _as_in_training(snapshot)
    rows = 0
    for chunk in read_chunks(source, predictor.signature, written, known):
        _check(source, chunk, rows, predictor)
        rows += chunk.num_rows
    if rows == 0:
        raise StageError("file without rows", f"{source} has no rows to predict.")
    log = _Log(
        folder=log_folder,
        settings=endpoint.value["log"] if endpoint else {},
        timestamp=snapshot.value.get("timestamp") if snapshot else None,
        now=now,
        version=live,
    )
    logged = 0
    temporary = output.with_name(f".{output.name}.tmp")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with closing(TableWriter(temporary, output.suffix.lower())) as writer:
            chunks = read_chunks(source, predictor.signature, written, known)
            for chunk, predictions in scored(chunks, predictor, record, artifacts, executor):
                ids = [uuid.uuid4().hex for _ in range(chunk.num_rows)]
                writer.write(_scored(chunk, predictions, ids, live))
                logged += log.append(predictor, chunk, predictions, ids)
        temporary.replace(output)
    except OSError as error:
        raise StageError(
            "file cannot be written", f"{error.filename or output}: {error.strerror or error}"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return Scored(state.model, live, rows, logged, output)


def _as_in_training(snapshot: Record | None) -> tuple[WrittenFile | None, dict[str, ColumnType]]:
    """How the data of the model are written now, where they are text, and the types of their columns.

    It is the last snapshot that says so and not the one of the version: new rows come as the source writes them now.
    """
    facts = {} if snapshot is None else snapshot.value
    written = facts.get("written")
    return (
        None if written is None else converted(written, WrittenFile),
        {column["name"]: column["type"] for column in facts.get("columns", ())},
    )


class _Log(msgspec.Struct, frozen=True):
    """Where and how predictions are logged."""

    folder: Path
    settings: dict[str, Any]
    timestamp: str | None
    now: datetime
    version: int

    def append(self, predictor: Predictor, chunk: pa.Table, predictions: Predictions, ids: list[str]) -> int:
        """Add the sampled rows to the prediction log; returns how many."""
        import pyarrow as pa

        from tenure.ml.design import derive
        from tenure.ml.inference_log import write_segment
        from tenure.ml.logged_rows import log_table

        if not self.settings.get("enabled", True):
            return 0
        names = chunk.column_names
        identity = self.settings.get("id_column")
        table = log_table(
            predictor.signature,
            derive(predictor.recipe, chunk),
            predictions,
            ids=ids,
            received_at=[self.now] * len(ids),
            version=self.version,
            arm=["batch"] * len(ids),
            timestamp=chunk.column(self.timestamp) if self.timestamp in names else None,
            id_column=(identity, chunk.column(identity)) if identity and identity in names else None,
            redact=self.settings.get("redact", ()),
        )
        table = table.filter(pa.array([sampled(name, self.settings.get("sample", 1.0)) for name in ids]))
        if table.num_rows:
            write_segment(self.folder, table)
        return int(table.num_rows)


def sampled(prediction_id: str, share: float) -> bool:
    """Whether a prediction belongs to the logged share: decided by its id, a random hexadecimal number."""
    return int(prediction_id[:8], 16) < share * 0x1_0000_0000


def _scored(chunk: pa.Table, predictions: Predictions, ids: list[str], version: int) -> pa.Table:
    """The columns of the file and what the model says; a column of the file with one of these names gives way."""
    import pyarrow as pa

    added: dict[str, Any] = {"prediction": pa.array(predictions.labels.tolist())}
    if predictions.probabilities is not None:
        for position, name in enumerate(predictions.classes):
            added[probability_name(name)] = pa.array(predictions.probabilities[:, position])
    if (ends := predictions.interval) is not None:
        added |= {"interval_low": pa.array(ends.low), "interval_high": pa.array(ends.high)}
    added |= {"prediction_id": pa.array(ids), "model_version": pa.array([version] * len(ids), pa.int64())}
    kept = {name: chunk.column(name) for name in chunk.column_names if name not in added}
    return pa.table(kept | added)


def probability_name(name: object) -> str:
    """`probability_rain`, `probability_true`: the column with the probability of a class."""
    return "probability_" + (str(name).lower() if isinstance(name, bool) else str(name))


def _check(source: Path, chunk: pa.Table, first: int, predictor: Predictor) -> None:
    """What a request would be refused for is refused here too, for all rows at once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from tenure.ml.design import derive

    for column in predictor.signature.inputs:
        if column.name not in chunk.column_names:
            raise StageError(
                "column missing from the file",
                f"{source} has no column {column.name!r}, which the model needs. "
                f"It has {', '.join(chunk.column_names)}.",
                "Add the column; it may be empty where the training data had missing values."
                if column.nullable
                else "Add the column.",
            )
        values = chunk.column(column.name)
        bad = pc.is_null(values) if not column.nullable else None
        problem = "empty, which it never was in the training data"
        if pa.types.is_floating(values.type):
            infinite = pc.fill_null(pc.is_inf(values), False)
            if pc.any(infinite).as_py():
                bad, problem = infinite, "infinite"
        if bad is not None and pc.any(bad).as_py():
            row = first + pc.index(bad, True).as_py()
            count = pc.sum(bad).as_py()
            raise StageError(
                "row that cannot be predicted",
                f"{source}: column {column.name!r} is {problem}, first in row {row + 1} ({count} such rows near it).",
                "Fill in or remove these rows.",
            )
    try:
        derive(predictor.recipe, chunk)
    except StageError as error:
        raise StageError(error.summary, f"{source}: {error.detail}", error.hint) from error
