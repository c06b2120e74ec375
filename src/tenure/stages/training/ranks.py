"""What a worker does of a fit that several do together: it makes features of its rows, and boosts with the others.

The rows are cut into parts, and each part is a rank of the collective. A worker has some of them, as threads of one
process of its own: a rank that loses the others can only be ended from outside. Which worker has which rank changes
nothing in the result, as the ranks talk to one another in the same order in any case.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tenure.core.decoding import converted, msgpack_decoder
from tenure.core.drafts import scratch
from tenure.executors.apart import Child
from tenure.executors.cores import usable_cores
from tenure.executors.executor import Ended
from tenure.stages.training.algorithm import Batch, Rows, Setting

if TYPE_CHECKING:
    from tenure.executors.executor import Meeting, Stopping

ROWS, SAMPLE, NUMBERS = "rows.parquet", "sample.npy", "numbers.npy"
"""Files of the folder: rows of the snapshot; the features of the sample as they are learned from (rows, features), and
the numbers of its rows among all (rows,)."""
_LOOK_SECONDS = 0.5
_LEAVE_SECONDS = 60.0
_FOREVER = 30 * 24 * 3600
"""Seconds. That somebody is gone is noticed by whoever asked for the fit, not by how long nothing is heard."""


class Part(msgspec.Struct, frozen=True):
    """A rank, and its rows: pieces of a file of the folder, each with the number of its first row among all."""

    rank: int
    file: str
    pieces: tuple[tuple[int, int, int, int], ...]


class Task(msgspec.Struct, frozen=True):
    """What one worker is given: its parts, of how many, and what is the same for all."""

    parts: tuple[Part, ...]
    ranks: int
    algorithm: str
    settings: dict[str, Any]
    params: dict[str, Any]
    seed: int
    recipe: bytes
    preprocessor: bytes
    signature: dict[str, Any]
    class_weights: tuple[float, ...] | None
    target_variance: float | None = None


class Done(msgspec.Struct, frozen=True):
    """What became of it: the name of the estimator's format and its file (None where another worker has it), rows, the
    most memory the process held (bytes), and how long its rows and the fit took (seconds)."""

    estimator: tuple[str, bytes] | None
    rows: int
    memory: int
    prepared: float
    seconds: float


def fit_together(task: Task, stopping: Stopping, meeting: Meeting) -> Done:
    """Fit the parts of one worker. Raises StageError for rows that cannot be learned from, and Ended."""
    with _tracker(task, meeting, stopping), scratch() as folder:
        where = json.loads(meeting.heard(stopping))
        child = Child()
        try:
            argument = (msgspec.msgpack.encode(task), where, str(meeting.folder), str(folder))
            done: Done = child.run(fit_parts, argument, stopping)
            return done
        finally:
            child.end()


@contextmanager
def _tracker(task: Task, meeting: Meeting, stopping: Stopping) -> Iterator[None]:
    """The first worker keeps the list of who takes part, until all have left."""
    if meeting.number:
        yield
        return
    from xgboost.core import XGBoostError
    from xgboost.tracker import RabitTracker

    tracker = RabitTracker(n_workers=task.ranks, host_ip=meeting.host, sortby="task")
    tracker.start()
    meeting.tell(json.dumps(tracker.worker_args()))
    try:
        yield
        end = time.monotonic() + _LEAVE_SECONDS
        while not stopping() and time.monotonic() < end:
            with suppress(XGBoostError):  # some have not left yet
                tracker.wait_for(timeout=1)
                break
    finally:
        with suppress(XGBoostError):  # of ranks that were ended
            tracker.free()


# ---- in a process of its own -------------------------------------------------------------------------------------


def fit_parts(argument: tuple[bytes, Mapping[str, Any], str, str], stopping: Stopping) -> Done:
    """All ranks of a worker, each in a thread. Raises what the first of them raised; the process is to be ended then.

    The argument: the task, where the tracker is, the folder with the rows, and one for files of the moment.
    """
    encoded, where, given, folder = argument
    task = msgpack_decoder(Task).decode(encoded)
    _end_with(os.getppid())
    with Path(os.devnull).open(
        "w"
    ) as nowhere:  # each rank says there which it is, and nothing else is said there
        os.dup2(nowhere.fileno(), sys.stderr.fileno())
    room = threading.Semaphore(usable_cores())
    started = time.perf_counter()
    batches: list[list[Batch]] = []
    for part in task.parts:
        (Path(folder) / str(part.rank)).mkdir()
    prepared = [_begun(_prepared, task, part, Path(given), Path(folder), room) for part in task.parts]
    batches = _all(prepared)
    ready = time.perf_counter()
    ranks = [_begun(_fitted, task, part, own, where) for part, own in zip(task.parts, batches, strict=True)]
    estimators = _all(ranks)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Done(
        next((found for found in estimators if found is not None), None),
        sum(stop - start for part in task.parts for _, start, stop, _ in part.pieces),
        peak,
        round(ready - started, 3),
        round(time.perf_counter() - ready, 3),
    )


def _end_with(parent: int) -> None:
    """End when whoever started this process is gone: nobody waits for it any more, and others wait for its ranks."""

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=look, daemon=True).start()


def _begun(work: Any, *arguments: Any) -> Future[Any]:
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(work(*arguments))
        except BaseException as error:  # raised where it is waited for
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def _all(running: Sequence[Future[Any]]) -> list[Any]:
    """What became of all. Raises what one of them raised without waiting for the others, who may wait for that one."""
    done, _ = wait(running, return_when=FIRST_EXCEPTION)
    for future in done:
        future.result()
    return [future.result() for future in running]


def _prepared(task: Task, part: Part, given: Path, folder: Path, room: threading.Semaphore) -> list[Batch]:
    """The features of each piece as a file, since they are read several times; few at a time are in memory."""
    import numpy as np

    from tenure.ml.design import design
    from tenure.ml.pieces import Piece, Pieces
    from tenure.ml.preprocessor import decode
    from tenure.ml.recipe import decode as decode_recipe
    from tenure.ml.signature import Signature
    from tenure.ml.snapshot import target_codes, target_values
    from tenure.stages.training.preparation import LEARNED_FROM

    recipe, fitted = decode_recipe(task.recipe), decode(task.preprocessor)
    signature = converted(task.signature, Signature)
    columns = [*(column.name for column in recipe.inputs), signature.target]
    numbers = np.load(given / NUMBERS, mmap_mode="r")
    sample = np.load(given / SAMPLE, mmap_mode="r")
    weights = None if task.class_weights is None else np.array(task.class_weights)
    with room:
        pieces = Pieces(given / part.file, LEARNED_FROM)
    batches: list[Batch] = []
    for position, bounds in enumerate(part.pieces):
        piece = Piece(*bounds)
        with room:
            table = pieces.read(piece, columns)
            matrix = fitted.transform(design(recipe, table))
            low, high = np.searchsorted(numbers, [piece.first, piece.first + len(piece)])
            # Rows of the sample as their preprocessor was fitted: where it looked at the target, it did not show a row
            # its own.
            matrix[numbers[low:high] - piece.first] = sample[low:high]
            codes = target_codes(target_values(table, signature), signature)
            name = folder / str(part.rank) / str(position)
            np.save(name.with_suffix(".matrix.npy"), matrix)
            np.save(name.with_suffix(".target.npy"), codes)
            del table, matrix, codes
        batches.append(_batch(name, weights))
    return batches


def _batch(name: Path, weights: Any) -> Batch:
    import numpy as np

    def read() -> Rows:
        target = np.load(name.with_suffix(".target.npy"))
        return Rows(
            np.load(name.with_suffix(".matrix.npy")), target, None if weights is None else weights[target]
        )

    return read


def _fitted(
    task: Task, part: Part, batches: Sequence[Batch], where: Mapping[str, Any]
) -> tuple[str, bytes] | None:
    import xgboost
    from xgboost import collective

    from tenure.ml.estimators.registry import format_of
    from tenure.stages.training.algorithms import Algorithms

    algorithm = Algorithms.model_validate({task.algorithm: task.settings}).listed()[task.algorithm]
    signature_task, classes = task.signature["task"], len(task.signature.get("classes", ()))
    # One thread for each rank: how many cores a worker has changes nothing in the result.
    setting = Setting(signature_task, classes, task.seed, 1, target_variance=task.target_variance)
    # Ranks are ordered by this name.
    collective.init(**where, dmlc_task_id=f"{part.rank:06d}", dmlc_timeout=_FOREVER)
    try:
        estimator = algorithm.fit_part(task.params, batches, setting)
    except xgboost.core.XGBoostError as error:
        raise Ended(str(error).splitlines()[0]) from error
    with suppress(
        xgboost.core.XGBoostError
    ):  # whoever does not hear it leave has what it learned all the same
        collective.finalize()
    if part.rank:
        return None
    kind = format_of(estimator)
    return kind.name, kind.save(estimator)
