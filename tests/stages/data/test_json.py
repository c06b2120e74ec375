"""JSON lines: what keys hold, nested values, and what is said about broken lines."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tenure.core.errors import StageError
from tenure.stages.data.engine import opened
from tenure.stages.data.loading import Loaded
from tenure.stages.data.sources.json import Json


def moment(year: int, month: int, day: int, hour: int = 0) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC).replace(tzinfo=None)


WHERE = ("data", "sources", "s")


def load(folder: Path, text: str | bytes, name: str = "rows.jsonl", **fields: Any) -> dict[str, list[Any]]:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(folder, name, **fields)


def read(folder: Path, path: str, **fields: Any) -> dict[str, list[Any]]:
    with opened() as engine:
        loaded: Loaded = Json(type="json", path=path, **fields).load(folder, WHERE, engine)
        found: dict[str, list[Any]] = loaded.table.arrow().to_pydict()
        return found


def refusal(folder: Path, text: str | bytes, **fields: Any) -> StageError:
    with pytest.raises(StageError) as caught:
        load(folder, text, **fields)
    return caught.value


def lines(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_keys_become_columns_in_order_of_appearance(tmp_path: Path) -> None:
    text = lines(
        {"id": 7, "ok": True, "price": 1}, {"id": 8, "name": "x", "price": 2.5}, {"id": None, "it's": "a\nb"}
    )
    assert load(tmp_path, text) == {
        "id": [7, 8, None],
        "ok": [True, None, None],
        "price": [1.0, 2.5, None],
        "name": [None, "x", None],
        "it's": [None, None, "a\nb"],
    }


def test_texts_stay_texts_and_times_become_times(tmp_path: Path) -> None:
    found = load(
        tmp_path, lines({"n": "007", "m": "12", "at": "2026-01-02T10:00:00+02:00"}, {"at": "2026-01-03"})
    )
    assert found == {
        "n": ["007", None],
        "m": ["12", None],
        "at": [moment(2026, 1, 2, 8), moment(2026, 1, 3)],
    }
    assert load(tmp_path, lines({"at": "02.01.2026"}), timestamp_format="%d.%m.%Y")["at"] == [
        moment(2026, 1, 2)
    ]


@pytest.mark.parametrize(
    "text", ['[{"a": 1}, {"a": 2}]', '\n [\n{"a": 1},\n{"a": 2}\n]\n', '{"a": 1}\n\n{"a": 2}']
)
def test_an_array_and_blank_lines(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text) == {"a": [1, 2]}


def test_packed_files_and_a_byte_order_mark(tmp_path: Path) -> None:
    assert load(tmp_path, gzip.compress(b'{"a": 1}\n'), "rows.json.gz") == {"a": [1]}
    assert load(tmp_path, b'\xef\xbb\xbf{"a": 1}\n') == {"a": [1]}


def test_whole_numbers_too_large_for_a_column_become_numbers(tmp_path: Path) -> None:
    assert load(tmp_path, '{"a": 1}\n{"a": 12345678901234567890}\n') == {"a": [1.0, 12345678901234567890.0]}


def test_types_are_found_from_all_values(tmp_path: Path) -> None:
    rows = [{"a": n} for n in range(3000)]
    assert load(tmp_path, lines(*rows, {"a": 0.5}))["a"][-2:] == [2999.0, 0.5]


def test_mixed_values_are_refused_or_declared(tmp_path: Path) -> None:
    text = lines({"a": 1}, {"a": "x"}, {"a": 2})
    error = refusal(tmp_path, text)
    assert error.summary == "values of several types in a column"
    assert (
        error.detail
        == "'a' of rows.jsonl is ubigint in 2 row(s), such as 1, varchar in 1 row(s), such as \"x\""
    )
    assert error.path == (*WHERE, "types")
    assert load(tmp_path, text, types={"a": "string"}) == {"a": ["1", "x", "2"]}
    assert refusal(tmp_path, text, types={"a": "integer"}).summary == "values of another type than declared"


def test_nested_values_are_no_columns_unless_declared_as_text(tmp_path: Path, project: Any) -> None:
    text = lines(*({"x": n, "y": "ab"[n % 2], "o": {"p": 1}, "l": [1]} for n in range(20)))
    (project.root / "rows.jsonl").write_text(text)
    block = {"sources": {"s": {"type": "json", "path": "rows.jsonl"}}, "target_column": "y"}
    with pytest.raises(StageError, match=r"these are not: o \(object\), l \(list\)"):
        project.take(block)
    assert project.take(block | {"columns": ["x"]}).value["rows"] == 20
    assert load(tmp_path, text, types={"o": "string"})["o"][0] == '{"p":1}'


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ('{"a": 1}\n{"a":\n', "rows.jsonl: at byte 6 in line"),
        ('{"a": 1}\n[1, 2]\n', "has a line or an entry that is a list, a text or a number"),
        ('{"a": 1, "a": 2}\n', 'rows.jsonl: in line 1: Object {"a":1,"a":2} has duplicate key "a"'),
        ('{"a": 1, "A": 2}\n', "the keys 'a' and 'A'"),
        ('[{"a": 1}, ', "rows.jsonl: "),
        (gzip.compress(b'{"a": 1}\n' * 9999, mtime=0)[:60], "rows.jsonl: "),
    ],
)
def test_broken_files(tmp_path: Path, text: str | bytes, detail: str) -> None:
    error = refusal(tmp_path, text)
    assert detail in error.detail
    assert str(tmp_path) not in str(error)
    assert error.path == (*WHERE, "path")


def test_a_packed_file_that_is_not_whole(tmp_path: Path) -> None:
    (tmp_path / "rows.json.gz").write_bytes(gzip.compress(b'{"a": 1}\n' * 9999)[:60])
    with pytest.raises(StageError) as caught:
        read(tmp_path, "rows.json.gz")
    assert caught.value.detail == "rows.json.gz: the packed file is damaged or not whole"


def test_files_of_a_glob_may_lack_keys_and_differ_in_numbers(tmp_path: Path) -> None:
    (tmp_path / "1.jsonl").write_text('{"a": 1, "b": null}\n')
    (tmp_path / "2.jsonl").write_text('{"a": 0.5, "c": "x"}\n')
    (tmp_path / "3.jsonl").write_text('{"b": 3}\n')
    assert read(tmp_path, "*.jsonl") == {"a": [1.0, 0.5, None], "b": [None, None, 3], "c": [None, "x", None]}
    (tmp_path / "4.jsonl").write_text('{"b": "three"}\n')
    with pytest.raises(StageError) as caught:
        read(tmp_path, "*.jsonl")
    assert caught.value.detail == "column 'b' is integer in 3.jsonl, string in 4.jsonl"
    assert read(tmp_path, "*.jsonl", types={"b": "string"})["b"] == [None, None, "3", "three"]


def test_declared_columns_must_be_there(tmp_path: Path) -> None:
    error = refusal(tmp_path, '{"a": 1}\n', types={"b": "string"})
    assert (error.summary, error.path) == ("unknown column", (*WHERE, "types", "b"))
