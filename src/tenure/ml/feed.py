"""Feeding an estimator that was fitted elsewhere: the features as they are, by the names and in the order it knows.

Such an estimator does its own preprocessing. Its columns have the types they have in pandas: float64 for numbers, with
NaN where a value is missing; int64 for whole numbers that are never missing; bool likewise; datetime64[us] in UTC; text
as objects of str, NaN where it is missing. A column has the same type in one row as in a thousand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tenure.ml.design import derive
from tenure.ml.recipe import Recipe

if TYPE_CHECKING:
    import pandas as pd


class Feed(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an adopted estimator is given, and how its answer is read.

    `columns` are features of the recipe in the estimator's order; `names` is what it calls them, empty for one that
    takes an array. `outputs` holds, for each class of the signature, which of its probabilities that is; empty where
    they are in the same order.
    """

    columns: tuple[str, ...]
    names: tuple[str, ...] = ()
    outputs: tuple[int, ...] = ()

    def rows(self, recipe: Recipe, table: pa.Table) -> pd.DataFrame | npt.NDArray[Any]:
        """The rows of a table with the raw inputs: a frame, or an array (rows, columns) for who knows no names."""
        complete = derive(recipe, table)
        steady = {column.name for column in recipe.inputs if not column.nullable}
        columns = [_in_pandas(complete.column(name), name in steady) for name in self.columns]
        if self.names:
            import pandas as pd

            series = {
                # Without a dtype pandas would make its own text type of it.
                name: pd.Series(values, dtype=object) if values.dtype == object else values
                for name, values in zip(self.names, columns, strict=True)
            }
            return pd.DataFrame(series, index=pd.RangeIndex(table.num_rows))
        numeric = all(values.dtype.kind in "fiub" for values in columns)
        return np.column_stack([values.astype(np.float64 if numeric else object) for values in columns])


def _in_pandas(values: pa.ChunkedArray, steady: bool) -> npt.NDArray[Any]:
    kind = values.type
    if pa.types.is_timestamp(kind):
        return np.asarray(values.to_numpy(), dtype="datetime64[us]")
    if pa.types.is_integer(kind) and steady:
        return np.asarray(values.to_numpy(), dtype=np.int64)
    if pa.types.is_boolean(kind) and steady:
        return np.asarray(values.to_numpy(), dtype=bool)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        numbers = np.array(values.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
        numbers[~np.isfinite(numbers)] = np.nan
        return numbers
    objects = np.empty(len(values), dtype=object)
    objects[:] = [np.nan if value is None else value for value in values.to_pylist()]
    return objects
