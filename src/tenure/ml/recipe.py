"""The feature recipe: from the raw columns of a row to the matrix an algorithm sees.

    table --derive--> + derived columns --design_frame--> canonical frame --preprocessor--> matrix

The first two steps look at one row at a time and are the same in training and serving. Only the preprocessor learns
(medians, scales, categories), and it is fitted inside each fold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tenure.core.errors import StageError
from tenure.ml.expression import Derived, evaluate
from tenure.ml.signature import ARROW_TYPES, InputColumn

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.compose import ColumnTransformer

MissingValues = Literal["median", "mean", "most_frequent", "constant", "none"]
Scaling = Literal["standard", "minmax", "none"]
Encoding = Literal["onehot", "ordinal"]
DatetimePart = Literal["year", "quarter", "month", "day", "dayofweek", "dayofyear", "hour", "minute"]

_CYCLES: dict[str, float] = {
    "quarter": 4.0, "month": 12.0, "day": 31.0, "dayofweek": 7.0, "dayofyear": 365.25, "hour": 24.0, "minute": 60.0,
}  # fmt: skip


class NumericFeatures(msgspec.Struct, frozen=True):
    """Numeric columns and how they are treated. `constant` fills with 0."""

    columns: tuple[str, ...] = ()
    missing_value_strategy: MissingValues = "median"
    missing_indicator: bool = True
    scaling: Scaling = "standard"


class CategoricalFeatures(msgspec.Struct, frozen=True):
    """Text columns and how they become numbers."""

    columns: tuple[str, ...] = ()
    encoding: Encoding = "onehot"
    rare_below: float = 0.01
    max_categories: int = 50


class DatetimeFeatures(msgspec.Struct, frozen=True):
    """Timestamp columns and the parts taken from them, as cycles (sine and cosine) or as plain numbers."""

    columns: tuple[str, ...] = ()
    parts: tuple[DatetimePart, ...] = ("month", "dayofweek", "dayofyear", "hour")
    cyclical: bool = True


class Recipe(msgspec.Struct, frozen=True):
    """Raw inputs in order, columns derived from them, and the treatment of every column that is a feature.

    A raw input that is in no group is only read by derived columns.
    """

    inputs: tuple[InputColumn, ...]
    derived: tuple[Derived, ...] = ()
    numeric: NumericFeatures = NumericFeatures()
    boolean: tuple[str, ...] = ()
    categorical: CategoricalFeatures = CategoricalFeatures()
    datetime: DatetimeFeatures = DatetimeFeatures()

    @property
    def features(self) -> tuple[str, ...]:
        """The columns, raw or derived, that the model sees."""
        return (*self.numeric.columns, *self.boolean, *self.categorical.columns, *self.datetime.columns)


def encode(recipe: Recipe) -> bytes:
    """The recipe as JSON, always the same bytes for the same recipe."""
    return msgspec.json.encode(recipe)


def decode(data: bytes) -> Recipe:
    """The recipe from `encode`. Raises StageError when it is not one."""
    try:
        return msgspec.json.decode(data, type=Recipe)
    except msgspec.DecodeError as error:
        raise StageError("not a feature recipe", str(error)) from error


def derive(recipe: Recipe, table: pa.Table) -> pa.Table:
    """The raw inputs in their canonical types, then the derived columns.

    Columns of `table` that are no input are dropped. Raises StageError for a missing column, a column whose values
    do not convert, and a derived column that cannot be computed.
    """
    columns = {}
    for column in recipe.inputs:
        position = table.schema.get_field_index(column.name)
        if position < 0:
            raise StageError(
                "a column is missing", f"the model needs column {column.name!r}, which the data does not have"
            )
        columns[column.name] = _canonical(column, table.column(position))
    return evaluate(pa.table(columns) if columns else table.select([]), recipe.derived)


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


def design_columns(recipe: Recipe, table: pa.Table) -> dict[str, npt.NDArray[Any]]:
    """The features of each row in canonical types: float64 for numbers, booleans and parts of timestamps (missing
    and infinite values are NaN), objects of str or None for text. Column order is fixed by the recipe."""
    complete = derive(recipe, table)
    columns: dict[str, npt.NDArray[Any]] = {}
    for name in (*recipe.numeric.columns, *recipe.boolean):
        columns[name] = _floats(complete.column(name))
    for name in recipe.categorical.columns:
        values = np.empty(complete.num_rows, dtype=object)
        values[:] = complete.column(name).to_pylist()
        columns[name] = values
    for name in recipe.datetime.columns:
        columns.update(_parts(name, complete.column(name), recipe.datetime))
    return columns


def design_frame(recipe: Recipe, table: pa.Table) -> pd.DataFrame:
    """`design_columns` as the frame that preprocessors are fitted on."""
    import pandas as pd

    columns = {
        # Without a dtype pandas would make its own text type of it, where a missing value is no None.
        name: pd.Series(values, dtype=object) if values.dtype == object else values
        for name, values in design_columns(recipe, table).items()
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(table.num_rows))


def _floats(values: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    result = np.array(values.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    result[~np.isfinite(result)] = np.nan
    return result


def part_names(name: str, group: DatetimeFeatures) -> list[str]:
    """The features made from one timestamp column."""
    names = []
    for part in group.parts:
        cyclic = group.cyclical and part in _CYCLES
        names += [f"{name}__{part}_sin", f"{name}__{part}_cos"] if cyclic else [f"{name}__{part}"]
    return names


def _parts(
    name: str, values: pa.ChunkedArray, group: DatetimeFeatures
) -> Mapping[str, npt.NDArray[np.float64]]:
    moments = values.to_numpy().astype("datetime64[us]")
    missing = np.isnat(moments)
    # Any instant will do where there is none: the result is overwritten with NaN.
    moments = np.where(missing, np.datetime64(0, "us"), moments)
    days = moments.astype("datetime64[D]")
    months = moments.astype("datetime64[M]")
    years = moments.astype("datetime64[Y]")
    month = (months - years).astype(np.int64)
    second = (moments - days).astype("timedelta64[s]").astype(np.int64)
    numbers: dict[str, npt.NDArray[np.int64]] = {
        "year": years.astype(np.int64) + 1970,
        "quarter": month // 3 + 1,
        "month": month + 1,
        "day": (days - months).astype(np.int64) + 1,
        "dayofweek": (days.astype(np.int64) + 3) % 7,  # 1970-01-01 was a Thursday; Monday is 0
        "dayofyear": (days - years).astype(np.int64) + 1,
        "hour": second // 3600,
        "minute": second // 60 % 60,
    }
    result: dict[str, npt.NDArray[np.float64]] = {}
    for part in group.parts:
        number = numbers[part].astype(np.float64)
        if group.cyclical and part in _CYCLES:
            angle = 2 * np.pi * number / _CYCLES[part]
            result[f"{name}__{part}_sin"] = np.sin(angle)
            result[f"{name}__{part}_cos"] = np.cos(angle)
        else:
            result[f"{name}__{part}"] = number
    for column in result.values():
        column[missing] = np.nan
    return result


def preprocessor(recipe: Recipe) -> ColumnTransformer:
    """The unfitted transformer from `design_frame` to a dense float64 matrix (rows, features).

    The matrix has NaN only where `missing_value_strategy` is `none`. A numeric column without any value in the
    training rows becomes constant, so that the number of features does not depend on the fold.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    from tenure.ml.encoding import CategoryEncoder

    steps: list[tuple[str, Any, list[str]]] = []
    numeric = [
        *recipe.numeric.columns,
        *(part for name in recipe.datetime.columns for part in part_names(name, recipe.datetime)),
    ]
    if numeric:
        treatment: list[tuple[str, Any]] = []
        strategy = recipe.numeric.missing_value_strategy
        if strategy != "none":
            treatment.append(
                (
                    "missing",
                    SimpleImputer(
                        strategy=strategy,
                        fill_value=0.0 if strategy == "constant" else None,
                        add_indicator=recipe.numeric.missing_indicator,
                        keep_empty_features=True,
                    ),
                )
            )
        if recipe.numeric.scaling == "standard":
            treatment.append(("scaling", StandardScaler()))
        elif recipe.numeric.scaling == "minmax":
            treatment.append(("scaling", MinMaxScaler(clip=False)))
        steps.append(("numeric", Pipeline(treatment) if treatment else "passthrough", numeric))
    if recipe.boolean:
        imputer: Any = SimpleImputer(strategy="most_frequent", keep_empty_features=True)
        steps.append(("boolean", imputer, list(recipe.boolean)))
    if recipe.categorical.columns:
        encoder = CategoryEncoder(
            encoding=recipe.categorical.encoding,
            rare_below=recipe.categorical.rare_below,
            max_categories=recipe.categorical.max_categories,
        )
        steps.append(("categorical", encoder, list(recipe.categorical.columns)))
    return ColumnTransformer(steps, remainder="drop", sparse_threshold=0.0, verbose_feature_names_out=False)
