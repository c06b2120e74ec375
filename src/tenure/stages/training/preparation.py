"""The training rows as algorithms see them: loaded once, preprocessed once per fold, shared by all trials."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from tenure.core.decoding import converted
from tenure.core.digest import digest, digest_bytes
from tenure.core.errors import StageError
from tenure.executors.cores import usable_cores
from tenure.stages.training.algorithm import Rows, Setting

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from tenure.ml.design import Design
    from tenure.ml.preprocessor import Preprocessor
    from tenure.ml.recipe import Form, Recipe
    from tenure.ml.signature import Signature
    from tenure.stages.base import StageContext

_WORTH_THREADS = 1_000_000
"""Cells (rows x features) below which one thread is faster than several."""


@dataclass(frozen=True)
class TrainingRows:
    """The rows to learn from: features in canonical types, target as values and as what an algorithm learns.

    `column` reads any other column of the snapshot for these rows. `identity` names the rows and their recipe.
    """

    recipe: Recipe
    signature: Signature
    design: Design
    values: npt.NDArray[Any]
    codes: npt.NDArray[Any]
    validation: npt.NDArray[np.bool_]
    times: npt.NDArray[np.datetime64] | None
    split_type: str
    split_column: str | None
    column: Callable[[str], npt.NDArray[Any]]
    identity: str

    def take(self, rows: npt.NDArray[np.intp]) -> TrainingRows:
        """Some of the rows, by position (rows,)."""
        return replace(
            self,
            design=self.design.take(rows),
            values=self.values[rows],
            codes=self.codes[rows],
            validation=self.validation[rows],
            times=None if self.times is None else self.times[rows],
            column=lambda name: self.column(name)[rows],
            identity=digest([self.identity, digest_bytes(rows.astype("<i8").tobytes())]),
        )

    def setting(self, seed: int) -> Setting:
        """What is the same for every fit on these rows."""
        large = self.design.cells > _WORTH_THREADS
        threads = usable_cores() if large else 1
        return Setting(self.signature.task, len(self.signature.classes), seed, threads)


class LearningRows(Protocol):
    """What a preprocessor is fitted to."""

    @property
    def recipe(self) -> Recipe:
        """How features become a matrix."""

    @property
    def signature(self) -> Signature:
        """What the model is asked, and answers."""

    @property
    def design(self) -> Design:
        """The features in canonical types."""

    @property
    def codes(self) -> npt.NDArray[Any]:
        """What an algorithm learns (rows,)."""


@dataclass(frozen=True)
class PreparedFold:
    """One fold: preprocessed rows to learn from, and to be scored on."""

    train: Rows
    validation: Rows


LEARNED_FROM = ("train", "validation")
"""The parts of a snapshot."""


@dataclass(frozen=True)
class Sample:
    """So many of the rows instead of all, drawn by the seed."""

    rows: int
    seed: int


def load_rows(context: StageContext, sample: Sample | None = None) -> TrainingRows:
    """The training and validation parts of the snapshot, or a sample of them: then no more is in memory at any time.

    Raises StageError when there is nothing to learn from.
    """
    import numpy as np

    from tenure.ml.design import design
    from tenure.ml.recipe import decode
    from tenure.ml.signature import Signature
    from tenure.ml.snapshot import PART, target_codes, target_values

    snapshot, made = context.records["data/snapshot"], context.records["features/recipe"]
    recipe = decode(context.artifacts.get(made.artifacts["recipe"]))
    signature = converted(made.value["signature"], Signature)
    file = context.artifacts.local(snapshot.artifacts["snapshot"])
    read = _reader(file, sample)
    split = snapshot.config.get("data", {}).get("split", {})
    clock = split.get("column") if split.get("type") == "datetime" else None
    clock = clock or snapshot.value.get("timestamp")
    known = [column["name"] for column in snapshot.value["columns"]]
    wanted = {*(column.name for column in recipe.inputs), signature.target, clock}
    table = read([*(name for name in known if name in wanted), PART])
    values = target_values(table, signature)
    codes = target_codes(values, signature)
    if signature.task != "regression" and len(np.unique(codes)) < 2:
        only = f"is {values[0]!r} in every row" if len(values) else "has no row"
        raise StageError(
            "the training part has one class only",
            f"target {signature.target!r} {only} of {'the training part' if sample is None else 'the sample'}, "
            "so there is nothing to tell apart",
            "choose another split, or widen the source so that both outcomes occur"
            if sample is None
            else "raise training.distributed.search_rows, or choose another split",
            path=("data", "split") if sample is None else ("training", "distributed", "search_rows"),
        )
    times = None
    if clock is not None and clock in table.column_names:
        times = table.column(clock).to_numpy().astype("datetime64[us]")
    return TrainingRows(
        recipe=recipe,
        signature=signature,
        design=design(recipe, table),
        values=values,
        codes=codes,
        validation=np.asarray(table.column(PART).to_pylist()) == "validation",
        times=times,
        split_type=snapshot.value.get("split_type", "random"),
        split_column=split.get("column"),
        column=lambda name: _column(read, name, known),
        identity=digest(
            [
                snapshot.digest,
                made.artifacts["recipe"],
                *([] if sample is None else [sample.rows, sample.seed]),
            ]
        ),
    )


def _reader(file: Path, sample: Sample | None) -> Callable[[list[str]], pa.Table]:
    """Reads some columns of the rows."""
    from tenure.ml.pieces import Pieces, spread
    from tenure.ml.snapshot import read_parts

    if sample is None:
        return lambda columns: read_parts(file, LEARNED_FROM, columns)
    pieces = Pieces(file, LEARNED_FROM)
    numbers = spread(pieces.rows, sample.rows, sample.seed)
    return lambda columns: pieces.take(numbers, columns)


def _column(read: Callable[[list[str]], pa.Table], name: str, known: list[str]) -> npt.NDArray[Any]:
    if name not in known:
        raise StageError(
            "the column does not exist",
            f"the snapshot has no column {name!r}; it has {', '.join(known[:20])}",
            path=("training", "cross_validation", "column"),
        )
    values: npt.NDArray[Any] = read([name]).column(name).to_numpy()
    return values


def prepared_fold(
    rows: LearningRows, train: npt.NDArray[np.intp], test: npt.NDArray[np.intp], form: Form, seed: int
) -> PreparedFold:
    """Both sides of a fold, by a preprocessor that was fitted to the rows to learn from."""
    fitted, matrix = fit_preprocessor(rows, train, form, seed)
    judged = fitted.transform(rows.design.take(test))
    return PreparedFold(Rows(matrix, rows.codes[train]), Rows(judged, rows.codes[test]))


def fit_preprocessor(
    rows: LearningRows, train: npt.NDArray[np.intp], form: Form = "linear", seed: int = 7
) -> tuple[Preprocessor, npt.NDArray[Any]]:
    """A preprocessor fitted to the given rows in the form that an algorithm takes, and its matrix of them to learn
    from."""
    from tenure.ml.preprocessor import preprocessor
    from tenure.ml.transforms.base import Target

    target = Target(rows.codes[train], rows.signature.classes, seed)
    return preprocessor(rows.recipe, form).fit_transform(rows.design.take(train), target)
