from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tenure.core.errors import TenureError
from tenure.engine.proposal.proposing import propose
from tenure.engine.proposal.reading import read
from tenure.engine.proposal.writing import spec_text


def text(tmp_path, content, name="t.csv", encoding="utf-8"):
    path = tmp_path / name
    data = content.encode(encoding)
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def types(found):
    return {field.name: str(field.type) for field in found.table.schema}


def lines(header, row, count=40):
    return "\n".join([header, *(row.format(i=i, d=1 + i % 28, m=1 + i % 12) for i in range(count))]) + "\n"


def test_semicolons_and_decimal_commas(tmp_path):
    found = read(text(tmp_path, lines("size;price", "{i},5;{i},25")))
    assert found.source == {"type": "csv", "delimiter": ";", "decimal": ","}
    assert types(found) == {"size": "double", "price": "double"}


@pytest.mark.parametrize(
    ("encoding", "said"), [("latin-1", "latin-1"), ("cp1252", "cp1252"), ("utf-16", "utf-16")]
)
def test_encodings(tmp_path, encoding, said):
    sign = "€" if encoding == "cp1252" else "é"
    found = read(text(tmp_path, lines("town,n", f"Orl{sign}ans,{{i}}"), encoding=encoding))
    assert found.source["encoding"] == said
    assert found.table.column("town")[0].as_py() == f"Orl{sign}ans"


def test_a_byte_order_mark_and_a_packed_file(tmp_path):
    found = read(text(tmp_path, "\ufeff" + lines("a,b", "{i},x"), name="t.csv.gz"))
    assert (found.source, found.table.column_names) == ({"type": "csv"}, ["a", "b"])


@pytest.mark.parametrize(
    ("row", "pattern"),
    [
        ("{d:02}.{m:02}.2024,{i}", "%d.%m.%Y"),
        ("{m:02}/{d:02}/2024,{i}", "%m/%d/%Y"),
        ("{d:02}/{m:02}/2024 13:05,{i}", "%d/%m/%Y %H:%M"),
        ("Jan {d} 2024,{i}", "%b %d %Y"),
        ("{d:02}-Feb-2024,{i}", "%d-%b-%Y"),
        ('"March {d}, 2024",{i}', "%B %d, %Y"),
        ("{m}/{d}/13 8:05,{i}", "%m/%d/%y %H:%M"),  # not in the year 13
    ],
)
def test_dates_in_other_formats(tmp_path, row, pattern):
    found = read(text(tmp_path, lines("day,n", row)))
    assert found.source["timestamp_format"] == pattern
    assert types(found)["day"].startswith("timestamp")


def test_days_that_may_be_months_are_pointed_out(tmp_path):
    found = read(text(tmp_path, lines("day,n", "{m:02}/{m:02}/2024,{i}")))
    assert any("other way round" in sentence for _, sentence in found.remarks)


def test_dates_in_several_formats_in_one_column_stay_text(tmp_path):
    content = lines("day,n", "2024-01-{d:02},{i}") + "03.04.2024,1\nApril 5,2\n"
    found = read(text(tmp_path, content))
    assert "timestamp_format" not in found.source
    assert types(found)["day"] == "string"


def test_question_marks_stand_for_missing(tmp_path):
    found = read(text(tmp_path, lines("a,b", "{i},x") + "?,?\n-,y\n"))
    assert found.table.column("a").null_count == 2
    assert found.table.column("b").null_count == 1
    assert found.source["null_values"][-2:] == ["?", "-"]


def test_a_dash_among_words_is_a_word(tmp_path):
    found = read(text(tmp_path, lines("a,b", "{i},x") + "1,-\n"))
    assert "null_values" not in found.source


@pytest.mark.parametrize(
    ("content", "summary"),
    [
        (b"", "The file is empty."),
        (b"a,b,a\n1,2,3\n4,5,6\n", "name"),
        (b"1,2,x\n3,4,y\n5,6,z\n", "The file has no header."),
        (b"PK\x03\x04 nothing", "A source file is not text."),
        (b"a,b\n1,2\n3\n", "Rows of different length."),
    ],
)
def test_what_is_no_table_is_refused_with_the_reason(tmp_path, content, summary):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(TenureError) as caught:
        read(path)
    assert summary in caught.value.summary
    assert caught.value.hint


