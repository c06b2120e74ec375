"""Parts of a snapshot: the rows asked for, in their order, and nothing else of the file."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tenure.ml.snapshot import PART, read_parts


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "year=2026"  # A name that readers of partitioned folders would take for a column.
    folder.mkdir()
    rows = {"a": list(range(9)), "b": [f"v{n}" for n in range(9)], PART: ["train", "test", "validation"] * 3}
    pq.write_table(pa.table(rows), folder / "snapshot.parquet", row_group_size=2)
    return folder / "snapshot.parquet"


def test_the_rows_of_some_parts_in_order(file: Path) -> None:
    assert read_parts(file, ["test"]).to_pydict() == {
        "a": [1, 4, 7],
        "b": ["v1", "v4", "v7"],
        PART: ["test"] * 3,
    }
    assert read_parts(file, ["validation", "train"])["a"].to_pylist() == [0, 2, 3, 5, 6, 8]
    assert read_parts(file, ["gap"]).num_rows == 0


def test_some_columns(file: Path) -> None:
    assert read_parts(file, ["test"], ["b"]).to_pydict() == {"b": ["v1", "v4", "v7"]}
