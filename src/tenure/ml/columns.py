"""Columns of a table: the five logical types, how any Arrow column becomes one of them, and what is in it.

Missing is missing once: NaN and infinities become null on the way in, so that no later step needs to tell them apart.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from tenure.core.digest import digest
from tenure.core.errors import StageError
from tenure.core.units import format_instant
from tenure.ml.signature import ARROW_TYPES, ColumnType

TOP_VALUES = 20


class Value(msgspec.Struct, frozen=True):
    """A value of a column and how many rows have it."""

    value: str | bool
    rows: int


class ColumnProfile(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is in one column. Ranges are of the values that are there; timestamps as ISO 8601 text in UTC.

    `mean` and `std` (with n - 1) are for numbers and integers, `top` (at most `TOP_VALUES`, most frequent first) for
    text and booleans.
    """

    name: str
    type: ColumnType
    nulls: int
    distinct: int
    minimum: float | str | None = None
    maximum: float | str | None = None
    mean: float | None = None
    std: float | None = None
    top: tuple[Value, ...] = ()

    @property
    def nullable(self) -> bool:
        """Whether a value is missing anywhere."""
        return self.nulls > 0


class Profile(msgspec.Struct, frozen=True):
    """Every column of a table of `rows` rows."""

    rows: int
    columns: tuple[ColumnProfile, ...]


def logical_type(kind: pa.DataType) -> ColumnType | None:
    """The column type of an Arrow type, or None for what no model can use (lists, structs, bytes, ...)."""
    if pa.types.is_dictionary(kind):
        return logical_type(kind.value_type)
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind):
        return "integer"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "timestamp"
    textual = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    if textual or pa.types.is_null(kind) or pa.types.is_time(kind):
        return "string"
    return None


