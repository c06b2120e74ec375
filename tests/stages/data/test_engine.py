"""The engine: order, names, digests and batches are those of the rows, whatever memory and threads there are."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.stages.data.engines import tabled

from tenure.core.errors import Interrupted, StageError
from tenure.ml.columns import content_digest
from tenure.stages.data import engine as engines
from tenure.stages.data import storing
from tenure.stages.data.engine import Engine, confined, opened
from tenure.stages.data.loading import load_arrow
from tenure.stages.data.memory import memory_limit
from tenure.stages.data.profiling import profile

ROWS = 50_000


@pytest.fixture
def rows() -> pa.Table:
    draw = np.random.default_rng(3)
    return pa.table(
        {
            "id": np.arange(ROWS),
            "x": pa.array(draw.normal(size=ROWS), mask=draw.random(ROWS) < 0.1),
            "t": pa.array([f"v{n % 977}" * (n % 5) for n in range(ROWS)]),
        }
    )


def test_rows_keep_their_order_through_filters_and_new_columns(engine: Engine, rows: pa.Table) -> None:
    table = tabled(engine, rows).filter("c0 % 3 <> 1").append("label", pa.array(range(33_333)))
    table = table.filter("c0 % 2 = 0").replace("x", "number", "c1 * 2").stored()
    expected = [n for n in range(ROWS) if n % 3 != 1]
    found = table.arrow()
    assert found["id"].to_pylist() == [n for n in expected if n % 2 == 0]
    assert found["label"].to_pylist() == [at for at, n in enumerate(expected) if n % 2 == 0]
    assert [n for (n,) in table.query("n", "ORDER BY n")] == list(range(table.rows))


def test_labels_lie_on_the_rows_they_were_given_for(engine: Engine, rows: pa.Table) -> None:
    """They are found by `n`, which has gaps where rows were dropped, and go on through filters and making room."""
    table = tabled(engine, rows).filter("c0 % 3 <> 1")
    codes = np.random.default_rng(4).integers(0, 3, table.rows).astype(np.uint8)
    labelled = table.labelled("part", codes, ("a", "b", "c"))
    engine.drop_all_but(labelled)
    found = labelled.arrow()
    assert found["id"].to_pylist() == [n for n in range(ROWS) if n % 3 != 1]
    assert found["part"].to_pylist() == ["abc"[code] for code in codes]
    part = labelled.column("part").sql
    assert labelled.filter(f"{part} = 'c'").rows == (codes == 2).sum()
    assert set(table.labelled("part", codes * 0, ("a", "b")).arrow()["part"].to_pylist()) == {"a"}


def test_rows_are_read_from_the_file_whatever_their_names(engine: Engine, tmp_path: Path) -> None:
    names = ["A", "a", "", "file_row_number", "filename"]
    rows = pa.table([pa.array([n, n + 10, None]) for n in range(5)], names=names)
    table = tabled(engine, rows)
    file = tmp_path / "rows [1].parquet"
    storing.write(table, file)
    read = engine.over_file(file, table.columns, table.rows)
    engine.drop_all_but(read)
    assert read.arrow().equals(rows)
    assert [n for (n,) in read.query("n")] == [0, 1, 2]


def test_a_profile_is_the_same_for_columns_in_order(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their distinct values are counted as they come, those of others by grouping."""
    monkeypatch.setattr(engines, "_BATCH_ROWS", 8192)
    up = np.arange(20_000) // 3
    days = np.datetime64("2020-01-01", "us") + up * np.timedelta64(1, "h")
    rows = pa.table(
        {
            "up": pa.array(up, mask=up % 7 == 0),
            "down": -up,
            "days": days,
            "one": np.ones(20_000, dtype=int),
            "none": pa.nulls(20_000, pa.int64()),
            "mixed": np.append(up[1:], 0),
            "text": [f"t{n % 30}" for n in up],
        }
    )
    table = tabled(engine, rows)
    stored = storing.write(table, tmp_path / "rows.parquet")
    assert set(stored.runs) == {"up", "down", "days", "one", "none"} & set(table.names)
    found = profile(table, stored.moments, stored.runs)
    assert found == profile(table, stored.moments, {})
    assert {item.name: item.distinct for item in found.columns if item.name in ("up", "days")} == {
        "up": len(set(up[up % 7 != 0])),
        "days": len(set(up)),
    }


