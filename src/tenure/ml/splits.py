"""Which row is used for what: the frozen train, validation and test parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tenure.core.errors import StageError

Parts = npt.NDArray[np.uint8]
"""The part of every row, as a position in `PARTS`."""

PARTS = ("train", "validation", "test")
_TRAIN, _VALIDATION, _TEST = range(3)


def by_chance(rows: int, *, test: float, validation: float = 0.0, seed: int = 0) -> Parts:
    """The part of every row, dealt out by chance. Deterministic for one seed. Raises StageError for an empty part."""
    parts = np.zeros(rows, dtype=np.uint8)
    order = _shuffled(rows, seed)
    start = 0
    for part, share in ((_TEST, test), (_VALIDATION, validation)):
        size = _size(rows, share)
        parts[order[start : start + size]] = part
        start += size
    return complete(parts, test, validation)


def within_classes(
    codes: npt.NDArray[np.integer[Any]], *, test: float, validation: float = 0.0, seed: int = 0
) -> Parts:
    """The part of every row, dealt out by chance within each class; `codes` (rows,) count the classes from 0.

    A class with one row stays in the training part. Raises StageError when no class has a second row or a part would
    be empty.
    """
    rows = len(codes)
    if rows > 1 and int(codes.max()) + 1 == rows:
        raise StageError(
            "no class has a second row",
            f"each of the {rows} rows has a class of its own, so none can be both learned and tested",
            "check the target column, or set split type random",
            path=("data", "target_column"),
        )
    parts = np.zeros(rows, dtype=np.uint8)
    order = _shuffled(rows, seed)
    of_order = codes[order]
    # Within each class the shuffled rows are dealt out by cumulative share, so that the rounding of many small
    # classes does not add up and a class with one row stays in the training part.
    for code in range(int(codes.max()) + 1 if rows else 0):
        members = order[of_order == code]
        start = 0
        for part, share in ((_TEST, test), (_VALIDATION, validation)):
            size = min(_size(len(members), share), max(0, len(members) - 1 - start))
            parts[members[start : start + size]] = part
            start += size
    return complete(parts, test, validation)


def of_groups(
    sizes: npt.NDArray[np.integer[Any]], *, test: float, validation: float = 0.0, seed: int = 0
) -> Parts:
    """The part of every group, of which `sizes` (groups,) counts the rows; a group is never torn apart.

    The groups are looked at in an order by chance, and each is taken that brings the part nearer to its share, so that
    large and small groups have a chance to be tested. Raises StageError when there are fewer groups than parts.
    """
    wanted = [(part, share) for part, share in ((_TEST, test), (_VALIDATION, validation)) if share > 0]
    if len(sizes) <= len(wanted):
        raise StageError(
            "too few groups to split",
            f"the rows have {len(sizes)} group(s), and each of {len(wanted) + 1} parts needs one at least",
            "split by a column with more values, or choose another split type",
            path=("data", "split"),
        )
    parts = np.zeros(len(sizes), dtype=np.uint8)
    free = _shuffled(len(sizes), seed).tolist()
    rows = int(sizes.sum())
    for position, (part, share) in enumerate(wanted):
        goal, taken = share * rows, 0
        kept: list[int] = []
        parts_left = (
            len(wanted) - position
        )  # Parts that need one of the groups that are left, training among them.
        for at, group in enumerate(free):
            size = int(sizes[group])
            enough = len(kept) + len(free) - at - 1 >= parts_left
            if enough and abs(taken + size - goal) < abs(taken - goal):
                parts[group] = part
                taken += size
            else:
                kept.append(group)
        if not taken:
            smallest = min(kept, key=lambda group: int(sizes[group]))
            kept.remove(smallest)
            parts[smallest] = part
        free = kept
    return parts


def _shuffled(rows: int, seed: int) -> npt.NDArray[np.integer[Any]]:
    """The numbers from 0 in an order by chance, in as little memory as they need."""
    kind = np.int32 if rows < 2**31 else np.int64
    order: npt.NDArray[np.integer[Any]] = np.arange(rows, dtype=kind)
    np.random.default_rng(seed).shuffle(order)
    return order


def _size(rows: int, share: float) -> int:
    return int(rows * share + 0.5)


def complete(parts: Parts, test: float, validation: float) -> Parts:
    """The parts as they are. Raises StageError when one that has a share has no row."""
    counts = np.bincount(parts, minlength=len(PARTS))
    for part, share in ((_TRAIN, 1.0), (_TEST, test), (_VALIDATION, validation)):
        if share > 0 and not counts[part]:
            raise empty_part(PARTS[part], len(parts))
    return parts


def empty_part(part: str, rows: int) -> StageError:
    """The error for a part of a split that would have no row."""
    return StageError(
        f"the {part} part is empty",
        f"{rows} row(s) are too few to give each part of the split at least one",
        "add rows, or change the shares of the split",
        path=("data", "split"),
    )
