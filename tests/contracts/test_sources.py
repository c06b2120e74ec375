"""What every kind of source promises; a new kind is tested as soon as it is in the union and has an example here."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter, ValidationError

from tenure.ml.columns import content_digest, logical_type
from tenure.spec.base import config_of, effects_of
from tenure.stages.data.arrival import compare
from tenure.stages.data.engine import Engine
from tenure.stages.data.sources import Source

KINDS = get_args(get_args(Source)[0])
UNKNOWN_BEFORE_READ = ("sql", "python")
ROWS = {"x": [1, 2, 3], "y": ["a", "b", None]}


def _csv(folder: Path) -> dict[str, Any]:
    (folder / "rows.csv").write_text("x,y\n1,a\n2,b\n3,\n")
    return {"path": "rows.csv"}


def _parquet(folder: Path) -> dict[str, Any]:
    pq.write_table(pa.table(ROWS), folder / "rows.parquet")
    return {"path": "rows.parquet"}


def _json(folder: Path) -> dict[str, Any]:
    (folder / "rows.jsonl").write_text('{"x": 1, "y": "a"}\n{"x": 2, "y": "b"}\n{"x": 3, "y": null}\n')
    return {"path": "rows.jsonl"}


def _duckdb(folder: Path) -> dict[str, Any]:
    (folder / "rows.csv").write_text("x,y\n3,\n1,a\n2,b\n")
    return {"files": {"rows": "rows.csv"}, "query": "SELECT * FROM rows"}


def _python(folder: Path) -> dict[str, Any]:
    (folder / "shop.py").write_text(
        "def rows(count: int):\n"
        "    for n in range(1, count + 1):\n"
        "        yield {'x': n, 'y': 'ab'[n - 1] if n < 3 else None}\n"
    )
    return {"function": "shop.py:rows", "parameters": {"count": 3}}


def _sql(folder: Path) -> dict[str, Any]:
    with sqlite3.connect(folder / "shop.db") as connection:
        connection.execute("CREATE TABLE rows (x INTEGER, y TEXT)")
        connection.executemany("INSERT INTO rows VALUES (?, ?)", [(3, None), (1, "a"), (2, "b")])
    connection.close()
    return {"connection": "sqlite:///shop.db", "query": "SELECT x, y FROM rows"}


def _sklearn(folder: Path) -> dict[str, Any]:
    return {"name": "iris"}


EXAMPLES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "csv": _csv,
    "parquet": _parquet,
    "json": _json,
    "duckdb": _duckdb,
    "python": _python,
    "sql": _sql,
    "sklearn": _sklearn,
}


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    (name,) = get_args(request.param.model_fields["type"].annotation)
    return TypeAdapter(Source).validate_python({"type": name} | EXAMPLES[name](tmp_path))


def test_is_called_like_its_file(source: Any) -> None:
    assert type(source).__module__.rsplit(".", 1)[1] == source.type
    assert type(source).__name__.lower() == source.type


def test_every_field_has_a_cost_and_survives_the_state(source: Any) -> None:
    assert set(effects_of(source)) >= {"type"}
    assert TypeAdapter(Source).validate_python(json.loads(json.dumps(config_of(source)))) == source


def test_unknown_fields_are_refused(source: Any) -> None:
    with pytest.raises(ValidationError, match="surprise"):
        type(source).model_validate(config_of(source) | {"surprise": 1})


def test_loads_the_same_rows_twice(source: Any, tmp_path: Path, engine: Engine) -> None:
    first, second = (source.load(tmp_path, ("data", "sources", "s"), engine).table.arrow() for _ in range(2))
    assert first.num_rows > 0
    assert all(logical_type(column.type) for column in first.schema)
    assert content_digest(first) == content_digest(second)


def test_rows_come_out_as_they_went_in(source: Any, tmp_path: Path, engine: Engine) -> None:
    table = source.load(tmp_path, ("data", "sources", "s"), engine).table.arrow()
    if source.type == "sklearn":
        assert (table.num_rows, table.column_names[-1]) == (150, "target")
        assert set(table["target"].to_pylist()) == {"setosa", "versicolor", "virginica"}
    else:
        assert table.to_pydict() == ROWS


def test_fingerprint_is_stable_plain_data(source: Any, tmp_path: Path) -> None:
    found = source.fingerprint(tmp_path, None)
    assert json.loads(json.dumps(found)) == found == source.fingerprint(tmp_path, found)
    assert "digest" in found


def test_unchanged_source_is_not_reported_as_changed(source: Any, tmp_path: Path) -> None:
    from datetime import UTC, datetime

    found = source.fingerprint(tmp_path, None)
    recorded = found if found["digest"] else found | {"digest": "sha256:of-the-rows", "rows": 3}
    looked = compare(
        {"s": recorded}, {"s": source.fingerprint(tmp_path, recorded)}, datetime(2026, 5, 3, tzinfo=UTC)
    )
    assert looked.sentences == ()
    assert looked.changed is (None if source.type in UNKNOWN_BEFORE_READ else False)


def test_fingerprint_of_a_source_that_is_not_there_never_raises(source: Any, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    found = source.fingerprint(elsewhere, None)
    if source.type not in ("sql", "sklearn"):
        assert found["missing"] is True
        assert any(str(value) in found["reason"] for value in EXAMPLES[source.type](tmp_path).values()) or (
            "rows.csv" in found["reason"]
        )


def test_load_of_a_source_that_is_not_there_points_into_the_spec(
    source: Any, tmp_path: Path, engine: Engine
) -> None:
    from tenure.core.errors import StageError

    if source.type == "sklearn":
        pytest.skip("it comes with the library")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with pytest.raises(StageError, match="missing") as caught:
        source.load(elsewhere, ("data", "sources", "s"), engine)
    assert caught.value.path[:3] == ("data", "sources", "s")
    assert caught.value.path[3] in type(source).model_fields
