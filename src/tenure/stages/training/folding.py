"""Which rows a trial learns from and which it is scored on: folds by kind, and how many are worth their time.

Everything is decided by the rows and the seed, with numpy alone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from tenure.core.errors import StageError
from tenure.core.units import parse_duration

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tenure.stages.training.preparation import TrainingRows
    from tenure.stages.training.section import CrossValidation

    Fold = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]

Kind = Literal["stratified", "kfold", "time_series", "group", "holdout"]

MOST_ROWS_FOR_FIVE, MOST_ROWS_FOR_SEVERAL = 5_000, 50_000
"""Up to the first so many rows five folds by default, up to the second three, beyond it one: a holdout. With few rows
the noise of a score is what misleads a search; with many it is small, and time is what is short. Where there are more
than two classes a row counts once for each, as boosting grows a tree for each."""
HOLDOUT_SHARE = 0.2

_WHERE = ("training", "cross_validation")


def cut_folds(rows: TrainingRows, wanted: CrossValidation | None, seed: int) -> tuple[list[Fold], str]:
    """Pairs of (rows to learn from, rows to be scored on), and what they are, in words.

    A validation part of the split is used as the one fold unless cross-validation is asked for. A fold whose rows to
    learn from have one class only, or that has no rows to be scored on, is left out. Raises StageError when the rows
    do not suffice.
    """
    import numpy as np

    if wanted is None and rows.validation.any():
        cut: list[Fold] = [(np.flatnonzero(~rows.validation), np.flatnonzero(rows.validation))]
        said = "validation part"
    else:
        kind = _kind(rows, wanted)
        count = 1 if kind == "holdout" else _count(rows, wanted)
        cut = _cut(kind, count, rows, wanted, seed)
        said = "holdout of a fifth of the rows" if kind == "holdout" else f"{count} {kind} folds"
        if wanted is not None and wanted.repeats > 1:
            said += f", {wanted.repeats} times"
    classes = rows.signature.task != "regression"
    usable = [
        (train, test)
        for train, test in cut
        if len(test) and len(train) and not (classes and len(np.unique(rows.codes[train])) < 2)
    ]
    if not usable:
        raise StageError(
            "no fold has two classes to learn from" if classes else "no fold has rows to learn from",
            f"in each of the {len(cut)} folds the rows to learn from are too few or have one class only",
            "lower training.cross_validation.folds, or choose another type",
            path=_WHERE,
        )
    return usable, said


def _kind(rows: TrainingRows, wanted: CrossValidation | None) -> Kind:
    classes = rows.signature.task != "regression"
    if wanted is not None and wanted.type is not None:
        if wanted.type == "stratified" and not classes:
            raise StageError(
                "stratified folds need classes",
                f"target {rows.signature.target!r} is a number",
                "choose kfold or time_series",
                path=(*_WHERE, "type"),
            )
        return wanted.type
    if rows.split_type == "datetime" and rows.times is not None:
        return "time_series"
    if rows.split_type == "group" or (wanted is not None and wanted.column is not None):
        return "group"
    if (
        _size(rows) > MOST_ROWS_FOR_SEVERAL
        and len(rows.codes) > MOST_ROWS_FOR_FIVE
        and (wanted is None or wanted.folds is None)
    ):
        return "holdout"
    return "stratified" if classes else "kfold"


def _count(rows: TrainingRows, wanted: CrossValidation | None) -> int:
    if wanted is not None and wanted.folds is not None:
        return wanted.folds
    return 5 if _size(rows) <= MOST_ROWS_FOR_FIVE else 3


def _size(rows: TrainingRows) -> int:
    """How much there is to fit, in rows."""
    return len(rows.codes) * (len(rows.signature.classes) if rows.signature.task == "multiclass" else 1)


def _cut(kind: Kind, count: int, rows: TrainingRows, wanted: CrossValidation | None, seed: int) -> list[Fold]:
    import numpy as np

    total = len(rows.codes)
    if total < 2 * max(count, 2):
        raise StageError(
            "too few rows for cross-validation",
            f"{total} training row(s) cannot be cut into {max(count, 2)} folds of at least two rows",
            "add rows, or lower training.cross_validation.folds",
            path=(*_WHERE, "folds"),
        )
    if kind == "time_series":
        gap = wanted.gap if wanted is not None else None
        return _by_time(rows, count, parse_duration(gap).approximate_seconds if gap else 0.0)
    dealt: Callable[[np.random.Generator], npt.NDArray[np.intp]]
    classes = rows.signature.task != "regression"
    if kind == "holdout":
        parts = round(1 / HOLDOUT_SHARE)
        dealt = lambda draw: _by_class(rows.codes, parts, draw) if classes else _even(total, parts, draw)  # noqa: E731
    elif kind == "group":
        groups = _groups(rows, wanted, count)
        dealt = lambda draw: _by_group(groups, count, draw)  # noqa: E731
    elif kind == "stratified":
        most = int(np.bincount(rows.codes).max())
        if most < count:
            raise StageError(
                "too few rows of each class for cross-validation",
                f"the most frequent class has {most} row(s), fewer than the {count} folds",
                "add rows, or lower training.cross_validation.folds",
                path=(*_WHERE, "folds"),
            )
        dealt = lambda draw: _by_class(rows.codes, count, draw)  # noqa: E731
    else:
        dealt = lambda draw: _even(total, count, draw)  # noqa: E731
    cut = []
    for repeat in range(wanted.repeats if wanted is not None and kind != "holdout" else 1):
        fold = dealt(np.random.default_rng([seed, repeat]))
        cut += [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(count)]
    return cut


def _even(total: int, count: int, draw: np.random.Generator) -> npt.NDArray[np.intp]:
    """The fold of each row: all folds have as many rows, give or take one."""
    import numpy as np

    fold = np.empty(total, dtype=np.intp)
    fold[draw.permutation(total)] = np.arange(total) % count
    return fold


def _by_class(codes: npt.NDArray[Any], count: int, draw: np.random.Generator) -> npt.NDArray[np.intp]:
    """As `_even`, and each class is spread over the folds; a class with fewer rows than folds is missing in some."""
    import numpy as np

    order = draw.permutation(len(codes))
    # Dealt out class after class without starting anew, so that the remainders of many small classes do not add up.
    order = order[np.argsort(codes[order], kind="stable")]
    fold = np.empty(len(codes), dtype=np.intp)
    fold[order] = np.arange(len(codes)) % count
    return fold


def _by_group(groups: npt.NDArray[np.intp], count: int, draw: np.random.Generator) -> npt.NDArray[np.intp]:
    """The fold of each row, all rows of a group in the same: large groups first, each to the fold with fewest rows."""
    import heapq

    import numpy as np

    sizes = np.bincount(groups)
    order = draw.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    held = [(0, number) for number in range(count)]
    fold_of = np.empty(len(sizes), dtype=np.intp)
    for group in order:
        rows, number = held[0]
        fold_of[group] = number
        heapq.heapreplace(held, (rows + int(sizes[group]), number))
    return fold_of[groups]


def _groups(rows: TrainingRows, wanted: CrossValidation | None, count: int) -> npt.NDArray[np.intp]:
    import numpy as np

    column = (wanted.column if wanted is not None else None) or rows.split_column
    if column is None:
        raise StageError(
            "group folds need a column",
            "rows of one group stay together, and no column says which group a row belongs to",
            "set training.cross_validation.column, or choose stratified or kfold",
            path=(*_WHERE, "column"),
        )
    values = rows.column(column)
    groups = np.unique(values.astype(str), return_inverse=True)[1]
    if int(groups.max()) + 1 < count:
        raise StageError(
            "too few groups for cross-validation",
            f"column {column!r} has {int(groups.max()) + 1} distinct value(s), fewer than the {count} folds",
            "lower training.cross_validation.folds, or choose stratified or kfold",
            path=(*_WHERE, "folds"),
        )
    return np.asarray(groups, dtype=np.intp)


def _by_time(rows: TrainingRows, count: int, gap: float) -> list[Fold]:
    """Learn from the past, be scored on what follows; rows of one instant stay on one side.

    The rows are cut into `count` + 1 stretches of about as many rows; each but the first is scored on by a fit on all
    before it, except rows within `gap` seconds before its first instant.
    """
    import numpy as np

    if rows.times is None:
        raise StageError(
            "time_series folds need a timestamp",
            "the data has no timestamp column, so there is no order to respect",
            "set data.timestamp_column, or choose kfold or stratified",
            path=(*_WHERE, "type"),
        )
    instants, position, held = np.unique(rows.times, return_inverse=True, return_counts=True)
    if len(instants) <= count:
        raise StageError(
            "too few instants for time_series folds",
            f"{len(instants)} distinct timestamp(s) cannot be cut into {count} folds",
            "lower training.cross_validation.folds, or choose kfold or stratified",
            path=(*_WHERE, "folds"),
        )
    before = np.cumsum(held) - held
    starts: list[int] = []
    for number in range(1, count + 1):
        wanted = int(np.searchsorted(before, number * len(rows.times) / (count + 1)))
        # Each stretch has an instant of its own, and leaves one for each that follows.
        lowest = starts[-1] + 1 if starts else 1
        starts.append(min(max(wanted, lowest), len(instants) - (count - number) - 1))
    folds = []
    for start, end in zip(starts, [*starts[1:], len(instants)], strict=True):
        known = rows.times < instants[start] - np.timedelta64(timedelta(seconds=gap))
        learned = known if gap else position < start
        folds.append((np.flatnonzero(learned), np.flatnonzero((position >= start) & (position < end))))
    return folds
