"""Queries: order, mixed types, secrets that stay secret, and errors that say what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tenure.core.errors import StageError
from tenure.stages.data.engine import opened
from tenure.stages.data.sources import sql
from tenure.stages.data.sources.sql import Sql

WHERE = ("data", "sources", "s")
Load = Callable[..., Any]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as database, database:
        database.execute("CREATE TABLE orders (id INTEGER, price REAL, mixed, note TEXT, raw BLOB)")
        database.executemany(
            "INSERT INTO orders VALUES (?, ?, ?, ?, ?)",
            [(3, 1, "x", None, b"1"), (1, 2.5, 7, "b", b"2"), (2, None, None, "a", b"3")],
        )

    def run(query: str, connection: str = "sqlite:///shop.db") -> Any:
        with opened() as engine:
            loaded = Sql(type="sql", connection=connection, query=query).load(tmp_path, WHERE, engine)
            return loaded.table.arrow()

    return run


def test_rows_have_an_order_of_their_own(load: Load) -> None:
    one = load("SELECT id, note FROM orders ORDER BY id DESC")
    assert one.to_pydict() == {"id": [1, 2, 3], "note": ["b", "a", None]}
    assert one.equals(load("SELECT id, note FROM orders ORDER BY note"))


def test_mixed_values_become_text_and_mixed_numbers_floats(load: Load) -> None:
    assert load("SELECT mixed FROM orders")["mixed"].to_pylist() == ["7", "x", None]
    assert load("SELECT id, price FROM orders")["price"].to_pylist() == [2.5, None, 1.0]


def test_mixed_values_far_apart(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "_BATCH", 1)
    assert sorted(load("SELECT mixed FROM orders WHERE mixed IS NOT NULL")["mixed"].to_pylist()) == ["7", "x"]
    assert load("SELECT id, price FROM orders")["price"].to_pylist() == [2.5, None, 1.0]


def test_nothing_is_written(load: Load) -> None:
    with pytest.raises(StageError) as caught:
        load("DELETE FROM orders")
    assert caught.value.path == (*WHERE, "query")
    assert load("SELECT count(*) AS n FROM orders")["n"].to_pylist() == [3]


def test_no_rows_keep_their_names(load: Load) -> None:
    table = load("SELECT id, note FROM orders WHERE id > 9")
    assert (table.num_rows, table.column_names) == (0, ["id", "note"])


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("SELECT weight FROM orders", "no such column: weight"),
        ("SELEC 1", "syntax error"),
        ("SELECT id, price AS id FROM orders", "more than one column called id"),
    ],
)
def test_queries_that_fail(load: Load, query: str, detail: str) -> None:
    with pytest.raises(StageError) as caught:
        load(query)
    assert detail in caught.value.detail
    assert caught.value.path == (*WHERE, "query")


def test_a_missing_database_is_not_created(load: Load, tmp_path: Path) -> None:
    with pytest.raises(StageError) as caught:
        load("SELECT 1", "sqlite:///other.db")
    assert caught.value.path == (*WHERE, "connection")
    assert not (tmp_path / "other.db").exists()


def test_secrets_are_resolved_at_the_moment_of_use(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StageError, match="SHOP_DB") as caught:
        load("SELECT 1 AS one", "sqlite:///${env:SHOP_DB}")
    assert caught.value.path == (*WHERE, "connection")
    monkeypatch.setenv("SHOP_DB", "shop.db")
    assert load("SELECT 1 AS one", "sqlite:///${env:SHOP_DB}")["one"].to_pylist() == [1]


@pytest.mark.parametrize(
    "connection", ["not a url ${env:SHOP_SECRET}", "nodialect://u:${env:SHOP_SECRET}@h/d"]
)
def test_errors_never_hold_the_secret(load: Load, monkeypatch: pytest.MonkeyPatch, connection: str) -> None:
    monkeypatch.setenv("SHOP_SECRET", "hunter2")
    with pytest.raises(StageError) as caught:
        load("SELECT 1", connection)
    cause = caught.value.__cause__
    assert "hunter2" not in str(caught.value) + str(cause or "")
    assert caught.value.path == (*WHERE, "connection")


def test_the_snapshot_records_the_rows_of_a_query(load: Load, project: Any) -> None:
    source = {
        "type": "sql",
        "connection": "sqlite:///shop.db",
        "query": "SELECT id, coalesce(note, 'c') AS y FROM orders",
    }
    block = {"sources": {"orders": source}, "target_column": "id", "task": "regression"}
    output = project.take(block)
    assert output.value["sources"]["orders"]["rows"] == 3
    assert output.value["sources"]["orders"]["digest"].startswith("sha256:")
    assert project.take(block).digest == output.digest


def test_bytes_are_no_column_of_a_model(load: Load, project: Any) -> None:
    source = {"type": "sql", "connection": "sqlite:///shop.db", "query": "SELECT * FROM orders"}
    with pytest.raises(StageError, match="raw"):
        project.take({"sources": {"orders": source}, "target_column": "id"})


@pytest.mark.postgres
def test_postgresql_is_streamed_and_rolled_back(
    postgres: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlalchemy

    monkeypatch.setattr(sql, "_BATCH", 50)
    url = postgres.url.replace("postgresql://", "postgresql+psycopg://")
    server = sqlalchemy.create_engine(url)
    with server.begin() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS measured")
        connection.exec_driver_sql(
            "CREATE TABLE measured AS SELECT n AS id, (n * 0.25)::numeric(12, 4) AS price, mod(n, 2) = 0 AS paid, "
            "'2026-01-01T00:00:00Z'::timestamptz + n * interval '1 hour' AS at, date '2026-01-01' + n AS day, "
            "gen_random_uuid() AS key, CASE WHEN n > 120 THEN 'late ' || n END AS note, '{\"a\": 1}'::jsonb AS extra "
            "FROM generate_series(0, 199) n ORDER BY random()"
        )
    monkeypatch.setenv("SHOP_DB", url)
    statements: list[str] = []
    source = Sql(type="sql", connection="${env:SHOP_DB}", query="SELECT * FROM measured")
    with opened() as engine:

        @sqlalchemy.event.listens_for(sqlalchemy.Engine, "before_cursor_execute")
        def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
            statements.append(type(cursor).__name__)

        try:
            loaded = source.load(tmp_path, WHERE, engine)
        finally:
            sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", note)
        rows = loaded.table.arrow()
    assert "ServerCursor" in statements
    assert rows["id"].to_pylist() == list(range(200))
    assert {name: str(rows.schema.field(name).type) for name in rows.column_names} == {
        "id": "int64",
        "price": "double",
        "paid": "bool",
        "at": "timestamp[us]",
        "day": "timestamp[us]",
        "key": "string",
        "note": "string",
    }
    assert (rows["price"][3].as_py(), rows["note"][121].as_py()) == (0.75, "late 121")
    assert str(rows["at"][1].as_py()) == "2026-01-01 01:00:00"
    assert list(loaded.unusable) == ["extra"]
    deleting = Sql(type="sql", connection="${env:SHOP_DB}", query="DELETE FROM measured")
    with opened() as engine, pytest.raises(StageError, match="the query failed"):
        deleting.load(tmp_path, WHERE, engine)
    with server.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM measured").scalar_one() == 200
    server.dispose()
