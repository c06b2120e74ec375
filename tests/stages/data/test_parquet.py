"""Parquet files: several as one, and what is said about broken ones."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tenure.core.errors import StageError
from tenure.stages.data.engine import Engine, opened
from tenure.stages.data.sources.parquet import Parquet

WHERE = ("data", "sources", "s")


def refusal(folder: Path, path: str) -> StageError:
    with opened() as engine, pytest.raises(StageError) as caught:
        Parquet(type="parquet", path=path).load(folder, WHERE, engine)
    assert caught.value.path == (*WHERE, "path")
    return caught.value


def test_files_of_a_glob_in_order_of_name_with_wider_types(tmp_path: Path, engine: Engine) -> None:
    folder = tmp_path / "year=2026"  # A name that readers of partitioned folders would take for a column.
    folder.mkdir()
    pq.write_table(pa.table({"a": [2.5], "b": ["y"]}), folder / "2.parquet")
    pq.write_table(pa.table({"b": ["x"], "a": [1]}), folder / "1.parquet")
    table = Parquet(type="parquet", path="**/*.parquet").load(tmp_path, WHERE, engine).table
    assert table.arrow().to_pydict() == {"b": ["x", "y"], "a": [1.0, 2.5]}


def test_other_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"a": [1], "c": [1]}), tmp_path / "2.parquet")
    error = refusal(tmp_path, "*.parquet")
    assert (error.summary, error.detail) == (
        "the files of a source have different columns",
        "2.parquet differs from the first file in c",
    )


def test_types_that_do_not_go_together(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"a": [True]}), tmp_path / "2.parquet")
    assert refusal(tmp_path, "*.parquet").summary == "the files of a source have different types"


def test_repeated_names(tmp_path: Path) -> None:
    pq.write_table(pa.table([[1], [2]], names=["a", "a"]), tmp_path / "1.parquet")
    assert refusal(tmp_path, "1.parquet").summary == "duplicate column names"


@pytest.mark.parametrize("keep", [20, -4])
def test_half_written_files(tmp_path: Path, keep: int) -> None:
    pq.write_table(pa.table({"a": list(range(100))}), tmp_path / "whole.parquet")
    (tmp_path / "half.parquet").write_bytes((tmp_path / "whole.parquet").read_bytes()[:keep])
    assert refusal(tmp_path, "half.parquet").summary == "a source file is not Parquet"
