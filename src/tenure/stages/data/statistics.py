"""What the data report shows of a snapshot: aggregates per column, computed batch by batch and small when done.

Bins come from a sample of the rows, counts from all of them or from millions, so neither memory nor time grows without
bound. Columns marked as personal or sensitive, and texts of which most rows have their own, are counted, but no value
of theirs is kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tenure.core.decoding import json_decoder
from tenure.ml.association import Association
from tenure.ml.profile import Bins, Counts
from tenure.ml.signature import ColumnType
from tenure.ml.snapshot import PART

if TYPE_CHECKING:
    import pyarrow as pa

    from tenure.ml.columns import Profile
    from tenure.ml.task import Target
    from tenure.stages.data.engine import Table

SAMPLE = 50_000
"""Rows from which bins are taken."""
MOST_COUNTED = 5_000_000
"""Rows that are counted in the bins; of more, an even choice. Missing and distinct values are counted in all rows."""
MOST_ROWS = 1_000_000
"""Training rows that associations are computed from; of more, an even choice."""
_SHOWN = 12
_TAIL = 0.005
_FEWEST_TEXTS = 50

Hidden = Literal["personal", "sensitive", "distinct"]
"""Why no value of a column is kept: it is marked so, or most rows have a text of their own."""


class Moved(msgspec.Struct, frozen=True):
    """How far a column has moved since the snapshot before: PSI, Jensen-Shannon distance, the PSI that chance alone may
    give, and whether it is above that; `missing_before` is the share without a value then."""

    psi: float
    js: float
    floor: float | None
    above_noise: bool
    missing_before: float


class ColumnStatistics(msgspec.Struct, frozen=True, omit_defaults=True):
    """One column. `drift` bins divide the rows into about equal parts, `shown` bins have equal width; times are counted
    as microseconds since 1970. All are None where `hidden` says why no value is kept."""

    name: str
    type: ColumnType
    nulls: int
    distinct: int
    hidden: Hidden | None = None
    drift: Bins | None = None
    drift_counts: Counts | None = None
    shown: Bins | None = None
    shown_counts: Counts | None = None
    association: float | None = None
    moved: Moved | None = None


class PartStatistics(msgspec.Struct, frozen=True):
    """The target in one part of the split: rows of each class, in the order of the classes, or mean and deviation."""

    part: str
    rows: int
    classes: tuple[int, ...] = ()
    mean: float | None = None
    deviation: float | None = None


class Statistics(msgspec.Struct, frozen=True):
    """Everything the report shows besides what the record of the snapshot holds.

    `associated_rows` is the number of training rows that associations come from; `before` is the digest of the snapshot
    that `moved` compares with, None where there was none to compare with.
    """

    rows: int
    columns: tuple[ColumnStatistics, ...]
    parts: tuple[PartStatistics, ...]
    associated_rows: int
    before: str | None = None
    before_rows: int = 0


def statistics(
    table: Table,
    profile: Profile,
    target_column: str,
    target: Target,
    hidden: Mapping[str, Hidden],
    digest: str,
    before: tuple[str, Statistics] | None,
) -> Statistics:
    """The statistics of a divided table (with the column `PART`). `hidden` names columns whose values are not kept,
    `digest` is that of the snapshot, and `before` that of the one before with its statistics.

    Rows that come out the same once more have not moved since themselves: what is known of their drift is kept.
    """
    names = [name for name in table.names if name != PART]
    facts = {item.name: item for item in profile.columns}
    own_texts = [
        item.name
        for item in profile.columns
        if item.type == "string" and item.distinct > max(_FEWEST_TEXTS, (profile.rows - item.nulls) / 2)
    ]
    hidden = {**dict.fromkeys(own_texts, "distinct"), **hidden}
    open_names = [name for name in names if name not in hidden]
    again = before is not None and before[0] == digest
    earlier = {item.name: item for item in before[1].columns} if before else {}
    counted = _counted(table, open_names, {} if again else earlier)
    related, rows = _associations(table, open_names, target_column, target)
    moved = _known(earlier, open_names) if again else _moved(counted, earlier)
    columns = tuple(
        ColumnStatistics(
            name=name,
            type=facts[name].type,
            nulls=facts[name].nulls,
            distinct=facts[name].distinct,
            hidden=hidden.get(name),
            association=related.get(name),
            moved=moved.get(name),
            **(counted[name].kept if name in counted else {}),
        )
        for name in names
    )
    return Statistics(
        rows=table.rows,
        columns=columns,
        parts=_parts(table, target_column, target),
        associated_rows=rows,
        before=None if before is None else before[1].before if again else before[0],
        before_rows=0 if before is None else before[1].before_rows if again else before[1].rows,
    )


class _Counted:
    """The bins of one column and what was counted in them so far; `old` are those of the snapshot before."""

    def __init__(self, sample: pa.ChunkedArray, earlier: ColumnStatistics | None) -> None:
        from tenure.ml.profile import bins_of, empty

        values = _numbers(sample)
        drift = bins_of(values)
        self.bins = {"drift": drift, "shown": _equal_width(values) if drift.kind == "quantiles" else drift}
        if earlier is not None and earlier.drift is not None:
            self.bins["old"] = earlier.drift
        self.counts = {key: empty(bins) for key, bins in self.bins.items()}

    def update(self, batch: pa.Array) -> None:
        from tenure.ml.profile import counts, merge

        different = list(dict.fromkeys(self.bins.values()))
        found = dict(zip(different, counts(different, _numbers(batch)), strict=True))
        self.counts = {key: merge([self.counts[key], found[bins]]) for key, bins in self.bins.items()}

    @property
    def kept(self) -> dict[str, Any]:
        return {
            "drift": self.bins["drift"],
            "drift_counts": self.counts["drift"],
            "shown": self.bins["shown"],
            "shown_counts": self.counts["shown"],
        }


def _counted(
    table: Table, names: Sequence[str], earlier: Mapping[str, ColumnStatistics]
) -> dict[str, _Counted]:
    step = max(1, table.rows // SAMPLE)
    sample = table.arrow(names, f"WHERE n % {step} = 0 LIMIT {2 * SAMPLE}")
    if sample.num_rows == 0:
        sample = table.arrow(names, f"LIMIT {SAMPLE}")
    found = {name: _Counted(sample.column(name), earlier.get(name)) for name in names}
    if sample.num_rows < table.rows:
        for item in found.values():
            item.bins = {
                key: msgspec.structs.replace(bins, open=True)
                if key != "old" and bins.kind == "categories"
                else bins
                for key, bins in item.bins.items()
            }
    every = -(-table.rows // MOST_COUNTED)
    for batch in table.batches(names, f"WHERE n % {every} = 0" if every > 1 else ""):
        for name in names:
            found[name].update(batch.column(name))
    return found


def _numbers(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Times as microseconds since 1970, all else as it is."""
    import pyarrow as pa

    return column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column


