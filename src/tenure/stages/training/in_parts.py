"""A final fit to more rows than fit into the memory of one process: by ranks that each hold a part of them.

The search works on a sample, which also decides the preprocessor. That the rows are cut into parts shows in the last
digits of the trees, so that it is part of the spec; who fits the parts, and how many do, shows nowhere.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tenure.core.drafts import scratch_in
from tenure.core.errors import Interrupted, StageError
from tenure.core.events import Note
from tenure.executors.cores import usable_cores
from tenure.executors.executor import Ended
from tenure.stages.training.preparation import LEARNED_FROM, TrainingRows, fit_preprocessor
from tenure.stages.training.ranks import NUMBERS, ROWS, SAMPLE, Done, Part, Task, fit_together
from tenure.stages.training.weighting import ClassWeights, weights_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tenure.ml.pieces import Piece, Pieces
    from tenure.ml.predictor import Predictor
    from tenure.ml.signature import Signature
    from tenure.stages.base import StageContext
    from tenure.stages.training.candidate import Candidate
    from tenure.stages.training.distributed import Distributed

_ATTEMPTS = 3


@dataclass(frozen=True)
class InParts:
    """A predictor without postprocessing that was fitted in parts, and figures of the fit for the record."""

    predictor: Predictor
    facts: Mapping[str, Any]


def fit_in_parts(
    candidate: Candidate,
    rows: TrainingRows,
    block: Distributed,
    class_weights: ClassWeights | None,
    seed: int,
    address: str,
    context: StageContext,
) -> InParts:
    """A candidate fitted to all learning rows of the snapshot; `rows` are the sample. Raises StageError, and
    Interrupted when asked to stop."""
    import numpy as np

    from tenure.ml import preprocessor as preprocessing
    from tenure.ml.estimators.registry import format_named
    from tenure.ml.pieces import Pieces, spread
    from tenure.ml.predictor import Predictor
    from tenure.ml.recipe import encode

    file = context.artifacts.local(context.records["data/snapshot"].artifacts["snapshot"])
    pieces = Pieces(file, LEARNED_FROM)
    fitted, matrix = fit_preprocessor(rows, np.arange(rows.design.rows), candidate.algorithm.FORM, seed)
    weights = None
    if class_weights is not None:
        per_class = weights_of(_counts(pieces, rows.signature), class_weights, rows.signature)
        weights = tuple(float(weight) for weight in per_class)
    task = Task(
        parts=(),
        ranks=min(block.parts, pieces.rows),
        algorithm=candidate.name,
        settings=dict(candidate.settings),
        params=dict(candidate.params),
        seed=seed,
        recipe=encode(rows.recipe),
        preprocessor=preprocessing.encode(fitted),
        signature=msgspec.to_builtins(rows.signature),
        class_weights=weights,
        target_variance=float(rows.codes.var()) if rows.signature.task == "regression" else None,
    )
    arrays = {SAMPLE: matrix, NUMBERS: spread(pieces.rows, block.search_rows, seed)}
    done = _attempted(task, pieces, file, arrays, address, context)
    ((name, estimator),) = [one.estimator for one in done if one.estimator is not None]
    kind = format_named(name)
    assert kind is not None
    predictor = Predictor(
        rows.recipe, rows.signature, fitted, kind.load(estimator, f"estimator.{kind.suffix}", usable_cores())
    )
    return InParts(
        predictor,
        {
            "rows": pieces.rows,
            "sample": rows.design.rows,
            "parts": task.ranks,
            "workers": len(done),
            "memory": max(one.memory for one in done),
            "prepared": max(one.prepared for one in done),
            "seconds": max(one.seconds for one in done),
        },
    )


def _counts(pieces: Pieces, signature: Signature) -> npt.NDArray[np.int64]:
    """How many rows each class has (classes,). Raises StageError for a target that is a number."""
    import numpy as np

    from tenure.ml.snapshot import target_codes, target_values

    if signature.task == "regression":
        raise StageError(
            "a number has no classes",
            f"target {signature.target!r} is a number, so its rows cannot be weighted by class",
            "remove it",
            path=("training", "class_weights"),
        )
    counts = np.zeros(len(signature.classes), dtype=np.int64)
    for table in pieces.tables([signature.target]):
        codes = target_codes(target_values(table, signature), signature)
        counts += np.bincount(codes, minlength=len(counts))
    return counts


def _attempted(
    task: Task,
    pieces: Pieces,
    file: Path,
    arrays: Mapping[str, npt.NDArray[Any]],
    address: str,
    context: StageContext,
) -> list[Done]:
    """What all workers have done. A lost worker takes what its ranks had learned with it, so all begin again."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with scratch_in(context.cache, "parts") as folder:
                given = _given(task, pieces, file, arrays, folder, context)
                return context.executor.together(fit_together, given, context.stopping)
        except Ended as error:
            if context.stopping():
                raise Interrupted("stopped while the model was fitted; the search is kept") from error
            if attempt == _ATTEMPTS:
                raise StageError(
                    "the distributed fit was lost",
                    f"{_ATTEMPTS} times one of the workers ended before it was done, the last time because {error}",
                    "give the workers more memory, or cut the rows into more parts and use more workers: "
                    "training.distributed.parts",
                    path=("training", "distributed"),
                ) from error
            context.emit(Note(address, f"The fit begins again: {error}."))
    raise AssertionError  # every attempt returns or raises