@pytest.mark.parametrize("content", ["a,b\n", "a,b\n1,2\n", "a\n" + "1\n2\n" * 30])
def test_too_little_to_learn_from(tmp_path, content):
    with pytest.raises(TenureError, match=r"not enough data|no rows"):
        propose(text(tmp_path, content), "a")


def test_a_file_that_is_not_there_and_a_folder(tmp_path):
    with pytest.raises(TenureError, match="no such file"):
        read(tmp_path / "none.csv")
    with pytest.raises(TenureError, match="folder"):
        read(tmp_path)


def test_parquet_with_times_as_text(tmp_path):
    table = pa.table(
        {"when": [f"2024-01-{1 + i % 28:02}T10:00:00Z" for i in range(60)], "y": list(range(60))}
    )
    pq.write_table(table, tmp_path / "t.parquet")
    found = propose(tmp_path / "t.parquet", "y")
    assert found.read.source == {"type": "parquet"}
    assert found.timestamp == "when"


def test_a_large_parquet_file_is_read_in_part(tmp_path, monkeypatch):
    monkeypatch.setattr("tenure.engine.proposal.reading.MOST_ROWS", 1 << 16)
    pq.write_table(pa.table({"x": range(70_000), "y": [1, 2] * 35_000}), tmp_path / "t.parquet")
    found = read(tmp_path / "t.parquet")
    assert (found.whole, found.table.num_rows) == (False, 1 << 16)


def test_a_row_that_is_cut_off_inside_quotes_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr("tenure.engine.proposal.reading.MOST_BYTES", 700)
    content = "a,b\n" + "".join(f'{i},"first line\nsecond {i}"\n' for i in range(100))
    found = read(text(tmp_path, content))
    assert not found.whole
    assert 15 < found.table.num_rows < 40


def test_dates_in_three_formats_in_one_column_and_iso_dates_beside_them(tmp_path):
    rows = [
        f"{written.format(d=1 + i % 28)},2024-05-{1 + i % 28:02},{i}"
        for i in range(20)
        for written in ("2024-01-{d:02}", "{d:02}.02.2024", "Mar {d} 2024")
    ]
    found = read(text(tmp_path, "\n".join(["day,seen,n", *rows, ""])))
    assert {"%Y-%m-%d", "%d.%m.%Y", "%b %d %Y"} <= set(found.source["timestamp_format"])
    assert types(found)["day"].startswith("timestamp")
    assert types(found)["seen"].startswith("timestamp")
    assert found.table.column("day").null_count == 0


def test_thousands_are_told_from_decimals(tmp_path):
    english = read(text(tmp_path, lines("a,b", '"1,{i:03}",x')))
    assert english.source == {"type": "csv", "thousands": ","}
    assert english.table.column("a")[7].as_py() == 1007
    german = read(text(tmp_path, lines("a;b", "1.{i:03},5;x")))
    assert german.source == {"type": "csv", "delimiter": ";", "decimal": ",", "thousands": "."}
    assert german.table.column("a")[7].as_py() == 1007.5


@pytest.mark.parametrize("form", ["lines", "array", "packed"])
def test_json(tmp_path, form):
    rows = [json.dumps({"x": i, "t": f'a "q" {i % 3}', "tags": [1, 2], "y": i % 2}) for i in range(60)]
    content = f"[{', '.join(rows)}]" if form == "array" else "\n".join(rows) + "\n"
    path = text(tmp_path, content, name="t.jsonl.gz" if form == "packed" else "t.json")
    found = propose(path)
    assert found.read.source == {"type": "json"}
    assert found.read.unusable == ("tags",)
    assert [column.facts.name for column in found.columns] == ["x", "t", "y"]
    assert 'columns: [x, t, "y"]' in spec_text(found, name="t", path="t.json")


def test_a_large_file_of_json_lines_is_read_in_part(tmp_path, monkeypatch):
    monkeypatch.setattr("tenure.engine.proposal.reading.MOST_BYTES", 900)
    rows = [json.dumps({"x": i, "t": f'one " in it {i}'}) for i in range(200)]
    found = read(text(tmp_path, "\n".join(rows), name="t.ndjson"))
    assert not found.whole
    assert 15 < found.table.num_rows < 40


def test_nothing_is_written_beside_the_data(tmp_path):
    propose(text(tmp_path, lines("a,b,y", "{i},{d},{m}")))
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
