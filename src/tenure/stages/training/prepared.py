"""The prepared folds of a search: fitted once per form and fold, kept in files that all workers map into memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tenure.executors.executor import folder_of
from tenure.stages.training.algorithm import Form, Rows
from tenure.stages.training.preparation import PreparedFold

if TYPE_CHECKING:
    from tenure.ml.signature import Signature
    from tenure.stages.training.folding import Fold
    from tenure.stages.training.preparation import TrainingRows

_ABOUT = "folds.json"


class About(msgspec.Struct, frozen=True):
    """What a worker has to know beside the arrays. `grown` says for each fold how many times as many rows the final
    fit has."""

    signature: dict[str, Any]
    grown: tuple[float, ...]


class Folds:
    """The folds in a folder. Arrays are mapped, so that several processes share one copy of them.

    `prepare` makes a fold that is not there yet; without it, as in a worker, all are. What an algorithm keeps in
    `Rows.cache` is kept for each thread.
    """

    def __init__(
        self, folder: Path, about: About, prepare: Callable[[Form, int], tuple[Rows, Rows]] | None = None
    ) -> None:
        from tenure.ml.signature import Signature

        self.folder = folder
        self.count = len(about.grown)
        self.grown = about.grown
        self.signature: Signature = msgspec.convert(about.signature, Signature)
        self._prepare = prepare
        self._locks: dict[tuple[Form, int], threading.Lock] = {}
        self._guard = threading.Lock()
        self._mine = threading.local()

    def fold(self, form: Form, number: int) -> PreparedFold:
        """A fold in a form, prepared now if it has not been."""
        held: dict[tuple[Form, int], PreparedFold] = self._mine.__dict__.setdefault("folds", {})
        if (form, number) not in held:
            if self._prepare is not None:
                with self._guard:
                    lock = self._locks.setdefault((form, number), threading.Lock())
                with lock:
                    if not self._file(form, number, "validation-target").exists():
                        train, validation = self._prepare(form, number)
                        self._write(form, number, "train", train)
                        self._write(form, number, "validation", validation)
            held[form, number] = PreparedFold(
                self._read(form, number, "train"), self._read(form, number, "validation")
            )
        return held[form, number]

    def complete(self, form: Form) -> None:
        """Prepare every fold in a form, for workers that cannot."""
        for number in range(self.count):
            self.fold(form, number)

    def _file(self, form: Form, number: int, name: str) -> Path:
        return self.folder / f"{form}-{number}-{name}.npy"

    def _write(self, form: Form, number: int, side: str, rows: Rows) -> None:
        import numpy as np

        np.save(self._file(form, number, f"{side}-matrix"), rows.matrix, allow_pickle=False)
        if rows.weights is not None:
            np.save(self._file(form, number, f"{side}-weights"), rows.weights, allow_pickle=False)
        np.save(self._file(form, number, f"{side}-target"), rows.target, allow_pickle=False)

    def _read(self, form: Form, number: int, side: str) -> Rows:
        import numpy as np

        def mapped(name: str) -> Any:
            # Copied on write: some algorithms refuse an array they could not write to, and none does write.
            return np.asarray(np.load(self._file(form, number, f"{side}-{name}"), mmap_mode="c"))

        weights = self._file(form, number, f"{side}-weights")
        return Rows(mapped("matrix"), mapped("target"), mapped("weights") if weights.exists() else None)


def new_folds(
    folder: Path,
    rows: TrainingRows,
    cut: list[Fold],
    prepare: Callable[[Form, int], tuple[Rows, Rows]],
) -> Folds:
    """Folds of these rows, to be prepared in a folder as they are asked for."""
    total = len(rows.codes)
    about = About(
        msgspec.to_builtins(rows.signature), tuple(round(total / len(train), 6) for train, _ in cut)
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _ABOUT).write_bytes(msgspec.json.encode(about))
    return Folds(folder, about, prepare)


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
    return Folds(folder, msgspec.json.decode((folder / _ABOUT).read_bytes(), type=About))
