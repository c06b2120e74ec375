"""Taking in the truth about logged predictions: the verb behind `tenure labels`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenure.core.diagnostics import closest
from tenure.core.errors import StageError

if TYPE_CHECKING:
    import pyarrow as pa

    from tenure.ml.inference_log import LabelCounts
    from tenure.state.record import ModelState

PREDICTION_ID = "prediction_id"


def ingest(state: ModelState, source: Path, folder: Path) -> LabelCounts:
    """Keep the labels of a CSV or Parquet file for monitoring; the same labels again add nothing.

    The file has a column with the id of the prediction (`deployment.inference_log.id_column`, else `prediction_id`)
    and one named like the target. Raises StageError for a file that cannot be used, naming what it should hold.
    """
    from tenure.ml.inference_log import write_labels

    target, identity, classes = _columns(state)
    table = _read(source)
    for name, role in ((identity, "the id of the prediction"), (target, "the true outcome")):
        if name not in table.column_names:
            near = closest(name, table.column_names)
            raise StageError(
                "a column is missing from the labels",
                f"{source} has no column {name!r} with {role}; it has: {', '.join(table.column_names)}",
                f"rename {near!r} to {name!r}"
                if near
                else f"write a file with the columns {identity} and {target}",
            )
    _check_classes(table.column(target), classes, source)
    return write_labels(folder, table, identity, target)


def _check_classes(labels: pa.ChunkedArray, classes: list[Any], source: Path) -> None:
    """A file whose labels are written in another way (`1` for `yes`) would make every model look wrong."""
    from tenure.ml.task import class_of

    given = {str(class_of(value)).lower() for value in labels.unique().to_pylist() if value not in (None, "")}
    known = {str(value).lower() for value in classes}
    if classes and given and not given & known:
        shown = ", ".join(sorted(given)[:5])
        raise StageError(
            "no label is a class of the model",
            f"{source} has the labels {shown}; the model knows {', '.join(map(str, classes[:10]))}",
            "write the labels as the training data do",
        )


def _columns(state: ModelState) -> tuple[str, str, list[Any]]:
    snapshot, endpoint = state.records.get("data/snapshot"), state.records.get("deployment/endpoint")
    if snapshot is None or endpoint is None:
        raise StageError(
            "the model has no predictions yet",
            f"{state.model} is not deployed, so there is nothing that labels could be about",
            f"release it first: tenure apply {state.model}",
        )
    log = endpoint.value.get("log") or {}
    return (
        snapshot.value["target"],
        log.get("id_column") or PREDICTION_ID,
        snapshot.value.get("classes") or [],
    )


def _read(source: Path) -> pa.Table:
    import duckdb
    import pyarrow as pa
    import pyarrow.parquet

    if not source.is_file():
        raise StageError(
            "the labels cannot be found", f"there is no file {source}", "check the path after --input"
        )
    try:
        if source.suffix.lower() in (".parquet", ".pq"):
            return pyarrow.parquet.read_table(source)
        with duckdb.connect(config={"autoload_known_extensions": False}) as connection:
            # As text, whatever it looks like: an id such as 007 stays one, and "yes" is not taken for a truth value.
            return connection.read_csv(str(source), all_varchar=True).to_arrow_table()
    except (pa.ArrowInvalid, OSError, UnicodeDecodeError, duckdb.Error) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise StageError(
            "the labels cannot be read",
            f"{source}: {reason}",
            "write them as UTF-8 text with a header, or as Parquet",
        ) from error
