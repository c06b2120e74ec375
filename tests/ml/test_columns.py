"""Canonical types, column profiles against pandas, and the digest of a table's content."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tenure.core.errors import StageError
from tenure.ml.columns import Profile, Value, canonical, content_digest, logical_type, profile

NAIVE = datetime(2026, 1, 1, 10)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (pa.array([1, None], pa.int8()), "integer", [1, None]),
        (pa.array([2**63], pa.uint64()), "number", [float(2**63)]),
        (pa.array([1.5], pa.float32()), "number", [1.5]),
        (pa.array([Decimal("1.50")]), "number", [1.5]),
        (pa.array(["a", None]).dictionary_encode(), "string", ["a", None]),
        (pa.array(["a"], pa.large_string()), "string", ["a"]),
        (pa.nulls(2), "string", [None, None]),
        (pa.array([True, None]), "boolean", [True, None]),
        (pa.array([date(2026, 1, 1)]), "timestamp", [datetime(2026, 1, 1)]),  # noqa: DTZ001
        (pa.array([NAIVE], pa.timestamp("ns")), "timestamp", [NAIVE]),
        (
            pa.array([datetime(2026, 1, 1, 10, tzinfo=UTC)], pa.timestamp("ms", "America/New_York")),
            "timestamp",
            [NAIVE],
        ),
    ],
)
def test_canonical_types(values: pa.Array, kind: str, expected: list[Any]) -> None:
    table, infinities = canonical(pa.table({"a": values}))
    assert logical_type(table["a"].type) == kind
    assert table["a"].to_pylist() == expected
    assert infinities == {}


def test_nan_and_infinities_become_missing_and_only_infinities_are_counted() -> None:
    table, infinities = canonical(
        pa.table({"a": [1.0, float("nan"), float("inf"), float("-inf"), None], "b": [1] * 5})
    )
    assert table["a"].to_pylist() == [1.0, None, None, None, None]
    assert infinities == {"a": 2}


def test_unusable_types_are_all_named() -> None:
    with pytest.raises(StageError) as caught:
        canonical(pa.table({"a": [[1]], "b": [b"x"], "c": [1]}))
    assert "a (list<" in caught.value.detail
    assert "b (binary)" in caught.value.detail


def test_profile_against_pandas() -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "n": np.where(random.random(500) < 0.1, np.nan, random.normal(size=500)),
            "i": random.integers(0, 9, 500),
            "t": random.choice(list("abcdefghijklmnopqrstuvwxyz"), 500),
            "b": random.random(500) < 0.5,
        }
    )
    found = {c.name: c for c in profile(canonical(pa.Table.from_pandas(frame))[0]).columns}
    for name, column in found.items():
        assert (column.nulls, column.distinct) == (frame[name].isna().sum(), frame[name].nunique())
    for name in ("n", "i"):
        column = found[name]
        assert column.mean == pytest.approx(frame[name].mean())
        assert column.std == pytest.approx(frame[name].std())
        assert (column.minimum, column.maximum) == (frame[name].min(), frame[name].max())
    counts = frame["t"].value_counts()
    assert len(found["t"].top) == 20
    assert [value.rows for value in found["t"].top] == sorted(counts, reverse=True)[:20]
    assert all(counts[value.value] == value.rows for value in found["t"].top)
    assert {value.value: value.rows for value in found["b"].top} == frame["b"].value_counts().to_dict()


def test_profile_of_nothing() -> None:
    table = pa.table({"n": pa.nulls(2, pa.float64()), "t": pa.nulls(2, pa.string()), "one": [1.0, None]})
    n, t, one = profile(table).columns
    assert (n.nulls, n.distinct, n.minimum, n.mean, n.top) == (2, 0, None, None, ())
    assert (t.top, one.std) == ((), None)


def test_profile_survives_json() -> None:
    table = pa.table(
        {"t": ["a", "a", "b"], "b": [True, False, True], "at": pa.array([NAIVE] * 3, pa.timestamp("us"))}
    )
    made = profile(table)
    assert made.columns[0].top == (Value("a", 2), Value("b", 1))
    assert made.columns[2].minimum == "2026-01-01T10:00:00Z"
    assert msgspec.json.decode(msgspec.json.encode(made), type=Profile) == made


TABLE = pa.table(
    {
        "i": [1, None, 3],
        "f": [0.5, None, -0.0],
        "t": ["a", "", None],
        "b": [True, None, False],
        "at": pa.array([NAIVE, None, NAIVE], pa.timestamp("us")),
    }
)


def test_content_digest_does_not_see_chunks_or_slices() -> None:
    expected = content_digest(TABLE)
    assert content_digest(pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)])) == expected
    assert content_digest(pa.concat_tables([TABLE, TABLE]).slice(3, 3)) == expected
    assert content_digest(TABLE.take([0, 1, 2])) == expected


@pytest.mark.parametrize(
    "other",
    [
        TABLE.take([1, 0, 2]),
        TABLE.rename_columns(["i", "f", "t", "b", "when"]),
        TABLE.drop_columns(["b"]),
        TABLE.set_column(0, "i", pa.array([1, 0, 3])),
        TABLE.set_column(0, "i", pa.array([1.0, None, 3.0])),
        TABLE.set_column(2, "t", pa.array(["", "a", None])),
        TABLE.set_column(2, "t", pa.array(["a", None, None])),
        TABLE.set_column(3, "b", pa.array([True, False, False])),
    ],
)
def test_content_digest_sees_everything_else(other: pa.Table) -> None:
    assert content_digest(other) != content_digest(TABLE)


def test_content_digest_of_no_rows() -> None:
    assert content_digest(TABLE.slice(0, 0)) != content_digest(TABLE)
