"""What an explanation looks at, and what it says of each column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from tenure.ml.metrics import Metric
    from tenure.ml.predictor import Predictor

BINS = 8
"""Points at which the direction of a column is shown."""


@dataclass(frozen=True)
class Asked:
    """The model and the rows of the test part it is explained on; `truth` (rows,). `measure` is the primary metric.

    Of `personal` columns no value is shown.
    """

    predictor: Predictor
    table: pa.Table
    truth: npt.NDArray[Any]
    measure: Metric
    seed: int
    personal: frozenset[str] = frozenset()


class Importance(msgspec.Struct, frozen=True):
    """How much the model goes by one column. `low` and `high` are what chance makes of it; `curve` says what the
    model answers on average where the column has certain values: [{at, value, rows}]."""

    column: str
    value: float
    low: float | None = None
    high: float | None = None
    curve: tuple[dict[str, Any], ...] = ()


class Explanation(msgspec.Struct, frozen=True):
    """Columns by falling importance. `unit` says what the numbers are, `answer` what the curves show."""

    type: str
    unit: str
    answer: str
    rows: int
    columns: tuple[Importance, ...]
    note: str = ""


class Explains(Protocol):
    """A kind of explanation."""

    def explain(self, asked: Asked) -> Explanation | None:
        """Explain the model, or None where that is not wanted."""


def chosen_rows(asked: Asked, most: int) -> npt.NDArray[np.intp]:
    """At most so many rows, drawn by the seed, in their order."""
    import numpy as np

    rows = asked.table.num_rows
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(asked.seed).choice(rows, most, replace=False))


def curve(
    asked: Asked, table: pa.Table, name: str, answers: npt.NDArray[np.float64]
) -> tuple[dict[str, Any], ...]:
    """The mean of the answers (rows,) where a column has certain values: parts of equal count of a number, the most
    frequent values of anything else.

    Nothing for personal columns, for columns the rows do not have, and for texts of which most rows have their own.
    """
    import numpy as np
    import pyarrow as pa

    if name in asked.personal or name not in table.column_names:
        return ()
    column = table.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if number:
        values = column.cast(pa.float64(), safe=False).to_numpy()
        known = np.flatnonzero(np.isfinite(values))
        distinct = np.unique(values[known])
        if len(distinct) > BINS:
            order = known[np.argsort(values[known], kind="stable")]
            return tuple(
                {"at": float(values[part].mean()), "value": float(answers[part].mean()), "rows": len(part)}
                for part in np.array_split(order, BINS)
            )
        parts = [(float(value), known[values[known] == value]) for value in distinct]
        return tuple(
            {"at": at, "value": float(answers[part].mean()), "rows": len(part)} for at, part in parts
        )
    texts = np.array(["missing" if item is None else str(item) for item in column.to_pylist()], dtype=object)
    names, counts = np.unique(texts.astype(str), return_counts=True)
    if len(names) > max(BINS, len(texts) // 2):
        return ()
    frequent = names[np.argsort(-counts, kind="stable")][:BINS]
    return tuple(
        {"at": str(name), "value": float(answers[texts == name].mean()), "rows": int((texts == name).sum())}
        for name in frequent
    )


def answered(predictor: Predictor, table: pa.Table) -> tuple[npt.NDArray[np.float64], str] | None:
    """One number per row that can be averaged, and what it is; None for several classes, which have no one number."""
    predictions = predictor.predict(table)
    if predictions.probabilities is None:
        return predictions.labels, "prediction"
    if len(predictions.classes) == 2:
        return predictions.probabilities[:, 1], f"probability of {predictions.classes[1]}"
    return None
