"""The design: the features of rows in the types that a preprocessor reads, the same from a file and from a request."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tenure.core.errors import StageError
from tenure.ml.expression import evaluate
from tenure.ml.recipe import Interaction, Reads, Recipe
from tenure.ml.signature import ARROW_TYPES, InputColumn

LARGEST = float(np.finfo(np.float32).max)
"""Numbers beyond this are taken for it: many algorithms compute in float32, where they would be infinite."""

_FEW = 64
"""Rows up to which a loop in Python is faster than Arrow's dictionaries."""


class Text:
    """A text column as positions in a list of its values; -1 is a missing value. Values may occur in no row."""

    __slots__ = ("categories", "codes")

    def __init__(self, codes: npt.NDArray[np.int64], categories: Sequence[str]) -> None:
        self.codes = codes
        self.categories = categories

    @classmethod
    def of(cls, values: pa.ChunkedArray) -> Text:
        """From a column of text."""
        if len(values) <= _FEW:
            positions: dict[str, int] = {}
            codes = [
                -1 if value is None else positions.setdefault(value, len(positions))
                for value in values.to_pylist()
            ]
            return cls(np.array(codes, dtype=np.int64), list(positions))
        encoded = values.combine_chunks().dictionary_encode()
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.combine_chunks()
        return cls(
            encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64),
            encoded.dictionary.to_pylist(),
        )

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: npt.NDArray[Any]) -> Text:
        """Some rows, by position or mask."""
        return Text(self.codes[rows], self.categories)

    def counts(self) -> npt.NDArray[np.int64]:
        """How many rows have each of the categories."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.categories))


class Design(Mapping[str, Any]):
    """The features of rows by name: float64 (rows,) with NaN where a number or boolean is missing, datetime64[us]
    (rows,) with NaT, or `Text`."""

    def __init__(self, columns: Mapping[str, Any], rows: int) -> None:
        self._columns = columns
        self._rows = rows

    def __getitem__(self, name: str) -> Any:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        """How many columns there are."""
        return len(self._columns)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self._rows

    @property
    def cells(self) -> int:
        """Rows times columns."""
        return self._rows * len(self._columns)

    def take(self, rows: npt.NDArray[Any]) -> Design:
        """Some rows, by position (rows,) or as a mask; text shares its categories."""
        count = int(rows.sum()) if rows.dtype == bool else len(rows)
        return Design(
            {
                name: values.take(rows) if isinstance(values, Text) else values[rows]
                for name, values in self._columns.items()
            },
            count,
        )


def derive(recipe: Recipe, table: pa.Table) -> pa.Table:
    """The raw inputs in their canonical types, then the derived columns.

    Columns of `table` that are no input are dropped. Raises StageError for a missing column, a column whose values
    do not convert, and a derived column that cannot be computed.
    """
    columns = canonical_inputs(recipe, table)
    return evaluate(pa.table(columns) if columns else table.select([]), recipe.derived)


def canonical_inputs(recipe: Recipe, table: pa.Table) -> dict[str, pa.ChunkedArray]:
    """The raw inputs by name in their canonical types. Raises StageError as `derive`."""
    columns = {}
    for column in recipe.inputs:
        position = table.schema.get_field_index(column.name)
        if position < 0:
            raise StageError(
                "a column is missing", f"the model needs column {column.name!r}, which the data does not have"
            )
        columns[column.name] = _canonical(column, table.column(position))
    return columns


def _canonical(column: InputColumn, values: pa.ChunkedArray) -> pa.ChunkedArray:
    wanted = ARROW_TYPES[column.type]
    if values.type == wanted:
        return values
    try:
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        if pa.types.is_boolean(values.type) and column.type == "string":
            return values.cast(pa.string())
        if pa.types.is_timestamp(values.type) and values.type.tz is not None:
            # Arrow keeps zoned instants in UTC, so dropping the zone leaves UTC.
            values = values.cast(pa.timestamp(values.type.unit))
        # Nanoseconds are cut off: no model needs them, and a request in ISO 8601 rarely carries them.
        return values.cast(wanted, safe=column.type != "timestamp")
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise StageError(
            "a column has another type than the model was made for",
            f"column {column.name!r} is {values.type}, the model takes {column.type}: {str(error).splitlines()[0]}",
        ) from error


def design(recipe: Recipe, table: pa.Table) -> Design:
    """The features of a table with the raw inputs; infinite numbers are missing ones. Raises StageError as `derive`."""
    if recipe.derived:
        complete = derive(recipe, table)
        given = {name: complete.column(name) for name in complete.column_names}
    else:
        given = canonical_inputs(recipe, table)
    columns: dict[str, Any] = {}
    for name, reads in recipe.reads.items():
        if name not in given:
            continue
        columns[name] = read_as(given[name], reads)
    for interaction in recipe.interactions:
        columns[interaction.name] = _together(interaction, given)
    return Design(columns, table.num_rows)


def read_as(values: pa.ChunkedArray, reads: Reads) -> Any:
    """The values of one column as they are looked at: numbers and instants as an array, or `Text`."""
    if reads == "text":
        return _text(values)
    if reads == "timestamp":
        return values.to_numpy().astype("datetime64[us]")
    return _floats(values)


def _floats(values: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    if len(values) <= _FEW:
        return np.array([_number(value) for value in values.to_pylist()])
    if not pa.types.is_float64(values.type):
        values = values.cast(pa.float64(), safe=False)
    return _bounded(np.array(values.to_numpy(), dtype=np.float64))


def _number(value: float | None) -> float:
    """One number as `_bounded` has it."""
    if value is None or not math.isfinite(value):
        return math.nan
    if abs(value) > LARGEST:
        return math.copysign(LARGEST, value)
    return float(value)


def _bounded(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    values[np.isinf(values)] = np.nan
    return np.clip(values, -LARGEST, LARGEST, out=values)


def _text(values: pa.ChunkedArray) -> Text:
    """Whole numbers and booleans that are treated as categories become their text."""
    return Text.of(values if pa.types.is_string(values.type) else values.cast(pa.string()))


def _together(interaction: Interaction, given: Mapping[str, pa.ChunkedArray]) -> npt.NDArray[np.float64]:
    first, *others = (_floats(given[name]) for name in interaction.columns)
    with np.errstate(all="ignore"):
        for other in others:
            if interaction.type == "product":
                first = first * other
            elif interaction.type == "sum":
                first = first + other
            elif interaction.type == "difference":
                first = first - other
            else:
                first = np.where(other == 0, np.nan, first / other)
    return _bounded(first)
