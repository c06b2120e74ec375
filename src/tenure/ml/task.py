"""What kind of prediction a target column asks for, and which classes it has.

The rules, in order:
* text and booleans are classes: two distinct values make a `binary` task, more a `multiclass` one;
* two distinct whole numbers are `binary`, however they are stored (0/1 read as a float because of a missing value);
* three to `INTEGER_CLASSES` distinct integers are classes when each occurs `ROWS_PER_CLASS` times on average;
* every other number is `regression`.
A person who knows better says so with `data.task`.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from tenure.core.errors import StageError

Task = Literal["binary", "multiclass", "regression"]

INTEGER_CLASSES = 20
ROWS_PER_CLASS = 10
MOST_CLASSES = 1000


class Target(msgspec.Struct, frozen=True):
    """A task and its classes: JSON values in ascending order, the positive class last; empty for regression."""

    task: Task
    classes: tuple[str | bool | int | float, ...] = ()


def infer(
    column: pa.ChunkedArray | pa.Array,
    *,
    name: str,
    declared: Literal["classification", "regression"] | None = None,
    positive_class: str | bool | int | float | None = None,
) -> Target:
    """The task of a target column; nulls are not looked at.

    `declared` overrides the inference. Raises StageError when the column cannot be a target: no value at all, one
    class only, more than `MOST_CLASSES` classes, a date, text declared as regression, an unknown positive class.
    """
    column = _plain(column)
    known = column.drop_null()
    distinct = pc.unique(known)
    return infer_distinct(
        distinct,
        len(distinct),
        len(known),
        name=name,
        declared=declared,
        positive_class=positive_class,
    )


def infer_distinct(
    distinct: pa.Array,
    count: int,
    known: int,
    *,
    name: str,
    declared: Literal["classification", "regression"] | None = None,
    positive_class: str | bool | int | float | None = None,
) -> Target:
    """As `infer`, from the `count` distinct values that `known` rows have, for a column too long to be held.

    More than `MOST_CLASSES` distinct values need not all be given: one more than that is enough.
    """
    if known == 0:
        raise StageError(
            "the target has no values",
            f"every row of target column {name!r} is null, so there is nothing to learn from",
            "check data.target_column and the source, or wait until labels have arrived",
            path=("data", "target_column"),
        )
    kind = distinct.type
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if not (numeric or pa.types.is_boolean(kind) or pa.types.is_string(kind)):
        raise StageError(
            "the target cannot be predicted",
            f"target column {name!r} has type {kind}; a target is text, a boolean or a number",
            path=("data", "target_column"),
        )
    if declared == "regression" and not numeric:
        raise StageError(
            "the target is not a number",
            f"data.task is regression, but target column {name!r} has type {kind}",
            "remove data.task to have it inferred",
            path=("data", "task"),
        )
    if declared == "regression" or (declared is None and numeric and not _are_classes(distinct, known)):
        return Target("regression")
    if count > MOST_CLASSES:
        raise StageError(
            "the target has too many classes",
            f"target column {name!r} has {count} distinct values among {known} rows; "
            f"at most {MOST_CLASSES} classes can be learned",
            "map rare values to one class, or choose another target",
            path=("data", "target_column"),
        )
    classes = sorted(_json_class(value) for value in distinct.to_pylist())
    if len(classes) == 1:
        raise StageError(
            "the target has one class only",
            f"every row of target column {name!r} is {classes[0]!r}; a model needs at least two classes",
            "widen the source or its filter so that both outcomes occur",
            path=("data", "target_column"),
        )
    return Target(
        "binary" if len(classes) == 2 else "multiclass", _positive_last(classes, positive_class, name)
    )


def class_of(value: Any) -> str | bool | int | float:
    """A label as the JSON value that `Target.classes` holds: 1.0 and numpy's 1 are 1."""
    return _json_class(value.item() if hasattr(value, "item") else value)


def _plain(column: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.cast(kind.value_type))
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.string())
    if pa.types.is_decimal(kind):
        return column.cast(pa.float64())
    return column


def _are_classes(distinct: pa.Array, rows: int) -> bool:
    if len(distinct) > INTEGER_CLASSES:
        return False
    whole = all(float(value).is_integer() for value in distinct.to_pylist())
    if len(distinct) <= 2:
        return whole
    return whole and pa.types.is_integer(distinct.type) and rows >= ROWS_PER_CLASS * len(distinct)


def _json_class(value: Any) -> str | bool | int | float:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value  # type: ignore[no-any-return]


def _positive_last(
    classes: list[str | bool | int | float], positive: str | bool | int | float | None, name: str
) -> tuple[str | bool | int | float, ...]:
    if positive is None:
        return tuple(classes)
    if positive not in classes:
        raise StageError(
            "unknown positive class",
            f"target column {name!r} never has the value {positive!r}; it has {', '.join(map(repr, classes[:10]))}",
            path=("data", "positive_class"),
        )
    if len(classes) == 2:
        return (*(item for item in classes if item != positive), positive)
    return tuple(classes)
