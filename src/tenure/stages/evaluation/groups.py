"""Rows of the test part in groups: by the values of a column, by ranges of a number, or by a condition."""

from __future__ import annotations

import difflib
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenure.core.errors import StageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from tenure.ml.signature import ColumnType

MOST_GROUPS = 20
"""Values of a column that are groups of their own; the rarer ones are one group together."""
MOST_NUMBERS = 10
"""A number with more distinct values is cut into `PARTS` parts of equal count."""
PARTS = 4


@dataclass(frozen=True)
class Group:
    """Some of the rows: `rows` (rows,) is a mask."""

    label: str
    rows: npt.NDArray[np.bool_]


def groups_of(table: pa.Table, text: str, path: tuple[str | int, ...]) -> tuple[Group, ...]:
    """The groups that a column or a condition makes of the rows of a snapshot; rows without a value are one too.

    Raises StageError for a column that is not there and a condition that cannot be computed.
    """
    from tenure.ml.snapshot import PART

    columns = [name for name in table.column_names if name != PART]
    if text in columns:
        return _by_column(table.column(text))
    return (Group(text, _condition(table, text, columns, path)),)


def _by_column(column: pa.ChunkedArray) -> tuple[Group, ...]:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    missing = np.asarray(pc.is_null(column, nan_is_null=True).to_numpy(), dtype=bool)
    known = column.filter(pa.array(~missing))
    counts = pc.value_counts(known.combine_chunks() if isinstance(known, pa.ChunkedArray) else known)
    values, sizes = counts.field("values"), counts.field("counts").to_numpy()
    number = (
        pa.types.is_integer(column.type)
        or pa.types.is_floating(column.type)
        or pa.types.is_temporal(column.type)
    )
    if number and len(values) > MOST_NUMBERS:
        groups = _ranges(column, missing)
    else:
        groups = _values(column, values, sizes)
    if missing.any():
        groups.append(Group("missing", missing))
    return tuple(groups)


def _values(column: pa.ChunkedArray, values: Any, sizes: npt.NDArray[np.int64]) -> list[Group]:
    """A group per value, in ascending order; beyond `MOST_GROUPS` the most frequent ones and the rest."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    order = np.argsort(-sizes, kind="stable")
    own = order if len(order) <= MOST_GROUPS else order[: MOST_GROUPS - 1]
    listed = sorted((values[int(position)] for position in own), key=lambda item: item.as_py())
    groups = [Group(_label(value.as_py()), _mask(pc.equal(column, value))) for value in listed]
    if len(own) < len(order):
        rare = pa.array([values[int(position)].as_py() for position in order[len(own) :]], values.type)
        groups.append(Group(f"{len(rare)} rarer values", _mask(pc.is_in(column, rare))))
    return groups


def _ranges(column: pa.ChunkedArray, missing: npt.NDArray[np.bool_]) -> list[Group]:
    """Parts of about equal count, by the quantiles; equal values stay together."""
    import numpy as np
    import pyarrow as pa

    temporal = pa.types.is_temporal(column.type)
    values = column.to_numpy()
    numbers = values.astype("datetime64[us]").astype(np.int64) if temporal else values.astype(np.float64)
    known = numbers[~missing]
    edges = np.unique(np.quantile(known, np.arange(1, PARTS) / PARTS, method="lower"))
    edges = edges[edges > known.min()]
    codes = np.searchsorted(edges, numbers, side="right")
    shown = [_moment(edge) if temporal else f"{edge:.6g}" for edge in edges]
    labels = (
        [
            f"below {shown[0]}",
            *(f"{low} to below {high}" for low, high in itertools.pairwise(shown)),
        ]
        if shown
        else []
    )
    labels.append(f"{shown[-1]} and above" if shown else "all values")
    return [Group(label, (codes == code) & ~missing) for code, label in enumerate(labels)]


def _condition(
    table: pa.Table, text: str, columns: list[str], path: tuple[str | int, ...]
) -> npt.NDArray[np.bool_]:
    from tenure.ml.expression import Derived, evaluate, references, result_type

    name = "__group__"
    try:
        for read in references(name, text, path):
            if not any(read.casefold() == column.casefold() for column in columns):
                close = difflib.get_close_matches(read, columns, n=1)
                raise StageError(
                    "unknown column",
                    f"{text!r} reads {read!r}, which is no column of the snapshot",
                    f"did you mean {close[0]!r}?" if close else f"the columns are {', '.join(columns)}",
                    path=path,
                )
        given = table.select(columns)
        kind = result_type(name, text, {column: _type(given.column(column).type) for column in columns}, path)
        if kind != "boolean":
            raise StageError(
                "not a condition",
                f"{text!r} gives a {kind}, not true or false",
                "compare it with something",
                path=path,
            )
        found = evaluate(given, [Derived(name, text, "boolean")]).column(name)
    except StageError as error:
        # The engine speaks of derived columns, which the person did not write.
        told = error.detail.removeprefix(f"derived column {name!r} = ")
        if told == error.detail:
            raise
        raise StageError(
            "not a condition", told, "write a column, or a condition such as `age >= 65`", path=path
        ) from error
    return _mask(found)


def _type(kind: pa.DataType) -> ColumnType:
    import pyarrow as pa

    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind):
        return "integer"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    return "timestamp" if pa.types.is_temporal(kind) else "string"


def _mask(column: Any) -> npt.NDArray[np.bool_]:
    import numpy as np
    import pyarrow.compute as pc

    return np.asarray(pc.fill_null(column, False).to_numpy(zero_copy_only=False), dtype=bool)


def _label(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _moment(edge: Any) -> str:
    import numpy as np

    text = str(np.datetime64(int(edge), "us").astype("datetime64[s]"))
    return text.removesuffix("T00:00:00")