def _given(
    task: Task,
    pieces: Pieces,
    file: Path,
    arrays: Mapping[str, npt.NDArray[Any]],
    folder: Path,
    context: StageContext,
) -> list[tuple[Task, Path]]:
    """What each worker is given, and its folder: one for all where they see it, otherwise one for each with its rows
    alone."""
    import numpy as np

    edges = [rank * pieces.rows // task.ranks for rank in range(task.ranks + 1)]
    cut = [pieces.between(first, end) for first, end in pairwise(edges)]
    workers = min(context.executor.hosts, task.ranks)
    # Neighbours go to one worker: parts meet within a row group.
    ends = [number * task.ranks // workers for number in range(workers + 1)]
    seen = context.executor.sees(folder)
    given = []
    for number, (start, end) in enumerate(pairwise(ends)):
        home = folder if seen else folder / str(number)
        home.mkdir(exist_ok=True)
        if not (home / ROWS).exists() and seen:
            _link(file, home / ROWS)
        if number == 0 or not seen:
            for name, array in arrays.items():
                np.save(home / name, array)
        parts = []
        for rank in range(start, end):
            if seen:
                parts.append(Part(rank, ROWS, tuple(_bounds(piece) for piece in cut[rank])))
            else:
                parts.append(_copied(rank, pieces, cut[rank], task, home))
        given.append((msgspec.structs.replace(task, parts=tuple(parts)), home))
    return given


def _bounds(piece: Piece) -> tuple[int, int, int, int]:
    return piece.group, piece.start, piece.stop, piece.first


def _link(file: Path, to: Path) -> None:
    """The same file under a second name; a copy where that is not possible."""
    try:
        os.link(file, to)
    except OSError:
        shutil.copyfile(file, to)


def _copied(rank: int, pieces: Pieces, own: Sequence[Piece], task: Task, folder: Path) -> Part:
    """A file with the rows of one part, and where they lie in it."""
    import pyarrow.parquet as pq

    from tenure.ml.recipe import decode
    from tenure.ml.snapshot import PART

    columns = [*(column.name for column in decode(task.recipe).inputs), task.signature["target"], PART]
    name = f"part-{rank}.parquet"
    writer: Any = None
    try:
        for piece in own:
            table = pieces.read(piece, columns)
            writer = writer or pq.ParquetWriter(folder / name, table.schema, compression="zstd")
            writer.write_table(table, row_group_size=len(piece))
    finally:
        if writer is not None:
            writer.close()
    placed = tuple((group, 0, len(piece), piece.first) for group, piece in enumerate(own))
    return Part(rank, name, placed)
