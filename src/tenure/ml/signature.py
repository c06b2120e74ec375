"""The input contract of a model: which fields a row must have, and what a caller is told when one does not fit.

Values that are merely unusual (a category never seen, a number outside the training range) are not errors: the model
gives an answer for them, so they are counted as flags that monitoring and humility rules can use.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Literal

import msgspec
import pyarrow as pa

from tenure.ml.task import Task

ColumnType = Literal["number", "integer", "string", "boolean", "timestamp"]

ARROW_TYPES: dict[str, pa.DataType] = {
    "number": pa.float64(),
    "integer": pa.int64(),
    "string": pa.string(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us"),
}
"""The one Arrow type of each column type, in training and serving. Timestamps are UTC without a zone."""

_EXPECTED = {
    "number": "a number",
    "integer": "a whole number",
    "string": "text",
    "boolean": "true or false",
    "timestamp": "an ISO 8601 date or date-time",
}
_INT64 = 2**63


class InputColumn(msgspec.Struct, frozen=True, omit_defaults=True):
    """One field of a row. `categories` is None when there are too many to list; the range is that of the training
    part, timestamps as ISO 8601 text. A `closed` field takes no category that is not listed."""

    name: str
    type: ColumnType
    nullable: bool = False
    categories: tuple[str, ...] | None = None
    minimum: float | str | None = None
    maximum: float | str | None = None
    closed: bool = False


class Signature(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a model takes and gives. `accepted` fields may be sent along and are not used by the model: columns of
    the training data that are no input, such as the id, the event time or the target itself."""

    inputs: tuple[InputColumn, ...]
    task: Task
    target: str
    classes: tuple[str | bool | int | float, ...] = ()
    accepted: tuple[str, ...] = ()


class RowError(msgspec.Struct, frozen=True):
    """One field of one row that cannot be used. `code` is fixed, `message` is for people."""

    row: int
    field: str
    code: Literal["missing", "null", "type", "not_finite", "unknown_field", "not_an_object", "unseen"]
    message: str


class Flag(msgspec.Struct, frozen=True):
    """One field of one row that can be used, yet was never seen like this in training."""

    row: int
    field: str
    code: Literal["unseen", "out_of_range"]


class RowErrors(msgspec.Struct, frozen=True):
    """Everything found in a batch of rows. Errors stop the request; flags do not."""

    errors: tuple[RowError, ...]
    flags: tuple[Flag, ...]

    @property
    def ok(self) -> bool:
        """Whether the rows can be predicted."""
        return not self.errors


def check_rows(signature: Signature, rows: Sequence[Any]) -> RowErrors:
    """Every problem of every row at once; `rows` are decoded JSON objects. Never raises."""
    errors: list[RowError] = []
    flags: list[Flag] = []
    names = {column.name for column in signature.inputs}
    known = names.union(signature.accepted)
    for index, row in enumerate(rows):
        if not isinstance(row, Mapping):
            errors.append(RowError(index, "", "not_an_object", f"a row is an object, not {_kind(row)}"))
            continue
        for column in signature.inputs:
            _check_field(index, column, row, errors, flags)
        if not known.issuperset(row):
            for name in row:
                if name not in known:
                    near = _nearest(str(name), names, row)
                    text = f"the model has no field {str(name)!r}" + (
                        f"; did you mean {near!r}?" if near else ""
                    )
                    errors.append(RowError(index, str(name), "unknown_field", text))
    return RowErrors(tuple(errors), tuple(flags))


def _check_field(
    index: int, column: InputColumn, row: Mapping[str, Any], errors: list[RowError], flags: list[Flag]
) -> None:
    name = column.name
    if name not in row:
        hint = "; send null when it is unknown" if column.nullable else ""
        errors.append(RowError(index, name, "missing", f"the field {name!r} is missing{hint}"))
        return
    value = row[name]
    if value is None:
        if not column.nullable:
            text = f"{name!r} may not be null: it never was in the training data"
            errors.append(RowError(index, name, "null", text))
        return
    if isinstance(value, float) and not math.isfinite(value) and column.type in ("number", "integer"):
        text = f"{name!r} is {value}; send null when the value is unknown"
        errors.append(RowError(index, name, "not_finite", text))
        return
    parsed = _parse(column.type, value)
    if parsed is None:
        text = f"{name!r} must be {_EXPECTED[column.type]}, not {_shown(value)}"
        errors.append(RowError(index, name, "type", text))
    elif column.type == "string":
        if column.categories is not None and parsed not in column.categories:
            if column.closed:
                close = difflib.get_close_matches(parsed, column.categories, n=1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                text = f"{_shown(parsed)} is no value of {name!r} that the model knows{hint}"
                errors.append(RowError(index, name, "unseen", text))
            else:
                flags.append(Flag(index, name, "unseen"))
    elif column.type == "number" or column.type == "integer":
        low, high = column.minimum, column.maximum
        if (low is not None and parsed < low) or (high is not None and parsed > high):
            flags.append(Flag(index, name, "out_of_range"))


def _parse(kind: ColumnType, value: Any) -> Any:
    """The value as Arrow takes it, or None when it has another type."""
    if kind == "string":
        return value if isinstance(value, str) else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if kind == "timestamp":
        return _instant(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if kind == "integer":
        if value != int(value) or not -_INT64 <= value < _INT64:
            return None
        return int(value)
    try:
        return float(value)
    except OverflowError:
        return None


def _instant(value: Any) -> datetime | None:
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
    elif isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        moment = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - UTC without a zone is the storage type
    else:
        return None
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def rows_to_table(signature: Signature, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Checked rows as a table with the model's input columns in their canonical types."""
    return pa.table(
        {
            column.name: pa.array(
                [None if row[column.name] is None else _parse(column.type, row[column.name]) for row in rows],
                ARROW_TYPES[column.type],
            )
            for column in signature.inputs
        }
    )


def _kind(value: Any) -> str:
    kinds = {
        list: "an array",
        str: "text",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        dict: "an object",
    }
    return "null" if value is None else kinds.get(type(value), type(value).__name__)


def _shown(value: Any) -> str:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        text = repr(value)
        return text if len(text) <= 40 else text[:37] + "..."
    return _kind(value)


def _nearest(name: str, names: set[str], row: Mapping[str, Any]) -> str | None:
    close = difflib.get_close_matches(name, [item for item in sorted(names) if item not in row], n=1)
    return close[0] if close else None
