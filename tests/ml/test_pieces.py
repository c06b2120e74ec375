"""Rows of a snapshot in pieces: the same rows as when they are read at once, in the memory of a row group."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tenure.ml.pieces import Pieces, spread
from tenure.ml.snapshot import PART, read_parts

LEARNED = ("train", "validation")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """53 rows in groups of 10; the fourth group is all for the test."""
    parts = np.random.default_rng(1).choice(["train", "validation", "test"], 53, p=[0.6, 0.2, 0.2])
    parts[30:40] = "test"
    table = pa.table({"a": range(53), "b": [f"t{i}" for i in range(53)], PART: parts.tolist()})
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=10)
    return tmp_path / "rows.parquet"


def test_all_pieces_are_all_rows(file: Path) -> None:
    whole = read_parts(file, LEARNED, ["a", "b"])
    pieces = Pieces(file, LEARNED)
    assert pieces.rows == whole.num_rows
    assert pa.concat_tables(pieces.tables(["a", "b"])).equals(whole)


@pytest.mark.parametrize(("first", "end"), [(0, 5), (3, 29), (20, 21), (7, 7)])
def test_some_rows_by_number(file: Path, first: int, end: int) -> None:
    whole = read_parts(file, LEARNED, ["a"]).column("a").to_pylist()
    pieces = Pieces(file, LEARNED)
    found = pieces.between(first, end)
    assert [v for p in found for v in pieces.read(p, ["a"]).column("a").to_pylist()] == whole[first:end]
    assert [whole.index(pieces.read(p, ["a"]).column("a")[0].as_py()) for p in found] == [
        p.first for p in found
    ]


def test_rows_that_are_taken(file: Path) -> None:
    whole = read_parts(file, LEARNED, ["a", "b"])
    numbers = np.array([0, 4, 5, 17, 30])
    assert Pieces(file, LEARNED).take(numbers, ["a", "b"]).equals(whole.take(pa.array(numbers)))
    assert Pieces(file, LEARNED).take(numbers[:0], ["b"]).column_names == ["b"]


def test_a_sample_is_spread_over_all_rows() -> None:
    drawn = spread(1_000_003, 1000, seed=7)
    assert (np.diff(drawn) > 0).all()
    assert drawn[0] >= 0
    assert drawn[-1] < 1_000_003
    assert np.bincount(drawn // 100_001, minlength=10).tolist() == pytest.approx([100] * 10, abs=1)
    assert not np.array_equal(drawn, spread(1_000_003, 1000, seed=8))
    assert np.array_equal(drawn, spread(1_000_003, 1000, seed=7))


def test_a_sample_of_few_rows_is_all_of_them() -> None:
    assert spread(5, 10, seed=7).tolist() == [0, 1, 2, 3, 4]
    assert spread(7, 6, seed=7).max() < 7
