"""The frozen profile of a column: bins fixed on the reference, and counts that any later window adds up in.

Bins never move after the reference was profiled, so that values stay comparable over time and one outlier cannot
stretch them; a window costs one pass over its own rows. Counts of the same bins merge by addition: hours to days,
segments to windows. A profile holds aggregates only, 2 to 4 KB per column.

numbers      ten bins between reference quantiles, the outer ones open; at most 20 distinct values: a bin per value
categories   a bin for each of the 50 most frequent reference values, then `__other__` (seen in the reference, rarer)
both         `__unseen__` (not a reference value) where values are listed, and `__null__`
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

QUANTILE_BINS = 10
DISCRETE_VALUES = 20
CATEGORIES = 50
REMEMBERED_VALUES = 1000
OTHER, UNSEEN, NULL = "__other__", "__unseen__", "__null__"

Kind = Literal["quantiles", "values", "categories"]


class Bins(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the values of a column are counted.

    `edges` (quantiles): ascending inner edges; bin i holds edges[i-1] <= x < edges[i]. `values`: the listed values,
    numbers for kind `values`, text for `categories`. `rare` holds a checksum of every other reference value; with
    `open`, there were too many to remember, so that unseen values cannot be told from rare ones.
    """

    kind: Kind
    edges: tuple[float, ...] = ()
    values: tuple[str | float, ...] = ()
    rare: tuple[int, ...] = ()
    open: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        """One label per bin, for people, in the order of `Counts.bins`."""
        if self.kind == "quantiles":
            edges = [f"{edge:.4g}" for edge in self.edges]
            middle = [f"{low} to {high}" for low, high in pairwise(edges)]
            return (*((f"< {edges[0]}", *middle, f">= {edges[-1]}") if edges else ("any",)), NULL)
        if self.kind == "values":
            return (*(f"{value:.6g}" for value in self.values), UNSEEN, NULL)
        return (*(str(value) for value in self.values), OTHER, UNSEEN, NULL)


class Counts(msgspec.Struct, frozen=True, omit_defaults=True):
    """The rows of one column in the bins of its profile, and moments of the finite numbers among them.

    `nulls` includes NaN and `mistyped` values (text that is no number in a column of numbers).
    """

    rows: int
    bins: tuple[int, ...]
    nulls: int = 0
    unseen: int = 0
    infinities: int = 0
    mistyped: int = 0
    numbers: int = 0
    mean: float = 0.0
    squares: float = 0.0
    minimum: float | None = None
    maximum: float | None = None

    @property
    def missing_rate(self) -> float:
        """Share of rows without a value; 0 without rows."""
        return self.nulls / self.rows if self.rows else 0.0

    @property
    def unseen_rate(self) -> float:
        """Share of the rows with a value whose value is not in the reference; 0 without any."""
        present = self.rows - self.nulls
        return self.unseen / present if present else 0.0

    @property
    def deviation(self) -> float | None:
        """Standard deviation (n - 1) of the finite numbers; None for fewer than two."""
        return float(np.sqrt(self.squares / (self.numbers - 1))) if self.numbers > 1 else None


class Column(msgspec.Struct, frozen=True, omit_defaults=True):
    """The frozen profile of one column: its bins and the counts of the reference.

    `seasons` holds the counts of each calendar month ("1" to "12") where the reference has times.
    """

    name: str
    bins: Bins
    reference: Counts
    seasons: dict[str, Counts] = {}


def profile(name: str, column: pa.Array | pa.ChunkedArray, *, months: pa.Array | None = None) -> Column:
    """Profile the reference values of a column; `months` (1 to 12, one per row) adds counts by season."""
    values = _flat(column)
    bins = bins_of(values)
    seasons = {}
    if months is not None:
        for month in sorted(pc.unique(months.drop_null()).to_pylist()):
            seasons[str(month)] = count(bins, values.filter(pc.fill_null(pc.equal(months, month), False)))
    return Column(name, bins, count(bins, values), seasons)


