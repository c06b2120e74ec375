"""Making folds by workers that do not see this process: one piece of work for each fold and form.

They map the rows from files. What they make goes into the folder of the folds where they see it, and otherwise back to
this process, which writes it there.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path

import msgspec

from tenure.core.errors import Interrupted, TenureError
from tenure.executors.executor import Ended, Executor, folder_of
from tenure.stages.training.algorithm import Form
from tenure.stages.training.fold_maker import FoldMaker, opened, save
from tenure.stages.training.prepared import (
    Folds,
    fold_contents,
    fold_name,
    reason,
    write_contents,
    write_fold,
)

_LOOK_SECONDS = 0.1


class Making(msgspec.Struct, frozen=True):
    """A fold to be made. `rows` refers to the rows; `into` is the folder of the folds where workers see it."""

    rows: str
    into: str | None
    form: Form
    number: int


class Made(msgspec.Struct, frozen=True):
    """What became of a fold: files that were written, with their sizes, or the contents of files to be written."""

    written: dict[str, int] = {}
    contents: dict[str, bytes] = {}


def make_fold(making: Making, stopping: Callable[[], bool]) -> Made:
    """What a worker does. It writes nothing that nobody waits for."""
    fold = opened(folder_of(making.rows))(making.form, making.number)
    name = fold_name(making.form, making.number)
    if stopping():
        return Made()
    if making.into is not None:
        try:
            return Made(written=write_fold(Path(making.into), name, fold))
        except OSError:  # it reads that folder, and yet may not write there
            if stopping():
                return Made()
    return Made(contents=fold_contents(name, fold))


def make_all(
    folds: Folds, maker: FoldMaker, forms: Iterable[Form], executor: Executor, stopping: Callable[[], bool]
) -> None:
    """Let workers prepare every fold in each form, as many at a time as there are workers.

    What they cannot prepare is known to `folds`, as if it had been prepared here. Raises StageError for rows that
    cannot be prepared, and Interrupted when asked to stop.
    """
    folder = folds.folder / "rows"
    save(maker, folder)
    rows = executor.share(folder)
    into = str(folds.folder) if rows == str(folder) else None
    asked = deque(Making(rows, into, form, number) for form in forms for number in range(folds.count))
    workers = executor.workers
    running: dict[Future[Made], Making] = {}
    failed: dict[str, str] = {}
    try:
        while asked or running:
            if stopping():
                raise Interrupted("stopped while the folds were prepared")
            while asked and len(running) < workers:
                making = asked.popleft()
                running[executor.submit(make_fold, making, needs=rows)] = making
            done, _ = wait(running, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                making = running.pop(future)
                try:
                    _take(future.result(), folds, making)
                except TenureError:
                    raise
                except Ended as error:
                    failed[fold_name(making.form, making.number)] = str(error)
                except Exception as error:  # whatever a transform does with unfortunate values
                    failed[fold_name(making.form, making.number)] = reason(error)
    finally:
        for future in running:
            executor.cancel(future)
        executor.unshare(rows)
        shutil.rmtree(folder, ignore_errors=True)
    folds.close(failed)


def _take(made: Made, folds: Folds, making: Making) -> None:
    write_contents(folds.folder, made.contents)
    whole = made.contents or (
        made.written and all(_size(folds.folder / file) == size for file, size in made.written.items())
    )
    if not whole:  # a folder that is not the one it looked like
        folds.make(making.form, making.number)


def _size(file: Path) -> int | None:
    try:
        return file.stat().st_size
    except OSError:
        return None
