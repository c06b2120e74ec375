"""Which row is used for what: the frozen train/validation/test parts, and the folds of cross-validation."""

from __future__ import annotations

import warnings
from datetime import timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt

from tenure.core.errors import StageError

SplitType = Literal["random", "stratified", "datetime"]
FoldType = Literal["stratified", "kfold", "time_series"]
Labels = npt.NDArray[np.str_]
Fold = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]


def assign(
    rows: int,
    kind: SplitType,
    *,
    test: float,
    validation: float = 0.0,
    seed: int = 0,
    classes: npt.NDArray[np.object_] | None = None,
    times: npt.NDArray[np.datetime64] | None = None,
    gap: timedelta | None = None,
) -> Labels:
    """The part of every row: `train`, `validation`, `test`, or `gap` (left out between parts of a datetime split).

    `classes` (rows,) is needed by `stratified`, `times` (rows,) by `datetime`, where the latest share goes to the
    test part, the share before it to validation, and rows of one instant are never torn apart. Deterministic for
    one seed. Raises StageError when a part would be empty.
    """
    if kind == "datetime":
        return _by_time(rows, test, validation, times, gap)
    order = np.random.default_rng(seed).permutation(rows)
    wanted = {"test": test, "validation": validation}
    labels = np.full(rows, "train", dtype="<U10")
    if kind == "random":
        start = 0
        for part, share in wanted.items():
            size = _size(rows, share)
            labels[order[start : start + size]] = part
            start += size
    else:
        if classes is None:
            raise ValueError("a stratified split needs the classes of the rows")
        # Within each class the shuffled rows are dealt out by cumulative share, so that the rounding of many small
        # classes does not add up and a class with one row stays in the training part.
        codes = np.unique(classes.astype(str), return_inverse=True)[1]
        if rows > 1 and int(codes.max()) + 1 == rows:
            raise StageError(
                "no class has a second row",
                f"each of the {rows} rows has a class of its own, so none can be both learned and tested",
                "check the target column, or set split type random",
                path=("data", "target_column"),
            )
        for code in range(int(codes.max()) + 1 if rows else 0):
            members = order[codes[order] == code]
            start = 0
            for part, share in wanted.items():
                size = min(_size(len(members), share), max(0, len(members) - 1 - start))
                labels[members[start : start + size]] = part
                start += size
    return _complete(labels, test, validation, rows)


def _size(rows: int, share: float) -> int:
    return int(rows * share + 0.5)


def _by_time(
    rows: int, test: float, validation: float, times: npt.NDArray[np.datetime64] | None, gap: timedelta | None
) -> Labels:
    if times is None:
        raise ValueError("a datetime split needs the times of the rows")
    if np.isnat(times).any():
        raise StageError(
            "rows without a timestamp",
            f"{int(np.isnat(times).sum())} of {rows} rows have no timestamp, so a datetime split cannot place them",
            "drop them with a filter, or choose another split type",
            path=("data", "split", "type"),
        )
    labels = np.full(rows, "train", dtype="<U10")
    instants, counts = np.unique(times, return_counts=True)
    later = np.cumsum(counts[::-1])[::-1] / max(rows, 1)  # share of rows at or after each instant
    # The parts lie one after the other: each starts at a boundary between instants, as near to its share as can be.
    end = len(instants)
    for part, share in (("test", test), ("validation", test + validation if validation > 0 else 0.0)):
        if share <= 0:
            continue
        candidates = np.arange(1, end)
        if len(candidates) == 0:
            raise StageError(
                "too few instants to split by time",
                f"the rows have {len(instants)} distinct timestamp(s); training and {part} part need one each",
                "choose split type random or stratified",
                path=("data", "split", "type"),
            )
        cut = int(candidates[np.argmin(np.abs(later[candidates] - share))])
        inside = (times >= instants[cut]) & (times <= instants[end - 1])
        labels[inside & (labels != "gap")] = part
        if gap is not None:
            labels[(times < instants[cut]) & (times > instants[cut] - np.timedelta64(gap))] = "gap"
        end = cut
    return _complete(labels, test, validation, rows)


def _complete(labels: Labels, test: float, validation: float, rows: int) -> Labels:
    for part, share in (("train", 1.0), ("test", test), ("validation", validation)):
        if share > 0 and not (labels == part).any():
            raise StageError(
                f"the {part} part is empty",
                f"{rows} row(s) are too few to give each part of the split at least one",
                "add rows, or change the shares of the split",
                path=("data", "split"),
            )
    return labels


def folds(
    kind: FoldType,
    count: int,
    rows: int,
    *,
    seed: int = 0,
    codes: npt.NDArray[np.int64] | None = None,
    times: npt.NDArray[np.datetime64] | None = None,
) -> list[Fold]:
    """`count` pairs of (training rows, validation rows).

    `stratified` and `kfold` shuffle under the seed; `time_series` trains on the past and validates on what follows,
    with rows of one instant on the same side. Raises StageError when the rows do not suffice.
    """
    from sklearn.model_selection import KFold, StratifiedKFold, TimeSeriesSplit

    where = ("training", "cross_validation", "folds")
    if rows < 2 * count:
        raise StageError(
            "too few rows for cross-validation",
            f"{rows} training row(s) cannot be cut into {count} folds of at least two rows",
            "add rows, or lower training.cross_validation.folds",
            path=where,
        )
    index = np.arange(rows)
    if kind == "time_series":
        if times is None:
            raise StageError(
                "time_series folds need a timestamp",
                "the data has no timestamp column, so there is no order to respect",
                "set data.timestamp_column, or choose kfold or stratified",
                path=("training", "cross_validation", "type"),
            )
        instants, position = np.unique(times, return_inverse=True)
        if len(instants) <= count:
            raise StageError(
                "too few instants for time_series folds",
                f"{len(instants)} distinct timestamp(s) cannot be cut into {count} folds",
                "lower training.cross_validation.folds, or choose kfold or stratified",
                path=where,
            )
        return [
            (index[np.isin(position, past)], index[np.isin(position, future)])
            for past, future in TimeSeriesSplit(n_splits=count).split(instants)
        ]
    if kind == "stratified":
        if codes is None:
            raise ValueError("stratified folds need the classes of the rows")
        smallest = int(np.bincount(codes)[np.unique(codes)].max())
        if smallest < count:
            raise StageError(
                "too few rows of each class for cross-validation",
                f"the most frequent class has {smallest} row(s), fewer than the {count} folds",
                "add rows, or lower training.cross_validation.folds",
                path=where,
            )
        with warnings.catch_warnings():
            # A class with fewer rows than folds is missing from some of them, which the metrics can live with.
            warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
            return list(StratifiedKFold(count, shuffle=True, random_state=seed).split(index, codes))
    return list(KFold(count, shuffle=True, random_state=seed).split(index))
