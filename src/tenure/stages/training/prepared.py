"""The prepared folds of a search: fitted once per form and fold, kept in files that all workers map into memory."""

from __future__ import annotations

import io
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from tenure.core.decoding import converted, json_decoder
from tenure.core.errors import TenureError
from tenure.executors.executor import folder_of
from tenure.stages.training.algorithm import Form, Rows
from tenure.stages.training.preparation import PreparedFold

if TYPE_CHECKING:
    from tenure.ml.signature import Signature
    from tenure.stages.training.folding import Fold
    from tenure.stages.training.preparation import TrainingRows

_ABOUT = "folds.json"
_LAST = "validation-target"
"""The array that is written after all others of a fold."""


class Unprepared(Exception):
    """A fold that cannot be prepared, for a reason that nobody expected. Trials that need it fail."""


class About(msgspec.Struct, frozen=True):
    """What a worker has to know beside the arrays. `grown` says for each fold how many times as many rows the final
    fit has, `failed` why folds are missing, by their names."""

    signature: dict[str, Any]
    grown: tuple[float, ...]
    failed: dict[str, str] = {}


class Folds:
    """The folds in a folder. Arrays are mapped, so that several processes share one copy of them.

    `prepare` makes a fold that is not there yet; without it, as in a worker, all are. What an algorithm keeps in
    `Rows.cache` is kept for each thread.
    """

    def __init__(
        self, folder: Path, about: About, prepare: Callable[[Form, int], PreparedFold] | None = None
    ) -> None:
        from tenure.ml.signature import Signature

        self.folder = folder
        self.count = len(about.grown)
        self.grown = about.grown
        self.signature: Signature = converted(about.signature, Signature)
        self._about = about
        self._failed = dict(about.failed)
        self._prepare = prepare
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()
        self._mine = threading.local()

    def fold(self, form: Form, number: int) -> PreparedFold:
        """A fold in a form, prepared now if it has not been. Raises what is wrong with the rows as StageError, and
        Unprepared for everything else."""
        held: dict[str, PreparedFold] = self._mine.__dict__.setdefault("folds", {})
        name = fold_name(form, number)
        if name not in held:
            if self._prepare is not None:
                with self._guard:
                    lock = self._locks.setdefault(name, threading.Lock())
                with lock:
                    if name not in self._failed and not self._file(name, _LAST).exists():
                        self.make(form, number)
            if name in self._failed:
                raise Unprepared(self._failed[name])
            held[name] = PreparedFold(self._read(name, "train"), self._read(name, "validation"))
        return held[name]

    def complete(self, form: Form) -> None:
        """Prepare every fold in a form, for workers that cannot."""
        for number in range(self.count):
            self.fold(form, number)

    def close(self, failed: dict[str, str]) -> None:
        """Nothing is prepared from here on: all folds are there, but those that failed, by name with the reason."""
        self._failed = dict(failed)
        self._prepare = None
        write_about(self.folder, msgspec.structs.replace(self._about, failed=self._failed))

    def make(self, form: Form, number: int) -> None:
        """Prepare a fold in a form here, whatever is there. Raises StageError."""
        assert self._prepare is not None
        name = fold_name(form, number)
        try:
            write_fold(self.folder, name, self._prepare(form, number))
        except TenureError:
            raise
        except Exception as error:  # it would be the same for the next trial
            self._failed[name] = reason(error)

    def _file(self, name: str, array: str) -> Path:
        return self.folder / f"{name}-{array}.npy"

    def _read(self, name: str, side: str) -> Rows:
        import numpy as np

        def mapped(array: str) -> Any:
            # Copied on write: some algorithms refuse an array they could not write to, and none does write.
            return np.asarray(np.load(self._file(name, f"{side}-{array}"), mmap_mode="c"))

        weights = self._file(name, f"{side}-weights")
        return Rows(mapped("matrix"), mapped("target"), mapped("weights") if weights.exists() else None)


def new_folds(
    folder: Path,
    rows: TrainingRows,
    cut: Sequence[Fold],
    prepare: Callable[[Form, int], PreparedFold],
) -> Folds:
    """Folds of these rows, to be prepared in a folder as they are asked for."""
    total = len(rows.codes)
    about = About(
        msgspec.to_builtins(rows.signature), tuple(round(total / len(train), 6) for train, _ in cut)
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_about(folder, about)
    return Folds(folder, about, prepare)


# --- files --------------------------------------------------------------------------------------------------------


def fold_name(form: Form, number: int) -> str:
    """What the files of a fold begin with."""
    return f"{form}-{number}"


def reason(error: BaseException) -> str:
    """What went wrong, in a line."""
    said = str(error).splitlines()[0] if str(error) else ""
    return f"{type(error).__name__}: {said}"


def write_about(folder: Path, about: About) -> None:
    """Say what is in a folder of folds."""
    _whole(folder / _ABOUT, lambda file: file.write(msgspec.json.encode(about)))


def write_fold(folder: Path, name: str, fold: PreparedFold) -> dict[str, int]:
    """Write the files of a fold into a folder that is there; returns their sizes in bytes by name. Each is there whole
    or not at all, and the last one only when all are. Raises OSError."""
    import numpy as np

    return {
        file: _whole(folder / file, lambda out, array=array: np.save(out, array, allow_pickle=False))  # type: ignore[misc]
        for file, array in _arrays(name, fold)
    }


def fold_contents(name: str, fold: PreparedFold) -> dict[str, bytes]:
    """The files of a fold for whoever can write them."""
    import numpy as np

    contents = {}
    for file, array in _arrays(name, fold):
        out = io.BytesIO()
        np.save(out, array, allow_pickle=False)
        contents[file] = out.getvalue()
    return contents


def write_contents(folder: Path, contents: dict[str, bytes]) -> None:
    """Write files from `fold_contents`. Raises OSError."""
    for file, content in contents.items():
        _whole(folder / file, lambda out, content=content: out.write(content))  # type: ignore[misc]


def _arrays(name: str, fold: PreparedFold) -> Iterator[tuple[str, Any]]:
    for side, rows in (("train", fold.train), ("validation", fold.validation)):
        yield f"{name}-{side}-matrix.npy", rows.matrix
        if rows.weights is not None:
            yield f"{name}-{side}-weights.npy", rows.weights
        yield f"{name}-{side}-target.npy", rows.target


def _whole(file: Path, write: Callable[[BinaryIO], Any]) -> int:
    """Write a file under another name and rename it: of several that write it at once, which happens when work is given
    to a second worker, each has a file of its own. Returns its size."""
    draft = file.with_name(f"{file.name}.{uuid.uuid4().hex}.tmp")
    try:
        with draft.open("wb") as out:
            write(out)
            size = out.tell()
        draft.replace(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return size


# --- finding them -------------------------------------------------------------------------------------------------


_open: dict[str, Folds] = {}


def known_here(reference: str, folds: Folds) -> None:
    """Let work in this process find the folds that are still being prepared."""
    _open[reference] = folds


def forget(reference: str) -> None:
    """The folds are no longer needed here."""
    _open.pop(reference, None)


def folds_at(reference: str) -> Folds:
    """The folds that a task refers to, in whatever process it runs."""
    return _open.get(reference) or _elsewhere(folder_of(reference))


@lru_cache(maxsize=2)
def _elsewhere(folder: Path) -> Folds:
    return Folds(folder, json_decoder(About).decode((folder / _ABOUT).read_bytes()))