def _equal_width(column: pa.ChunkedArray) -> Bins:
    """Bins of equal width over nearly all values; the outer ones are open."""
    import numpy as np
    import pyarrow as pa

    values = np.asarray(column.drop_null().cast(pa.float64(), safe=False))
    low, high = np.quantile(values[np.isfinite(values)], [_TAIL, 1 - _TAIL])
    edges = np.linspace(low, high, _SHOWN + 1)[1:-1] if high > low else np.asarray([low])
    return Bins("quantiles", edges=tuple(float(edge) for edge in edges))


def _associations(
    table: Table, names: Sequence[str], target_column: str, target: Target
) -> tuple[dict[str, float], int]:
    """How much of the target each column alone explains in the training part, and in how many of its rows."""
    from tenure.ml.association import Kind, associations

    part = table.column(PART).sql
    rows = int(table.query("count(*)", f"WHERE {part} = 'train'")[0][0])
    step = -(-rows // MOST_ROWS) or 1
    named = {table.column(name).sql: name for name in names if name != target_column}
    kinds: dict[str, Kind] = {}
    for sql, name in named.items():
        kind = table.column(name).type
        plain = kind in ("string", "boolean")
        kinds[sql] = "category" if plain else "time" if kind == "timestamp" else "number"
    items = ", ".join([*named, table.column(target_column).sql])
    # They are read twice for each column, so they are taken out of the others once.
    chosen = table.engine.write(f"SELECT {items} FROM {table.view} WHERE {part} = 'train' AND n % {step} = 0")
    cursor = table.engine.cursor()
    try:
        found: tuple[Association, ...] = associations(
            cursor, chosen, kinds, table.column(target_column).sql, classes=target.task != "regression"
        )
    finally:
        cursor.close()
    table.engine.query(f"DROP TABLE {chosen}")
    return {named[item.column]: item.score for item in found}, rows // step


def _moved(counted: Mapping[str, _Counted], earlier: Mapping[str, ColumnStatistics]) -> dict[str, Moved]:
    histograms, missing = {}, {}
    for name, item in counted.items():
        before = earlier.get(name)
        if "old" in item.counts and before is not None and before.drift_counts is not None:
            histograms[name] = (before.drift_counts.bins, item.counts["old"].bins)
            missing[name] = before.drift_counts.missing_rate
    if not histograms:
        return {}
    from tenure.ml.drift import compare

    return {
        item.column: Moved(
            psi=round(item.psi, 6),
            js=round(item.js, 6),
            floor=round(item.floor, 6) if math.isfinite(item.floor) else None,
            above_noise=item.above_noise,
            missing_before=missing[item.column],
        )
        for item in compare(histograms)
    }


def _known(earlier: Mapping[str, ColumnStatistics], names: Sequence[str]) -> dict[str, Moved]:
    return {
        name: item.moved
        for name in names
        if (item := earlier.get(name)) is not None and item.moved is not None
    }


def _parts(table: Table, target_column: str, target: Target) -> tuple[PartStatistics, ...]:
    part, column = table.column(PART).sql, table.column(target_column).sql
    found = []
    if target.task == "regression":
        rows = table.query(f"{part}, count(*), avg({column}), stddev_samp({column})", "GROUP BY ALL")
        by_part: dict[str, PartStatistics] = {
            name: PartStatistics(name, count, mean=_rounded(mean), deviation=_rounded(deviation))
            for name, count, mean, deviation in rows
        }
        found = [by_part[name] for name in ("train", "validation", "test") if name in by_part]
        return tuple(found)
    from tenure.ml.task import class_of

    counts: dict[str, dict[Any, int]] = {}
    for name, value, times in table.query(f"{part}, {column}, count(*)", "GROUP BY ALL"):
        counts.setdefault(name, {})[class_of(value)] = times
    return tuple(
        PartStatistics(
            name, sum(counts[name].values()), tuple(counts[name].get(value, 0) for value in target.classes)
        )
        for name in ("train", "validation", "test")
        if name in counts
    )


def _rounded(value: float | None) -> float | None:
    """Nine digits: sums come out in the order of threads."""
    return None if value is None else float(f"{value:.9g}")


def instant(microseconds: float) -> str:
    """A time among the bins, for people: a day, with the time of day where there is one."""
    moment = datetime.fromtimestamp(microseconds / 1e6, UTC)
    return f"{moment:%Y-%m-%d}" if moment.hour == moment.minute == 0 else f"{moment:%Y-%m-%d %H:%M}"


def encode(found: Statistics) -> bytes:
    """As it is stored."""
    return msgspec.json.encode(found)


def decode(data: bytes) -> Statistics | None:
    """What `encode` wrote; None when it was written by a version that kept something else."""
    try:
        return json_decoder(Statistics).decode(data)
    except (msgspec.ValidationError, msgspec.DecodeError):
        return None
