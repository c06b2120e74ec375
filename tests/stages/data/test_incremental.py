"""Several files of one source: only new and changed ones are parsed, and the rows are those of all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tenure.core.errors import StageError
from tenure.core.files import Stamp
from tenure.stages.data import json_table, ledger, pieces, text_table
from tenure.stages.data.arrival import compare
from tenure.stages.data.engine import opened
from tenure.stages.data.sources.csv import Csv
from tenure.stages.data.sources.json import Json
from tenure.stages.data.sources.parquet import Parquet

WHERE = ("data", "sources", "s")
CACHE = ".tenure/cache/sources"


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were parsed, in order."""
    names: list[str] = []
    for module in (text_table, json_table):

        def read(
            engine: Any, file: Path, shown: str, *, _read: Callable[..., Any] = module.read, **given: Any
        ) -> Any:
            names.append(Path(shown).name)
            return _read(engine, file, shown, **given)

        monkeypatch.setattr(module, "read", read)
    return names


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files whose content was hashed."""
    names: list[str] = []
    real = pieces.files.look_through

    def look_through(file: Path) -> tuple[str, int | None]:
        names.append(file.name)
        return real(file)

    monkeypatch.setattr(pieces.files, "look_through", look_through)
    pieces._looked_through.cache_clear()
    return names


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as written long ago."""

    def always(stamps: list[Stamp], at: int) -> bool:
        return True

    monkeypatch.setattr(pieces, "settled", always)
    monkeypatch.setattr(ledger, "settled", always)


def load(folder: Path, path: str = "*.csv", **fields: Any) -> dict[str, list[Any]]:
    with opened() as engine:
        found: dict[str, list[Any]] = (
            Csv(type="csv", path=path, **fields).load(folder, WHERE, engine).table.arrow().to_pydict()
        )
        return found


def write(folder: Path, **files: str) -> None:
    for name, rows in files.items():
        (folder / f"{name}.csv").write_text("a,b\n" + rows)


def test_only_new_and_changed_files_are_parsed(tmp_path: Path, parsed: list[str]) -> None:
    write(tmp_path, p1="1,x\n", p2="2,y\n")
    assert load(tmp_path) == {"a": [1, 2], "b": ["x", "y"]}
    assert parsed == ["p1.csv", "p2.csv"]
    write(tmp_path, p0="0,w\n", p2="3,z\n")
    assert load(tmp_path) == {"a": [0, 1, 3], "b": ["w", "x", "z"]}
    assert parsed[2:] == ["p0.csv", "p2.csv"]
    (tmp_path / "p1.csv").unlink()
    assert load(tmp_path) == {"a": [0, 3], "b": ["w", "z"]}
    assert parsed[4:] == []


def test_other_settings_are_another_reading(tmp_path: Path, parsed: list[str]) -> None:
    write(tmp_path, p1="1,x\n", p2="2,y\n")
    load(tmp_path)
    assert load(tmp_path, types={"a": "string"})["a"] == ["1", "2"]
    assert len(parsed) == 4
    load(tmp_path, source_delay="1h")
    assert len(parsed) == 4


@pytest.mark.usefixtures("settled")
def test_unchanged_files_are_not_even_opened_to_tell(
    tmp_path: Path, parsed: list[str], hashed: list[str]
) -> None:
    write(tmp_path, p1="1,x\n", p2="2,y\n")
    source = Csv(type="csv", path="*.csv")
    load(tmp_path)
    before = source.fingerprint(tmp_path, None)
    assert sorted(hashed) == ["p1.csv", "p2.csv"]
    pieces._looked_through.cache_clear()
    write(tmp_path, p3="3,z\n")
    now = source.fingerprint(tmp_path, before)
    assert hashed[2:] == ["p3.csv"]
    assert (now["digest"] != before["digest"], now["rows"], now["files"]) == (True, 3, 3)


def test_the_rows_are_those_of_files_read_at_once(tmp_path: Path, parsed: list[str]) -> None:
    write(tmp_path, p1="1,\n2,\n", p2=",3\n0.5,4\n", p3="7,five\n", p4=",\n")
    expected = {"a": [1.0, 2.0, None, 0.5, 7.0, None], "b": [None, None, "3", "4", "five", None]}
    assert load(tmp_path) == expected
    # The second was taken for numbers until the third said otherwise.
    assert parsed == ["p1.csv", "p2.csv", "p3.csv", "p4.csv", "p2.csv"]
    assert load(tmp_path) == expected
    assert len(parsed) == 5
    whole = tmp_path / "whole"
    whole.mkdir()
    bodies = [(tmp_path / f"p{n}.csv").read_text().partition("\n")[2] for n in range(1, 5)]
    (whole / "all.csv").write_text("a,b\n" + "".join(bodies))
    assert load(whole) == expected


@pytest.mark.parametrize("damage", ["removed", "torn", "ledger", "other format"])
def test_what_is_kept_may_be_lost_or_damaged(tmp_path: Path, parsed: list[str], damage: str) -> None:
    write(tmp_path, p1="1,x\n", p2="2,y\n")
    expected = load(tmp_path)
    cache = tmp_path / CACHE
    if damage == "removed":
        shutil.rmtree(cache)
    elif damage == "torn":
        for blob in (cache / "blobs").rglob("*"):
            if blob.is_file():
                blob.chmod(0o644)
                blob.write_bytes(blob.read_bytes()[:-20])
    else:
        for page in (cache / "ledgers").iterdir():
            page.write_text(
                "{" if damage == "ledger" else page.read_text().replace('"format":1', '"format":99')
            )
    assert load(tmp_path) == expected
    assert len(parsed) == 4