def bins_of(column: pa.Array | pa.ChunkedArray) -> Bins:
    """The bins that fit these values."""
    values = _flat(column)
    return _number_bins(values) if _numeric(values.type) else _category_bins(values)


def count(bins: Bins, column: pa.Array | pa.ChunkedArray) -> Counts:
    """Count the rows of a column in one pass. Columns of another type are read as what the bins hold."""
    return counts([bins], column)[0]


def counts(several: Sequence[Bins], column: pa.Array | pa.ChunkedArray) -> list[Counts]:
    """As `count` for several bins of the same column, which is looked through once for what they have in common."""
    values = _flat(column)
    numbers: _Numbers | None = None
    found = []
    for bins in several:
        if bins.kind == "categories":
            found.append(_count_categories(bins, values))
        else:
            if numbers is None:
                numbers = _looked_through(values)
            found.append(numbers.within(bins))
    return found


def empty(bins: Bins) -> Counts:
    """The counts of no rows."""
    return Counts(rows=0, bins=(0,) * len(bins.labels))


def merge(parts: Iterable[Counts]) -> Counts:
    """The counts of all parts together; they share their bins. Raises ValueError without a part."""
    first, *rest = parts
    for other in rest:
        numbers = first.numbers + other.numbers
        shift = other.mean - first.mean
        share = other.numbers / numbers if numbers else 0.0
        first = Counts(
            rows=first.rows + other.rows,
            bins=tuple(a + b for a, b in zip(first.bins, other.bins, strict=True)),
            nulls=first.nulls + other.nulls,
            unseen=first.unseen + other.unseen,
            infinities=first.infinities + other.infinities,
            mistyped=first.mistyped + other.mistyped,
            numbers=numbers,
            mean=first.mean + shift * share,
            squares=first.squares + other.squares + shift * shift * first.numbers * share,
            minimum=_extreme(min, first.minimum, other.minimum),
            maximum=_extreme(max, first.maximum, other.maximum),
        )
    return first


def reference_for(column: Column, months: Iterable[int], seasonal: bool) -> Counts:
    """What a window of these calendar months is compared with: the whole reference, or its same months."""
    if not seasonal:
        return column.reference
    found = [column.seasons[str(month)] for month in sorted(set(months)) if str(month) in column.seasons]
    return merge(found) if found else empty(column.bins)


def _number_bins(column: pa.Array) -> Bins:
    numbers = _numbers(column)[0]
    finite = numbers[np.isfinite(numbers)]
    distinct = np.unique(finite)
    if len(distinct) <= DISCRETE_VALUES:
        return Bins("values", values=tuple(float(value) for value in distinct))
    edges = np.unique(np.quantile(finite, np.linspace(0, 1, QUANTILE_BINS + 1)[1:-1]))
    return Bins("quantiles", edges=tuple(float(edge) for edge in edges))


def _category_bins(column: pa.Array) -> Bins:
    texts = _texts(column).drop_null()
    table = pc.value_counts(texts)
    # Most frequent first; ties by text, so that the same reference has the same bins.
    ranked = sorted(
        zip(table.field("values").to_pylist(), table.field("counts").to_pylist(), strict=True),
        key=lambda pair: (-pair[1], pair[0]),
    )
    listed, rest = ranked[:CATEGORIES], ranked[CATEGORIES:]
    return Bins(
        "categories",
        values=tuple(value for value, _ in listed),
        rare=tuple(sorted(_checksum(value) for value, _ in rest)) if len(rest) <= REMEMBERED_VALUES else (),
        open=len(rest) > REMEMBERED_VALUES,
    )


