"""A file is scored as the training data are read: the same text is the same rows in both."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from tenure.core.errors import StageError
from tenure.ml.signature import InputColumn, Signature
from tenure.ml.written import WrittenFile
from tenure.stages.data.engine import opened
from tenure.stages.data.sources.csv import Csv
from tenure.stages.deployment import table_files

FILES: dict[str, tuple[str, dict[str, Any]]] = {
    "German": (
        "preis;menge;am;name\n1.234,50;2.000;03.01.2024;Käse\n7,5;3;28.12.2023;NA\n-0,25;;;k.A.\n",
        {"decimal": ",", "thousands": ".", "timestamp_format": "%d.%m.%Y", "null_values": ["k.A."]},
    ),
    "in latin-1": ("preis;name\n1,5;Käse\n2;Öl\n", {"decimal": ",", "encoding": "latin-1"}),
    "in UTF-16": ("a\tname\n1.5\tKäse\n2\tÖl\n", {"encoding": "utf-16"}),
    "dates of two forms": (
        "am,x\n3 Jan 2024,1\n12/31/2023,2\n",
        {"timestamp_format": ["%d %b %Y", "%m/%d/%Y"]},
    ),
    "clocks with offsets": ("am,x\n2024-01-03T10:00:00+02:00,1\n2024/1/3 7:30,2\n", {}),
    "plain": (
        'a,b,c,d,e\n1,2.5,true,2024-01-03,"x, y"\n-2,1e3,FALSE,2024-01-03 10:00,007\n,,,,\n+3,nan,true,,NULL\n',
        {},
    ),
    "English thousands": ('a,b\n"1,234,567","1,000.5"\n12,3\n', {"thousands": ","}),
    "blanks in the header": ("a , b\n1,x\n2,y\n", {}),
    "a declared type": ("a,b\n007,1\n12,2\n", {"types": {"a": "integer", "b": "string"}}),
    "quoted blanks": ('a,b\n1,""\n2,"NA"\n,z\n', {}),
}


def _trained(folder: Path, text: str, fields: dict[str, Any]) -> tuple[Any, Csv]:
    source = Csv(type="csv", path="rows.csv", **fields)
    (folder / "rows.csv").write_bytes(text.encode(source.encoding))
    with opened() as engine:
        table = source.load(folder, ("data", "sources", "s"), engine).table
        return (table.arrow(), {column.name: column.type for column in table.columns}), source


def _signature(types: dict[str, Any]) -> Signature:
    inputs = tuple(InputColumn(name, kind, nullable=True) for name, kind in types.items())
    return Signature(inputs, "regression", "y", ())


def _read(file: Path, types: dict[str, Any], written: WrittenFile | None, known: Any = None) -> Any:
    import pyarrow as pa

    return pa.concat_tables(table_files.read_chunks(file, _signature(types), written, known))


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_the_same_rows_when_it_is_scored(tmp_path, name):
    (expected, types), source = _trained(tmp_path, *FILES[name])
    found = _read(tmp_path / "rows.csv", types, source.written)
    assert found.schema.remove_metadata().types == expected.schema.types
    assert found.to_pydict() == expected.to_pydict()


def test_a_packed_file_is_unpacked(tmp_path):
    (expected, types), source = _trained(tmp_path, *FILES["German"])
    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress((tmp_path / "rows.csv").read_bytes()))
    assert _read(tmp_path / "rows.csv.gz", types, source.written).to_pydict() == expected.to_pydict()


def test_many_pieces_are_the_same_rows(tmp_path, monkeypatch):
    head, *rows = FILES["German"][0].splitlines(keepends=True)
    (expected, types), source = _trained(tmp_path, head + "".join(rows * 50), FILES["German"][1])
    monkeypatch.setattr(table_files, "BLOCK_BYTES", 200)
    chunks = list(table_files.read_chunks(tmp_path / "rows.csv", _signature(types), source.written))
    assert len(chunks) > 10
    assert [row for chunk in chunks for row in chunk.to_pylist()] == expected.to_pylist()


def test_dates_of_iso_8601_are_understood_whatever_is_declared(tmp_path):
    (tmp_path / "new.csv").write_text("am,x\n2024-01-03,1\n2024-02-04 10:00,2\n")
    written = Csv(type="csv", path="a", timestamp_format="%d.%m.%Y").written
    times = _read(tmp_path / "new.csv", {"am": "timestamp"}, written).column("am").to_pylist()
    assert [time.isoformat() for time in times] == ["2024-01-03T00:00:00", "2024-02-04T10:00:00"]


def test_columns_that_the_model_does_not_read_stay_as_they_are_written(tmp_path):
    (tmp_path / "new.csv").write_text("x;code;seen;target\n1,5;1.234;03.01.2024;unknown\n")
    written = Csv(type="csv", path="a", decimal=",", timestamp_format="%d.%m.%Y").written
    known = {"seen": "timestamp", "target": "number"}
    (row,) = _read(tmp_path / "new.csv", {"x": "number"}, written, known).to_pylist()
    assert (row["x"], row["code"], row["target"]) == (1.5, "1.234", "unknown")
    assert row["seen"].isoformat() == "2024-01-03T00:00:00"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("preis;am\n1,5;03.01.2024\n12.5;03.01.2024\n", r"'preis' is a number .*decimal sign ','.*row 2 has '12.5'"),
        ("preis;am\n1,5;01/03/2024\n", r"'am' is a date or time .*%d\.%m\.%Y.*row 1 has '01/03/2024' \(1 such"),
    ],
)  # fmt: skip
def test_a_value_that_is_written_otherwise_is_named(tmp_path, text, words):
    (tmp_path / "new.csv").write_text(text)
    written = Csv(type="csv", path="a", decimal=",", timestamp_format="%d.%m.%Y").written
    with pytest.raises(StageError, match=words):
        _read(tmp_path / "new.csv", {"preis": "number", "am": "timestamp"}, written)


@pytest.mark.parametrize("written", [None, WrittenFile()])
def test_a_repeated_column_is_refused(tmp_path, written):
    (tmp_path / "new.csv").write_text("x,x\n1,2\n")
    with pytest.raises(StageError, match="several columns called 'x'"):
        _read(tmp_path / "new.csv", {"x": "number"}, written)


def test_a_packed_file_that_is_cut_off_is_no_crash(tmp_path):
    (tmp_path / "new.csv.gz").write_bytes(gzip.compress(b"x\n" + b"1.5\n" * 5000)[:60])
    with pytest.raises(StageError, match="cannot be read"):
        _read(tmp_path / "new.csv.gz", {"x": "number"}, WrittenFile())