def test_batches_end_where_the_values_say(
    engine: Engine, rows: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_BATCH_ROWS", 20_000)
    chunked = pa.concat_tables([rows.slice(0, 7), rows.slice(7, 30_001), rows.slice(30_008)])
    for given in (rows, chunked):
        table = tabled(engine, given)
        assert [batch.num_rows for batch in table.batches()] == [16_384, 16_384, 16_384, 848]
        assert [batch.num_rows for batch in table.filter("c0 >= 100").batches()][-1] == 748
        assert pa.Table.from_batches(table.batches()).equals(rows.combine_chunks())


def test_long_texts_make_small_batches(engine: Engine) -> None:
    rows = pa.table({"t": ["x" * 5_000] * 12_000})
    sizes = [batch.num_rows for batch in tabled(engine, rows).batches()]
    assert sizes == [8192, 3808]


def test_the_digest_depends_on_neither_batches_nor_threads_nor_memory(
    rows: pa.Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, files = set(), set()
    for size, memory in ((1 << 17, "64MB"), (8192, "1GB")):
        monkeypatch.setattr(engines, "_UNIT", min(size, 8192))
        monkeypatch.setenv("TENURE_DATA_MEMORY", memory)
        with opened() as engine:
            table = tabled(engine, rows)
            found |= {storing.content(table), storing.write(table, tmp_path / "rows.parquet").digest}
            files.add((tmp_path / "rows.parquet").read_bytes())
    assert found == {content_digest(rows)}
    assert len(files) == 1
    assert pq.read_table(tmp_path / "rows.parquet").equals(rows)


def test_any_name_is_a_name_of_a_column(engine: Engine) -> None:
    names = ["n", "c0", "rowid", 'a "b"', "select", "_c1", "", "'", "A"]
    rows = pa.table([[at, at + 1] for at in range(len(names))], names=names)
    table = tabled(engine, rows)
    assert table.arrow().equals(rows)
    assert table.select(["A", "n"]).arrow().to_pydict() == {"A": [8, 9], "n": [0, 1]}
    assert table.filter_named('"n" > 0 AND c0 = 2 AND "a ""b""" = 4').arrow().num_rows == 1


def test_the_filter_is_looked_at_for_every_row_at_once(engine: Engine) -> None:
    import duckdb

    table = tabled(engine, pa.table({"t": ["1", "2", "x"]}))
    with pytest.raises(duckdb.ConversionException, match="'x'"):
        table.filter_named("CAST(t AS BIGINT) > 1")


def test_values_become_canonical_on_the_way_in(engine: Engine) -> None:
    rows = pa.table(
        {
            "f": pa.array([1.5, float("nan"), float("inf"), None, 5e-324], pa.float64()),
            "u": pa.array([1, 2, 3, 4, 2**63 + 1], pa.uint64()),
            "v": pa.array([1, 2, 3, 4, 5], pa.uint64()),
            "d": pa.array([0, 1, 2, 3, None], pa.date32()),
            "z": pa.array([0, 1, 2, 3, None], pa.timestamp("s", "Europe/Amsterdam")),
            "e": pa.array(["a", "b", "a", None, "c"]).dictionary_encode(),
            "empty": pa.nulls(5),
            "list": [[1]] * 5,
        }
    )
    loaded = load_arrow(engine, rows)
    table = loaded.table.arrow()
    assert (dict(loaded.infinities), list(loaded.unusable)) == ({"f": 1}, ["list"])
    assert table["f"].to_pylist() == [1.5, None, None, None, 5e-324]
    assert [str(kind) for kind in table.schema.types] == [
        *("double", "double", "int64", "timestamp[us]", "timestamp[us]", "string", "string")
    ]
    assert str(table["z"][1].as_py()) == "1970-01-01 00:00:01"


def test_what_is_no_longer_needed_makes_room(engine: Engine, rows: pa.Table) -> None:
    first = tabled(engine, rows)
    kept = first.filter("c0 < 10").stored()
    engine.drop_all_but(kept)
    assert kept.arrow().num_rows == 10
    assert len(engine.query("SELECT 1 FROM duckdb_tables()")) == 1


@pytest.mark.parametrize("given", ["much", "1KB", ""])
def test_memory_that_is_no_size(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("TENURE_DATA_MEMORY", given)
    with pytest.raises(StageError) as caught:
        memory_limit()
    assert "TENURE_DATA_MEMORY=2GB" in caught.value.hint


def test_nothing_of_the_process_leaks_in(engine: Engine) -> None:
    import duckdb

    secret = pa.table({"a": [1]})
    with pytest.raises(duckdb.CatalogException):
        engine.query("SELECT * FROM secret")
    assert secret.num_rows == 1
    loaded = engine.query("SELECT extension_name FROM duckdb_extensions() WHERE installed AND NOT loaded")
    assert loaded == []
    assert engine.query("SELECT current_setting('TimeZone')") == [("UTC",)]
    assert engine.cursor().execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]


def test_a_long_query_draws_no_bar_on_the_terminal(engine: Engine) -> None:
    asked = "SELECT current_setting('enable_progress_bar')"
    assert engine.query(asked) == engine.cursor().execute(asked).fetchall() == [(False,)]
    with confined(engine, [], None, ()) as connection:
        assert connection.execute(asked).fetchall() == [(False,)]


@pytest.mark.slow
def test_more_rows_than_fit_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENURE_DATA_MEMORY", "64MB")
    with opened() as engine:
        text = "repeat(chr(65 + (hash(range) % 26)::INTEGER), 40) || hash(range)"
        table = engine.store(
            {"id": "integer", "t": "string"}, f"SELECT range, {text} FROM range(4000000) ORDER BY hash(range)"
        )
        assert table.rows == 4_000_000
        assert storing.write(table, tmp_path / "rows.parquet").digest.startswith("sha256:")


def test_a_stop_ends_a_query_that_runs() -> None:
    started = time.monotonic()

    def stopping() -> bool:
        return time.monotonic() - started > 0.5

    with pytest.raises(Interrupted), opened(stopping) as engine:
        engine.query("SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b")
    assert time.monotonic() - started < 60


def test_a_stop_ends_a_stream(rows: pa.Table) -> None:
    stop: list[bool] = []
    with opened(lambda: bool(stop)) as engine:
        table = tabled(engine, rows)
        stop.append(True)
        with pytest.raises(Interrupted):
            table.arrow()