def test_a_folder_that_cannot_be_written_to_only_costs_time(
    tmp_path: Path, parsed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, p1="1,x\n", p2="2,y\n")
    (tmp_path / ".tenure").write_text("a file in its place")
    assert load(tmp_path) == load(tmp_path) == {"a": [1, 2], "b": ["x", "y"]}
    assert len(parsed) == 4


def test_a_large_cache_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "_LIMIT", 1)
    write(tmp_path, p1="1,x\n", p2="2,y\n")
    load(tmp_path)
    blobs = tmp_path / CACHE / "blobs"
    for blob in blobs.rglob("*"):
        os.utime(blob, (1, 1))
    write(tmp_path, q1="3,z\n", q2="4,z\n")
    assert load(tmp_path, "q*.csv")["a"] == [3, 4]
    assert len([blob for blob in blobs.rglob("*") if blob.is_file()]) == 2


def test_a_plan_writes_nothing(tmp_path: Path) -> None:
    write(tmp_path, p1="1,x\n", p2="2,y\n")
    Csv(type="csv", path="*.csv").fingerprint(tmp_path, None)
    assert not (tmp_path / ".tenure").exists()


def test_json_and_infinities_are_remembered(tmp_path: Path, parsed: list[str]) -> None:
    (tmp_path / "1.jsonl").write_text('{"a": 1, "l": [1]}\n')
    (tmp_path / "2.jsonl").write_text('{"a": 2}\n')
    write(tmp_path, p1="inf,x\n", p2="2,y\n")
    for _ in range(2):
        with opened() as engine:
            loaded = Json(type="json", path="*.jsonl").load(tmp_path, WHERE, engine)
            assert (loaded.table.names, dict(loaded.unusable)) == (["a"], {"l": "list"})
            assert dict(Csv(type="csv", path="*.csv").load(tmp_path, WHERE, engine).infinities) == {"a": 1}
    assert parsed == ["1.jsonl", "2.jsonl", "p1.csv", "p2.csv"]


def test_folders_become_typed_columns(tmp_path: Path) -> None:
    for number, (year, day, region) in enumerate(
        [("2025", "2025-12-31", "north%20west"), ("2026", "2026-01-01", "__HIVE_DEFAULT_PARTITION__")]
    ):
        folder = tmp_path / f"data/year={year}/day={day}/region={region}"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"a": [number, number + 10]}), folder / "part.parquet")
        (folder / "part.csv").write_text(f"a\n{number}\n{number + 10}\n")
    expected = {
        "a": [0, 10, 1, 11],
        "year": [2025, 2025, 2026, 2026],
        "day": ["2025-12-31"] * 2 + ["2026-01-01"] * 2,
        "region": ["north west", "north west", None, None],
    }
    with opened() as engine:
        table = (
            Parquet(type="parquet", path="data/**/*.parquet", partitions=True)
            .load(tmp_path, WHERE, engine)
            .table
        )
        assert {c.name: c.type for c in table.columns} == {
            "a": "integer",
            "year": "integer",
            "day": "timestamp",
            "region": "string",
        }
        found = table.arrow().to_pydict()
    found["day"] = [day.date().isoformat() for day in found["day"]]
    assert found == expected
    found = load(tmp_path, "data/year=*/*/*/*.csv", partitions=True)
    found["day"] = [day.date().isoformat() for day in found["day"]]
    assert found == expected
    assert load(tmp_path, "data/year=2026/*/*/*.csv", partitions=True)["year"] == [2026, 2026]


def test_folders_that_say_nothing_or_too_much(tmp_path: Path) -> None:
    write(tmp_path, p1="1,x\n")
    with pytest.raises(StageError) as caught:
        load(tmp_path, partitions=True)
    assert (caught.value.summary, caught.value.path) == ("the folders name no column", (*WHERE, "partitions"))
    (tmp_path / "a=1").mkdir()
    write(tmp_path / "a=1", p1="1,x\n")
    with pytest.raises(StageError, match="a column name is taken"):
        load(tmp_path, "*/*.csv", partitions=True)


def test_a_plan_says_how_many_files_there_are(tmp_path: Path) -> None:
    (tmp_path / "1.jsonl").write_text('{"a": 1}\n')
    source = Json(type="json", path="*.jsonl")
    before = source.fingerprint(tmp_path, None)
    (tmp_path / "2.jsonl").write_text('{"a": 2}\n')
    looked = compare(
        {"s": before}, {"s": source.fingerprint(tmp_path, before)}, datetime(2026, 5, 3, tzinfo=UTC)
    )
    assert looked.sentences == ("s: other files (1 -> 2) since the snapshot of 03 May 2026.",)


def test_a_file_that_is_written_to_while_it_is_parsed_is_not_remembered(
    tmp_path: Path, parsed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, p1="1,x\n", p2="2,y\n")
    real = text_table.read

    def slow(engine: Any, file: Path, shown: str, **given: Any) -> Any:
        if file.name == "p2.csv":
            write(tmp_path, p2="22,new\n")
        return real(engine, file, shown, **given)

    with monkeypatch.context() as patch:
        patch.setattr(text_table, "read", slow)
        with pytest.raises(StageError) as caught:
            load(tmp_path)
    assert (caught.value.summary, caught.value.detail) == (
        "a source changed while it was read",
        "p2.csv was written to",
    )
    write(tmp_path, p2="2,y\n")
    assert load(tmp_path) == {"a": [1, 2], "b": ["x", "y"]}