class _Numbers(NamedTuple):
    """The numbers of a column: what is counted in them whatever their bins are, and those that are there."""

    shared: Counts
    present: npt.NDArray[np.float64]

    def within(self, bins: Bins) -> Counts:
        """The same counts, with the bins."""
        unseen = 0
        if bins.kind == "quantiles":
            # Few edges: comparing with each is faster than looking up each number.
            above = [
                len(self.present),
                *(int(np.count_nonzero(self.present >= edge)) for edge in bins.edges),
                0,
            ]
            counted = [more - fewer for more, fewer in pairwise(above)]
        else:
            listed = np.asarray(bins.values, dtype=np.float64)
            position = np.searchsorted(listed, self.present)
            known = np.zeros(len(self.present), dtype=bool)
            inside = position < len(listed)
            known[inside] = listed[position[inside]] == self.present[inside]
            unseen = int((~known).sum())
            counted = [*map(int, np.bincount(position[known], minlength=len(listed))), unseen]
        return msgspec.structs.replace(self.shared, bins=(*counted, self.shared.nulls), unseen=unseen)


def _looked_through(column: pa.Array) -> _Numbers:
    numbers, mistyped = _numbers(column)
    null = np.isnan(numbers)
    present = numbers[~null]
    finite = present[np.isfinite(present)]
    mean = float(finite.mean()) if len(finite) else 0.0
    shared = Counts(
        rows=len(numbers),
        bins=(),
        nulls=int(null.sum()),
        infinities=len(present) - len(finite),
        mistyped=mistyped,
        numbers=len(finite),
        mean=mean,
        squares=float(((finite - mean) ** 2).sum()),
        minimum=float(finite.min()) if len(finite) else None,
        maximum=float(finite.max()) if len(finite) else None,
    )
    return _Numbers(shared, present)


def _count_categories(bins: Bins, column: pa.Array) -> Counts:
    texts = _texts(column)
    if bins.open:
        # Whatever is not listed is taken for rare, so it need not be told apart.
        listed = pc.index_in(texts, value_set=pa.array(bins.values, pa.string())).drop_null()
        known = [int(times) for times in np.bincount(listed.to_numpy(), minlength=len(bins.values))]
        others = len(texts) - texts.null_count - len(listed)
        return Counts(rows=len(texts), bins=(*known, others, 0, texts.null_count), nulls=texts.null_count)
    table = pc.value_counts(texts)
    places = {value: place for place, value in enumerate(bins.values)}
    rare = frozenset(bins.rare)
    other, unseen, null = len(places), len(places) + 1, len(places) + 2
    counted = [0] * (len(places) + 3)
    for value, times in zip(
        table.field("values").to_pylist(), table.field("counts").to_pylist(), strict=True
    ):
        if value is None:
            counted[null] += times
        elif value in places:
            counted[places[value]] += times
        else:
            counted[other if _checksum(value) in rare else unseen] += times
    return Counts(rows=len(texts), bins=tuple(counted), nulls=counted[null], unseen=counted[unseen])


def _numbers(column: pa.Array) -> tuple[npt.NDArray[np.float64], int]:
    """The values as float64, NaN where there is none, and how many could not be read as a number."""
    if _numeric(column.type):
        return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)), 0
    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan), 0
    given = pd.Series(_texts(column).to_pylist(), dtype=object)
    numbers = pd.to_numeric(given, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return numbers, int((np.isnan(numbers) & given.notna().to_numpy()).sum())


def _texts(column: pa.Array) -> pa.Array:
    """The values as text, spelled as JSON would: 1.0 and 1 are the same category, so are True and true."""
    if pa.types.is_floating(column.type):
        numbers = column.to_pylist()
        return pa.array(
            [None if v is None or v != v else str(int(v)) if v.is_integer() else repr(v) for v in numbers],
            pa.string(),
        )
    return column.cast(pa.string())


def _numeric(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _flat(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _checksum(value: str) -> int:
    return zlib.crc32(value.encode())


def _extreme(choose: Any, first: float | None, second: float | None) -> float | None:
    known = [value for value in (first, second) if value is not None]
    return choose(known) if known else None
