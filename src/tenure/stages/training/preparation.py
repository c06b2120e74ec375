"""The training rows as algorithms see them: loaded once, preprocessed once per fold, shared by all trials."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenure.core.errors import StageError
from tenure.stages.training.algorithm import Rows, Setting

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tenure.ml.design import Design
    from tenure.ml.preprocessor import Preprocessor
    from tenure.ml.recipe import Form, Recipe
    from tenure.ml.signature import Signature
    from tenure.ml.splits import Fold
    from tenure.stages.base import StageContext
    from tenure.stages.training.section import CrossValidation

_WORTH_THREADS = 1_000_000
"""Cells (rows x features) below which one thread is faster than several."""


@dataclass(frozen=True)
class TrainingRows:
    """The rows to learn from: features in canonical types, target as values and as what an algorithm learns."""

    recipe: Recipe
    signature: Signature
    design: Design
    values: npt.NDArray[Any]
    codes: npt.NDArray[Any]
    validation: npt.NDArray[np.bool_]
    times: npt.NDArray[np.datetime64] | None
    split_type: str

    def setting(self, seed: int) -> Setting:
        """What is the same for every fit on these rows."""
        large = self.design.cells > _WORTH_THREADS
        threads = (os.cpu_count() or 1) if large else 1
        return Setting(self.signature.task, len(self.signature.classes), seed, threads)


@dataclass(frozen=True)
class PreparedFold:
    """One fold: preprocessed rows to learn from and to be judged on, and the true values of the latter."""

    train: Rows
    validation: Rows
    truth: npt.NDArray[Any]


def load_rows(context: StageContext) -> TrainingRows:
    """The training and validation parts of the snapshot. Raises StageError when there is nothing to learn from."""
    import msgspec
    import numpy as np

    from tenure.ml.design import design
    from tenure.ml.recipe import decode
    from tenure.ml.signature import Signature
    from tenure.ml.snapshot import PART, read_parts, target_codes, target_values

    snapshot, made = context.records["data/snapshot"], context.records["features/recipe"]
    recipe = decode(context.artifacts.get(made.artifacts["recipe"]))
    signature = msgspec.convert(made.value["signature"], Signature)
    table = read_parts(context.artifacts.local(snapshot.artifacts["snapshot"]), ["train", "validation"])
    values = target_values(table, signature)
    codes = target_codes(values, signature)
    if signature.task != "regression" and len(np.unique(codes)) < 2:
        only = f"is {values[0]!r} in every row" if len(values) else "has no row"
        raise StageError(
            "the training part has one class only",
            f"target {signature.target!r} {only} of the training part, so there is nothing to tell apart",
            "choose another split, or widen the source so that both outcomes occur",
            path=("data", "split"),
        )
    split = snapshot.config.get("data", {}).get("split", {})
    clock = split.get("column") or snapshot.value.get("timestamp")
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
    )


def prepare_folds(
    rows: TrainingRows, wanted: CrossValidation | None, seed: int, form: Form = "linear"
) -> tuple[list[PreparedFold], str]:
    """The folds, each with a preprocessor of its own in one form, and how they were cut.

    A validation part of the split is used as the one fold unless cross-validation is asked for. A fold whose rows to
    learn from have one class only is left out.
    """
    import numpy as np

    if wanted is None and rows.validation.any():
        cut: list[Fold] = [(np.flatnonzero(~rows.validation), np.flatnonzero(rows.validation))]
        kind = "validation part"
    else:
        cut, kind = _cross_validation(rows, wanted, seed)
    classification = rows.signature.task != "regression"
    usable = [
        (train, test) for train, test in cut if not classification or len(np.unique(rows.codes[train])) > 1
    ]
    if not usable:
        raise StageError(
            "no fold has two classes to learn from",
            f"in each of the {len(cut)} folds the rows to learn from have one class only",
            "lower training.cross_validation.folds, or choose another type",
            path=("training", "cross_validation"),
        )
    return [_prepared(rows, train, test, form, seed) for train, test in usable], kind


def _cross_validation(
    rows: TrainingRows, wanted: CrossValidation | None, seed: int
) -> tuple[list[Fold], str]:
    from tenure.ml.splits import FoldType, folds

    count = wanted.folds if wanted else 5
    classification = rows.signature.task != "regression"
    kind: FoldType = "stratified" if classification else "kfold"
    if wanted and wanted.type:
        kind = wanted.type
    elif rows.split_type == "datetime" and rows.times is not None:
        kind = "time_series"
    if kind == "stratified" and not classification:
        raise StageError(
            "stratified folds need classes",
            f"target {rows.signature.target!r} is a number",
            "choose kfold or time_series",
            path=("training", "cross_validation", "type"),
        )
    cut = folds(
        kind,
        count,
        rows.design.rows,
        seed=seed,
        codes=rows.codes if classification else None,
        times=rows.times,
    )
    return cut, f"{count} {kind} folds"


def _prepared(
    rows: TrainingRows, train: npt.NDArray[np.intp], test: npt.NDArray[np.intp], form: Form, seed: int
) -> PreparedFold:
    fitted, matrix = fit_preprocessor(rows, train, form, seed)
    judged = fitted.transform(rows.design.take(test))
    return PreparedFold(Rows(matrix, rows.codes[train]), Rows(judged, rows.codes[test]), rows.values[test])


def fit_preprocessor(
    rows: TrainingRows, train: npt.NDArray[np.intp], form: Form = "linear", seed: int = 7
) -> tuple[Preprocessor, npt.NDArray[Any]]:
    """A preprocessor fitted to the given rows in the form that an algorithm takes, and its matrix of them to learn
    from."""
    from tenure.ml.preprocessor import preprocessor
    from tenure.ml.transforms.base import Target

    target = Target(rows.codes[train], rows.signature.classes, seed)
    return preprocessor(rows.recipe, form).fit_transform(rows.design.take(train), target)
