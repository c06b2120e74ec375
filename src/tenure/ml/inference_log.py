"""The prediction log and its labels: two folders of Parquet files per model that only ever grow.

A segment of the log holds, in this order: `prediction_id` text, `received_at` and `event_time` (timestamp,
us, UTC), `model_version` integer, `arm` text, one column per raw input feature (`feature_column` names it),
`prediction`, and for a classification one `score_<class>` per class. `event_time` is the row's own timestamp
where the model has one and the row carries it, else `received_at`. Writers never change a file: a segment
appears by rename, complete. A label file holds `id` (text; instants in one canonical form) and `label`.
Files are numbered in the order in which they arrived, and the latest label of an id is the one that counts.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tenure.core.drafts import sweep

TIME = pa.timestamp("us", tz="UTC")
SCORE = "score_"
FIXED: tuple[tuple[str, pa.DataType], ...] = (
    ("prediction_id", pa.string()),
    ("received_at", TIME),
    ("event_time", TIME),
    ("model_version", pa.int64()),
    ("arm", pa.string()),
)
RESERVED = frozenset(name for name, _ in FIXED) | {"prediction", "label"}
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_BROKEN = (pa.ArrowException, OSError, ValueError)


class Segment(msgspec.Struct, frozen=True):
    """One file of the log: its rows and the range of their event times (both ends included)."""

    path: Path
    rows: int
    first: datetime
    last: datetime


class LogIndex(msgspec.Struct, frozen=True):
    """The segments of a log by file name, and the names of the files that could not be read."""

    segments: tuple[Segment, ...] = ()
    unreadable: tuple[str, ...] = ()

    @property
    def first(self) -> datetime | None:
        """The earliest event time in the log."""
        return min((segment.first for segment in self.segments), default=None)

    @property
    def last(self) -> datetime | None:
        """The latest event time in the log."""
        return max((segment.last for segment in self.segments), default=None)


class Log(msgspec.Struct, frozen=True):
    """Rows of the log in the order of their segments; `unreadable` names the files left out."""

    table: Any
    segments: int
    unreadable: tuple[str, ...]


class Labels(msgspec.Struct, frozen=True):
    """The latest label of every id: a table with `id` and `label`; `unreadable` names the files left out."""

    table: Any
    unreadable: tuple[str, ...] = ()


class LabelCounts(msgspec.Struct, frozen=True):
    """What became of the rows of one delivery of labels.

    `duplicates` said again what was known (or what a later row of the same delivery says), `skipped` had no
    id or no label; `conflicting` ids came with more than one label in this delivery: the last was taken.
    """

    new: int
    updated: int
    duplicates: int
    skipped: int
    conflicting: int


def feature_column(name: str) -> str:
    """The column of the log that holds a raw input feature; a name the log needs itself is prefixed."""
    return f"input_{name}" if name in RESERVED or name.startswith((SCORE, "input_")) else name


def score_column(name: str | bool | int | float) -> str:
    """The column of the log that holds the score of a class, written as in JSON: `score_true`."""
    return SCORE + (str(name).lower() if isinstance(name, bool) else str(name))


def event_times(
    column: pa.Array | pa.ChunkedArray | None, received_at: pa.Array | pa.ChunkedArray
) -> pa.Array:
    """Event time of each row: the row's own timestamp, or the arrival time where there is none to be read.

    `column` may hold timestamps, dates or text; without an offset they are taken as UTC.
    """
    fallback = _flat(received_at).cast(TIME)
    return fallback if column is None else pc.coalesce(_instants(_flat(column)), fallback)


def write_segment(folder: Path, table: pa.Table) -> Path:
    """Add a segment durably: written under a temporary name, synced, renamed. Returns its path.

    Raises ValueError when the table has no rows or lacks a fixed column; OSError leaves no half segment.
    """
    missing = [name for name in (*dict(FIXED), "prediction") if name not in table.column_names]
    if missing or table.num_rows == 0:
        raise ValueError(
            f"a segment needs rows and the columns {missing}" if missing else "a segment needs rows"
        )
    for name, kind in FIXED:
        position = table.column_names.index(name)
        table = table.set_column(position, name, table.column(position).cast(kind))
    arrived = pc.min(table.column("received_at")).as_py().astimezone(UTC)
    path = folder / f"{arrived:%Y%m%dT%H%M%S%f}Z-{uuid.uuid4().hex}.parquet"
    _write(path, table)
    return path


def index_log(folder: Path) -> LogIndex:
    """The segments of a log and their ranges, from the file footers alone. An absent folder is empty."""
    segments: list[Segment] = []
    unreadable: list[str] = []
    for path in _files(folder):
        try:
            segments.append(_segment(path))
        except _BROKEN:
            unreadable.append(path.name)
    return LogIndex(tuple(segments), tuple(unreadable))


def read_log(
    log: Path | LogIndex,
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    columns: Sequence[str] | None = None,
) -> Log:
    """The rows with `start <= event_time < end`; segments that cannot hold any are not opened.

    A segment that cannot be read is left out and named in the result. Columns that only some segments have
    are null elsewhere; a column stored under types that do not fit together is read as text. `event_time` always
    comes along.
    """
    index = log if isinstance(log, LogIndex) else index_log(log)
    unreadable = list(index.unreadable)
    tables = []
    for segment in index.segments:
        if (start is not None and segment.last < start) or (end is not None and segment.first >= end):
            continue
        try:
            table = pq.read_table(segment.path, columns=_known(segment.path, columns), partitioning=None)
        except _BROKEN:
            unreadable.append(segment.path.name)
            continue
        tables.append(table.filter(_between(table.column("event_time"), start, end)))
    empty = pa.table({name: pa.array([], kind) for name, kind in FIXED if columns is None or name in columns})
    return Log(_concat(tables) if tables else empty, len(tables), tuple(unreadable))


def write_labels(folder: Path, table: pa.Table, id_column: str, target_column: str) -> LabelCounts:
    """Take in ground truth: `id_column` names the prediction, `target_column` what turned out to be true.

    Delivering the same labels again adds nothing. Raises KeyError naming a column that the table lacks.
    """
    for name in (id_column, target_column):
        if name not in table.column_names:
            raise KeyError(name)
    ids, labels = _identity(_flat(table.column(id_column))), _flat(table.column(target_column))
    usable = pc.and_(pc.is_valid(ids), pc.is_valid(labels))
    if pa.types.is_floating(labels.type):
        usable = pc.and_(usable, pc.invert(pc.is_nan(labels)))
    kept = pa.table({"id": ids, "label": labels}).filter(usable)
    known = read_labels(folder).table
    before = dict(zip(known.column("id").to_pylist(), known.column("label").to_pylist(), strict=True))
    delivered: dict[str, int] = {}
    conflicting: set[str] = set()
    values = kept.column("label").to_pylist()
    for row, name in enumerate(kept.column("id").to_pylist()):
        if name in delivered and values[delivered[name]] != values[row]:
            conflicting.add(name)
        delivered[name] = row
    new = [row for name, row in delivered.items() if name not in before]
    updated = [row for name, row in delivered.items() if name in before and before[name] != values[row]]
    changed = sorted(new + updated)
    if changed:
        numbers = [int(path.name.split("-", 1)[0]) for path in _files(folder)]
        path = folder / f"{max(numbers, default=0) + 1:010d}-{uuid.uuid4().hex}.parquet"
        _write(path, kept.take(pa.array(changed)))
    return LabelCounts(
        new=len(new),
        updated=len(updated),
        duplicates=kept.num_rows - len(changed),
        skipped=table.num_rows - kept.num_rows,
        conflicting=len(conflicting),
    )


def read_labels(folder: Path) -> Labels:
    """The latest label of every id. A folder that does not exist holds none; unreadable files are named."""
    tables, unreadable = [], []
    for path in _files(folder):
        try:
            tables.append(pq.read_table(path, columns=["id", "label"], partitioning=None))
        except _BROKEN:
            unreadable.append(path.name)
    if not tables:
        return Labels(
            pa.table({"id": pa.array([], pa.string()), "label": pa.array([], pa.null())}), tuple(unreadable)
        )
    table = _concat(tables)
    last = {name: row for row, name in enumerate(table.column("id").to_pylist())}
    return Labels(table.take(pa.array(sorted(last.values()), pa.int64())), tuple(unreadable))


def join_labels(log: pa.Table, labels: pa.Table, id_column: str | None = None) -> pa.Table:
    """The rows of the log whose label is known, in their order, with one more column `label`.

    An id that was predicted more than once counts once, by its latest row: a repeated request is no second case.
    `id_column` is a column of the log: a raw feature, or `prediction_id` (None). Instants are compared as
    instants, however either side writes them; everything else as text. Raises KeyError when it is not there.
    """
    name = "prediction_id" if id_column is None else feature_column(id_column)
    if id_column in RESERVED and id_column in log.column_names and name not in log.column_names:
        name = id_column
    if name not in log.column_names:
        raise KeyError(name)
    column, ids = _flat(log.column(name)), _flat(labels.column("id"))
    instants = pa.types.is_temporal(column.type) or (
        len(ids) > 0 and all(_INSTANT.fullmatch(text) for text in ids.to_pylist())
    )
    if instants:
        column, ids = _instants(column), _instants(ids)
        # Two spellings of one instant are one id; the later file wins here as everywhere.
        last = {value: row for row, value in enumerate(ids.to_pylist()) if value is not None}
        labels, ids = labels.take(pa.array(list(last.values()), pa.int64())), pa.array(list(last), TIME)
    else:
        column = _identity(column)
    found = pc.index_in(column, value_set=ids, skip_nulls=True)
    latest = {place: row for row, place in enumerate(found.to_pylist()) if place is not None}
    rows = pa.array(sorted(latest.values()), pa.int64())
    return log.take(rows).append_column("label", labels.column("label").take(found.take(rows)))


def _segment(path: Path) -> Segment:
    metadata = pq.read_metadata(path)
    position = metadata.schema.to_arrow_schema().get_field_index("event_time")
    if position < 0 or metadata.num_rows == 0:
        raise ValueError("not a segment")
    spans = [
        metadata.row_group(group).column(position).statistics for group in range(metadata.num_row_groups)
    ]
    if all(span is not None and span.has_min_max for span in spans):
        return Segment(path, metadata.num_rows, min(s.min for s in spans), max(s.max for s in spans))
    times = pq.read_table(path, columns=["event_time"], partitioning=None).column("event_time").cast(TIME)
    return Segment(path, metadata.num_rows, pc.min(times).as_py(), pc.max(times).as_py())


def _known(path: Path, columns: Sequence[str] | None) -> list[str] | None:
    if columns is None:
        return None
    present = set(pq.read_schema(path).names)
    return [name for name in dict.fromkeys((*columns, "event_time")) if name in present]


def _between(times: pa.ChunkedArray, start: datetime | None, end: datetime | None) -> Any:
    mask = pa.chunked_array([np.ones(len(times), dtype=bool)])
    if start is not None:
        mask = pc.and_(mask, pc.fill_null(pc.greater_equal(times, pa.scalar(start, TIME)), False))
    if end is not None:
        mask = pc.and_(mask, pc.fill_null(pc.less(times, pa.scalar(end, TIME)), False))
    return mask


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet")) if folder.is_dir() else []


def _concat(tables: Iterable[pa.Table]) -> pa.Table:
    """One table of all columns; where the types of a column cannot be promoted to a common one, as text."""
    tables = list(tables)
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowTypeError:
        kinds: dict[str, list[pa.DataType]] = {}
        for table in tables:
            for field in table.schema:
                kinds.setdefault(field.name, []).append(field.type)
        mixed = {name for name, found in kinds.items() if not _promotable(found)}
        return pa.concat_tables([_as_text(table, mixed) for table in tables], promote_options="permissive")


def _promotable(kinds: list[pa.DataType]) -> bool:
    try:
        pa.unify_schemas([pa.schema([("x", kind)]) for kind in kinds], promote_options="permissive")
    except pa.ArrowTypeError:
        return False
    return True


def _as_text(table: pa.Table, names: Iterable[str]) -> pa.Table:
    for name in names:
        if name in table.column_names:
            position = table.column_names.index(name)
            table = table.set_column(position, name, table.column(position).cast(pa.string()))
    return table


def _flat(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # combining no chunks gives a chunked array again
        column = pa.array([], column.type)
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _instants(column: pa.Array) -> pa.Array:
    """Timestamps in UTC; null where there is nothing to be read as one."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        return column.cast(TIME, safe=False)
    if pa.types.is_date(kind):
        return column.cast(pa.timestamp("us")).cast(TIME)
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        return pa.nulls(len(column), TIME)
    parsed = pd.to_datetime(
        pd.Series(column.to_pylist(), dtype="str"), errors="coerce", utc=True, format="mixed"
    )
    return pa.Array.from_pandas(parsed.astype("datetime64[us, UTC]"), type=TIME)


def _identity(column: pa.Array) -> pa.Array:
    """Ids as text: 7 and 7.0 are one id, and an instant has one spelling."""
    kind = column.type
    if pa.types.is_temporal(kind) and not pa.types.is_time(kind) and not pa.types.is_duration(kind):
        return pc.strftime(_instants(column), format="%Y-%m-%dT%H:%M:%SZ")
    if pa.types.is_floating(kind):
        texts = [
            None if v is None or v != v else str(int(v)) if v.is_integer() else repr(v)
            for v in column.to_pylist()
        ]
        return pa.array(texts, pa.string())
    return column.cast(pa.string())


def _write(path: Path, table: pa.Table) -> None:
    with _durably(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


@contextmanager
def _durably(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent, ".*.tmp")
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        yield temporary
        descriptor = os.open(temporary, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
