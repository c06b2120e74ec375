"""Taking over a model: the search that did not take place, and the model that comes of it.

The file is read, checked and stored in the step of the search. Everything after it is made from that record alone, so
that an apply that is killed in between needs neither the file nor the block in the spec to go on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from tenure.core.decoding import converted
from tenure.core.digest import digest, digest_bytes, short
from tenure.core.errors import StageError
from tenure.core.events import Note
from tenure.core.units import format_instant
from tenure.stages.base import Output
from tenure.stages.training.adoption import Adopt
from tenure.stages.training.adoption.checking import sample_of
from tenure.stages.training.adoption.kind import AT, Offered
from tenure.stages.training.adoption.trial import Request, request_for, tried_apart

if TYPE_CHECKING:
    from tenure.stages.base import StageContext
    from tenure.stages.training.adoption.kind import Kind
    from tenure.state.record import Record

ADOPTED = "adopted"
"""What the record of the search has for an algorithm."""


def adopt(
    given: Mapping[str, Any],
    metric_name: str | None,
    address: str,
    context: StageContext,
    before: Mapping[str, Any] | None = None,
) -> Output:
    """The record of a search that adopts: no trial, and the files of the predictor. Raises StageError.

    `given` is the block of the spec, `metric_name` the primary metric where the spec names one. `before` is what was
    recorded of the same adoption, when its blobs were lost: then nothing but the very same file will do.
    """
    from tenure.ml.metrics import default_metrics, metric

    started = time.perf_counter()
    task = context.records["features/recipe"].value["task"]
    name = metric_name or default_metrics(task)[0]
    measure = metric(name, task, ("training", "objective", "primary_metric"))

    request = request_of(_pinned(before) if before else given, context)
    answer = tried_apart(request, context.stopping)
    for remark in [*answer.remarks, *([answer.later] if answer.later else [])]:
        context.emit(Note(address, remark))

    artifacts = {file: context.artifacts.put(content) for file, content in sorted(answer.files.items())}
    return Output(
        digest=digest([ADOPTED, artifacts]),
        value={
            "algorithm": ADOPTED,
            "params": {},
            "metric": measure.name,
            "goal": measure.goal,
            "score": None,
            "scores": [],
            "trial": None,
            "trials": 0,
            "failed": 0,
            "stopped": 0,
            "algorithms": {},
            "cross_validation": "",
            "ended_by": ADOPTED,
            "seconds": round(time.perf_counter() - started, 3),
            ADOPTED: {
                "type": given["type"],
                "path": request.path,
                "digest": request.digest,
                "files": {file: digest_bytes(content) for file, content in request.files.items()},
                "size": sum(len(content) for content in request.files.values()),
                "estimator": answer.name,
                "made_with": answer.made_with,
                "columns": answer.inputs,
                "remarks": answer.remarks,
                "at": before["at"] if before else format_instant(context.now),
                "by": before["by"] if before else context.actor,
                "given": before["given"] if before else dict(given),
            },
        },
        artifacts=artifacts,
        sentence=f"{answer.name} from {request.path} ({short(request.digest)}), tried on rows of the snapshot",
    )


def request_of(given: Mapping[str, Any], context: StageContext) -> Request:
    """The file that a block names, with what it has to fit and rows to try it on. Raises StageError."""
    import pyarrow.parquet as pq

    from tenure.ml.recipe import decode
    from tenure.ml.signature import Signature

    block: Kind = TypeAdapter[Any](Adopt).validate_python(given)
    snapshot, made = context.records["data/snapshot"], context.records["features/recipe"]
    if block.trained_until is not None and snapshot.value.get("timestamp") is None:
        raise StageError(
            "rows have no time",
            "training.adopt.trained_until separates rows by their time, and data.timestamp_column is not set",
            "set data.timestamp_column, or remove trained_until",
            path=(*AT, "trained_until"),
        )
    read = block.read(context.project, AT)
    columns = {column["name"]: (column["type"], column["nullable"]) for column in snapshot.value["columns"]}
    offered = Offered(
        columns,
        decode(context.artifacts.get(made.artifacts["recipe"])),
        converted(made.value["signature"], Signature),
    )
    table = pq.read_table(context.artifacts.local(snapshot.artifacts["snapshot"]))
    sample = sample_of(table, [name for name in columns if name != offered.signature.target])
    return request_for(block.model_dump(mode="json"), read, offered, sample)


def take_over(found: Record, context: StageContext) -> Output:
    """The model of a search that adopted: its files as they are, loaded once more. Raises StageError, ArtifactError."""
    from tenure.ml.predictor import load_recorded

    started = time.perf_counter()
    adopted = found.value[ADOPTED]
    load_recorded(found.artifacts, context.artifacts)
    columns = len(adopted["columns"])
    return Output(
        digest=digest(found.artifacts),
        value={
            "algorithm": adopted["estimator"],
            "params": {},
            "metric": found.value["metric"],
            "score": None,
            "trials": 0,
            # Nobody can tell from the file how many rows it was fitted on.
            "rows": None,
            "features": columns,
            "size": sum(context.artifacts.size(blob) for blob in found.artifacts.values()),
            "seconds": round(time.perf_counter() - started, 3),
            ADOPTED: adopted,
        },
        artifacts=dict(found.artifacts),
        sentence=f"{adopted['estimator']} adopted from {adopted['path']}, {columns} columns",
    )


def _pinned(before: Mapping[str, Any]) -> dict[str, Any]:
    """The block that an earlier adoption followed, for the very same files."""
    block = {**before["given"], "sha256": before["digest"]}
    if "preprocessor" in block:
        block["preprocessor"] = {**block["preprocessor"], "sha256": before["files"]["preprocessor"]}
    return block
