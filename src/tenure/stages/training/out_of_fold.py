"""What the chosen model says of rows it has not learned from: each fold predicted by a fit on the others.

The only honest ground for what is learned after the search. It is kept beside the model, so that an edited threshold
needs no fit at all. It holds predictions and the truth, no inputs.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenure.core.errors import StageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tenure.ml.predictions import Predictions
    from tenure.ml.signature import Signature
    from tenure.stages.training.preparation import PreparedFold

    Ends = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None

_ENDS = ("low", "high")


@dataclass(frozen=True)
class OutOfFold:
    """Predictions and truth, fold after fold.

    `said` are probabilities (rows, classes) or numbers (rows,), `truth` class positions or numbers (rows,), and `fold`
    the number of the fold of each row. `quantiles` (rows,) each, where the model has some.
    """

    said: npt.NDArray[np.float64]
    truth: npt.NDArray[Any]
    fold: npt.NDArray[np.int64]
    quantiles: Ends = None

    def __len__(self) -> int:
        return len(self.truth)


def out_of_fold(
    folds: Iterable[PreparedFold],
    predicted: Callable[[PreparedFold], tuple[Predictions, Ends]],
) -> OutOfFold:
    """Predict the validation rows of each fold. `predicted` fits to the rows to learn from, and says what follows."""
    import numpy as np

    said, truth, number, quantiles = [], [], [], []
    for position, fold in enumerate(folds):
        found, ends = predicted(fold)
        if ends is not None:
            quantiles.append(ends)
        said.append(found.labels.astype(np.float64) if found.probabilities is None else found.probabilities)
        truth.append(fold.validation.target)
        number.append(np.full(len(fold.validation.target), position))
    low_high = None
    if quantiles:
        low, high = (np.concatenate(one) for one in zip(*quantiles, strict=True))
        low_high = low, high
    return OutOfFold(np.concatenate(said), np.concatenate(truth), np.concatenate(number), low_high)


def together(found: Sequence[OutOfFold], shares: Sequence[float]) -> OutOfFold:
    """The weighted mean of what several said of the same rows."""
    import numpy as np

    total = np.zeros_like(found[0].said)
    for one, share in zip(found, shares, strict=True):
        if share:
            total += share * one.said
    return OutOfFold(total, found[0].truth, found[0].fold)


def encode(found: OutOfFold) -> bytes:
    """As Parquet: `fold`, `truth`, and `prediction` (with `low` and `high`) or `p0`, `p1`, ... in the order of the
    classes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"fold": pa.array(found.fold), "truth": pa.array(found.truth)}
    if found.said.ndim == 1:
        columns["prediction"] = pa.array(found.said)
        if found.quantiles is not None:
            columns |= {name: pa.array(ends) for name, ends in zip(_ENDS, found.quantiles, strict=True)}
    else:
        columns |= {f"p{k}": pa.array(found.said[:, k]) for k in range(found.said.shape[1])}
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    return sink.getvalue()


def decode(data: bytes, signature: Signature) -> OutOfFold:
    """The predictions from their file. Raises StageError when it is damaged."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(data))
        if signature.task == "regression":
            said = table.column("prediction").to_numpy()
        else:
            said = np.column_stack([table.column(f"p{k}").to_numpy() for k in range(len(signature.classes))])
        low_high = None
        if set(_ENDS) <= set(table.column_names):
            low, high = (table.column(name).to_numpy() for name in _ENDS)
            low_high = low, high
        return OutOfFold(said, table.column("truth").to_numpy(), table.column("fold").to_numpy(), low_high)
    except (pa.ArrowInvalid, KeyError) as error:
        raise StageError("the out-of-fold predictions cannot be read", str(error)) from error