def canonical(table: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    """The table in the Arrow types of `ARROW_TYPES`, and how many infinities of which column became missing.

    Zoned timestamps are moved to UTC and lose their zone. Raises StageError naming the columns that no model can use.
    """
    unusable = [
        f"{column.name} ({column.type})" for column in table.schema if logical_type(column.type) is None
    ]
    if unusable:
        raise StageError(
            "columns of a type that no model can use",
            f"columns are text, numbers, booleans or timestamps; these are not: {', '.join(unusable)}",
            "leave them out with data.columns, or turn them into one of these types in the source",
            path=("data", "columns"),
        )
    infinities: dict[str, int] = {}
    columns = []
    for column in table.schema:
        values, count = _canonical(table.column(column.name))
        if count:
            infinities[column.name] = count
        columns.append(values)
    return pa.table(columns, names=table.column_names), infinities


def _canonical(values: pa.ChunkedArray) -> tuple[pa.ChunkedArray, int]:
    kind = logical_type(values.type)
    assert kind is not None
    wanted = ARROW_TYPES[kind]
    if pa.types.is_dictionary(values.type):
        return _canonical(values.cast(values.type.value_type))
    if pa.types.is_uint64(values.type) and (pc.max(values).as_py() or 0) >= 2**63:
        return values.cast(pa.float64(), safe=False), 0
    if pa.types.is_timestamp(values.type):
        if values.type.tz is not None:
            values = values.cast(pa.timestamp(values.type.unit, "UTC")).cast(pa.timestamp(values.type.unit))
        return values.cast(wanted, safe=False), 0
    values = values.cast(wanted, safe=kind != "number")
    if kind != "number":
        return values, 0
    usable = pc.fill_null(pc.is_finite(values), True)
    if pc.all(usable, min_count=0).as_py():
        return values, 0
    infinite = pc.sum(pc.fill_null(pc.is_inf(values), False)).as_py() or 0
    return pc.if_else(usable, values, pa.scalar(None, pa.float64())), infinite


def profile(table: pa.Table) -> Profile:
    """What is in each column of a table in canonical types."""
    return Profile(table.num_rows, tuple(_profile(name, table.column(name)) for name in table.column_names))


def _profile(name: str, values: pa.ChunkedArray) -> ColumnProfile:
    kind = logical_type(values.type)
    assert kind is not None
    known = values.drop_null()
    counts = pc.value_counts(known)
    facts: dict[str, Any] = {}
    if len(known) and kind in ("number", "integer", "timestamp"):
        extremes = pc.min_max(known)
        facts = {"minimum": _json(extremes["min"].as_py()), "maximum": _json(extremes["max"].as_py())}
        if kind != "timestamp":
            facts["mean"] = pc.mean(known).as_py()
            facts["std"] = pc.stddev(known, ddof=1).as_py()
    elif len(known):
        facts["top"] = _top(counts)
    return ColumnProfile(name, kind, values.null_count, len(counts), **facts)


def _top(counts: pa.StructArray) -> tuple[Value, ...]:
    order = [("counts", "descending"), ("values", "ascending")]
    table = pa.Table.from_arrays(
        [counts.field("values").cast(pa.string()), counts.field("counts")], ["values", "counts"]
    )
    chosen = table.take(pc.select_k_unstable(table, k=min(TOP_VALUES, table.num_rows), sort_keys=order))
    boolean = pa.types.is_boolean(counts.field("values").type)
    return tuple(
        Value(row["values"] == "true" if boolean else row["values"], row["counts"])
        for row in chosen.to_pylist()
    )


def _json(value: Any) -> float | str:
    if isinstance(value, datetime):
        return format_instant(value.replace(tzinfo=UTC))
    return float(value)


def content_digest(table: pa.Table) -> str:
    """Digest of names, types and values of a table in canonical types, in its order of rows.

    It depends on neither the chunks of the table nor the version of the library that would write it to a file.
    """
    content = ContentDigest(table.schema)
    for batch in table.to_batches():
        content.update(batch)
    return content.digest()


class ContentDigest:
    """`content_digest` of rows that come batch by batch. Where one batch ends and the next begins does not matter."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._rows = 0
        # Positions of the nulls, lengths of the texts, values with nulls filled in: each goes on from batch to batch.
        self._hashers = [[hashlib.sha256() for _ in range(3)] for _ in schema]

    def update(self, batch: pa.RecordBatch) -> None:
        """The next rows, with the columns of the schema in canonical types."""
        for values, hashers in zip(batch.columns, self._hashers, strict=True):
            for hasher, piece in zip(hashers, _pieces(values, self._rows), strict=True):
                hasher.update(piece)
        self._rows += batch.num_rows

    def digest(self) -> str:
        """The digest of the rows so far."""
        parts = [
            [column.name, logical_type(column.type), *(hasher.hexdigest() for hasher in hashers)]
            for column, hashers in zip(self._schema, self._hashers, strict=True)
        ]
        return digest([self._rows, parts])


def _pieces(values: pa.Array, first: int) -> tuple[memoryview, memoryview, memoryview]:
    """Positions of the nulls in a column whose row `first` comes first here; lengths of texts; the bytes of values."""
    nulls = memoryview(b"")
    if values.null_count:
        nulls = _bytes(pc.add(pc.indices_nonzero(values.is_null()).cast(pa.int64()), first))
    if pa.types.is_string(values.type):
        filled = pc.fill_null(values, "")
        _, offsets, data = filled.buffers()
        texts = memoryview(b"")
        if data is not None and len(filled):
            bounds = memoryview(offsets).cast("i")
            texts = memoryview(data)[bounds[filled.offset] : bounds[filled.offset + len(filled)]]
        return nulls, _bytes(pc.binary_length(filled)), texts
    if pa.types.is_boolean(values.type):
        return nulls, memoryview(b""), _bytes(pc.cast(pc.fill_null(values, False), pa.uint8()))
    plain = values.cast(pa.int64()) if pa.types.is_timestamp(values.type) else values
    # Adding zero turns -0.0 into 0.0: the same number must not have two digests.
    return nulls, memoryview(b""), _bytes(pc.add(pc.fill_null(plain, 0), pa.scalar(0, plain.type)))


def _bytes(values: pa.Array) -> memoryview:
    return memoryview(values.to_numpy(zero_copy_only=False)).cast("B")
