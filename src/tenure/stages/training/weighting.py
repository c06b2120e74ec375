"""What each row counts where classes are uneven: weights of classes, and rows left out or repeated.

Both change only what an algorithm learns from, inside a fold as in the final fit; rows to be judged on stay as they
are. Both move the probabilities towards the rarer classes: `calibration` moves them back.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import SpecModel, field

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tenure.ml.signature import Signature
    from tenure.stages.training.algorithm import Rows


def class_text(value: Any) -> Any:
    """A class as the key of a mapping: true is `true`, 1 is `1`."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


ClassName = Annotated[str, BeforeValidator(class_text)]
ClassWeights = Literal["balanced"] | dict[ClassName, Annotated[float, Field(gt=0, le=1e6)]]
"""`balanced`, or the weight of each class that does not weigh 1."""


class Sampling(SpecModel):
    """How many rows of each class an algorithm learns from."""

    type: Literal["undersample", "oversample", "none"] = field(
        Effect.RETRAIN,
        "`undersample` leaves out rows of frequent classes, `oversample` repeats rows of rare ones.",
    )
    ratio: float = field(
        Effect.RETRAIN,
        "Rows of a class for each row of the most frequent one: 1 makes all classes equally frequent. Classes that "
        "have more stay as they are.",
        1.0,
        gt=0,
        le=1,
    )


def weighted(
    rows: Rows, weights: ClassWeights | None, sampling: Sampling | None, signature: Signature, seed: int
) -> Rows:
    """The rows to learn from with their weights, some left out or repeated; the same rows when neither is asked for.

    Raises StageError for a target that is a number, and for a class that the target does not have.
    """
    active = sampling if sampling is not None and sampling.type != "none" else None
    if weights is None and active is None:
        return rows
    if signature.task == "regression":
        raise StageError(
            "a number has no classes",
            f"target {signature.target!r} is a number, so its rows cannot be weighted or sampled by class",
            "remove it",
            path=("training", "class_weights" if weights is not None else "sampling"),
        )
    if active is not None:
        chosen = sampled(rows.target, active, seed)
        # The cache was made of other rows.
        rows = dataclasses.replace(
            rows, matrix=rows.matrix[chosen], target=rows.target[chosen],
            weights=None if rows.weights is None else rows.weights[chosen], cache={},
        )  # fmt: skip
    if weights is None:
        return rows
    per_row = class_weights(rows.target, weights, signature)[rows.target]
    if rows.weights is not None:
        per_row = per_row * rows.weights
    return dataclasses.replace(rows, weights=per_row, cache={})


def sampled(codes: npt.NDArray[np.int64], sampling: Sampling, seed: int) -> npt.NDArray[np.intp]:
    """Which rows to learn from, in their order, repeats included, by the class position of each row (rows,)."""
    import numpy as np

    generator = np.random.default_rng(seed)
    counts = np.bincount(codes)
    occurring = counts[counts > 0]
    chosen = []
    for code in np.flatnonzero(counts):
        members = np.flatnonzero(codes == code)
        if sampling.type == "undersample":
            # The rarest class stays whole, so that each other one has at most 1 / ratio as many rows.
            most = int(np.ceil(occurring.min() / sampling.ratio))
            chosen.append(generator.choice(members, most, replace=False) if len(members) > most else members)
        else:
            lacking = int(np.ceil(occurring.max() * sampling.ratio)) - len(members)
            # Whole copies first: no row of a rare class is repeated twice more than another.
            whole, rest = divmod(max(0, lacking), len(members))
            chosen += [np.tile(members, 1 + whole), generator.choice(members, rest, replace=False)]
    return np.sort(np.concatenate(chosen))


def class_weights(
    codes: npt.NDArray[np.int64], weights: ClassWeights, signature: Signature
) -> npt.NDArray[np.float64]:
    """What a row of each class counts (classes,). `balanced` gives all classes that occur the same total weight."""
    import numpy as np

    return weights_of(np.bincount(codes, minlength=len(signature.classes)), weights, signature)


def weights_of(
    counts: npt.NDArray[np.int64], weights: ClassWeights, signature: Signature
) -> npt.NDArray[np.float64]:
    """As `class_weights`, from how many rows each class has (classes,)."""
    import numpy as np

    classes = signature.classes
    if weights == "balanced":
        total = counts.sum()
        return np.where(counts > 0, total / (np.count_nonzero(counts) * np.maximum(counts, 1)), 1.0)
    names = [class_text(value) for value in classes]
    unknown = [name for name in weights if name not in names]
    if unknown:
        raise StageError(
            "unknown class",
            f"target {signature.target!r} never is {unknown[0]!r}; its classes are {', '.join(names[:10])}",
            path=("training", "class_weights", unknown[0]),
        )
    return np.array([float(weights.get(name, 1.0)) for name in names])
