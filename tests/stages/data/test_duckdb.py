"""Queries by DuckDB: they read what was declared, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
from pydantic import ValidationError

from tenure.core.errors import StageError
from tenure.stages.data.engine import opened
from tenure.stages.data.sources.duckdb import Duckdb

WHERE = ("data", "sources", "s")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a-1.csv").write_text("k,v\n2,x\n1,y\n")
    (tmp_path / "data/a-2.csv").write_text("k,v\n3,\n")
    (tmp_path / "data/b.jsonl").write_text('{"k": 1, "w": 0.5}\n')
    (tmp_path / "other.csv").write_text("k,v\n9,secret\n")
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as database:
        database.execute("CREATE TABLE orders AS SELECT range AS id, range % 2 = 0 AS paid FROM range(4)")
    return tmp_path


def load(folder: Path, query: str, **fields: Any) -> dict[str, list[Any]]:
    given = {"files": {"a": "data/a-*.csv", "b": "data/b.jsonl"}} | fields
    with opened() as engine:
        table = Duckdb(type="duckdb", query=query, **given).load(folder, WHERE, engine).table
        found: dict[str, list[Any]] = table.arrow().to_pydict()
        return found


def test_files_by_name_in_an_order_of_their_own(folder: Path) -> None:
    found = load(folder, "SELECT a.k, v, w FROM a LEFT JOIN b USING (k) ORDER BY k DESC")
    assert found == {"k": [1, 2, 3], "v": ["y", "x", None], "w": [0.5, None, None]}


def test_a_database_is_read_and_not_written(folder: Path) -> None:
    assert load(folder, "SELECT count(*) AS n FROM orders WHERE paid", database="shop.duckdb") == {"n": [2]}
    with pytest.raises(StageError) as caught:
        load(folder, "DROP TABLE orders", database="shop.duckdb")
    assert caught.value.summary == "the query is not one SELECT statement"
    (folder / "broken.duckdb").write_text("no database")
    with pytest.raises(StageError) as caught:
        load(folder, "SELECT 1 AS a", database="broken.duckdb")
    assert (caught.value.summary, caught.value.path) == (
        "the database cannot be opened",
        (*WHERE, "database"),
    )


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM 'other.csv'",
        "SELECT * FROM read_csv('{folder}/other.csv')",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_csv('https://example.com/a.csv')",
        "COPY (SELECT 1) TO '{folder}/out.csv'",
        "ATTACH '{folder}/shop.duckdb' AS other",
        "SET memory_limit = '10GB'",
        "SELECT 1 AS a; SELECT 2 AS a",
        "SELECT 1 AS a, 2 AS a",
        "SELEC 1",
        "SELECT zz FROM a",
        "SELECT * FROM c",
    ],
)
def test_queries_that_are_refused(folder: Path, query: str) -> None:
    with pytest.raises(StageError) as caught:
        load(folder, query.format(folder=folder))
    assert caught.value.path == (*WHERE, "query")
    assert not (folder / "out.csv").exists()


def test_the_fingerprint_is_that_of_what_is_read(folder: Path) -> None:
    source = Duckdb(
        type="duckdb", query="SELECT * FROM a", files={"a": "data/a-*.csv"}, database="shop.duckdb"
    )
    before = source.fingerprint(folder, None)
    assert source.fingerprint(folder, before) == before
    (folder / "other.csv").write_text("changed")
    assert source.fingerprint(folder, before) == before
    (folder / "data/a-3.csv").write_text("k,v\n4,z\n")
    assert source.fingerprint(folder, before)["digest"] != before["digest"]
    (folder / "shop.duckdb").unlink()
    assert source.fingerprint(folder, before) == {"missing": True, "reason": "no file shop.duckdb"}


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "nothing to read"),
        ({"files": {"a": "https://example.com/a.csv"}}, "files of this machine"),
        ({"files": {"a": "data/a.xlsx"}}, "how it is read"),
    ],
)
def test_a_query_needs_files_it_can_read(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Duckdb(type="duckdb", query="SELECT 1", **fields)
