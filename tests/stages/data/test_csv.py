"""CSV files as people have them: separators, encodings, types, and what is said about broken ones."""

from __future__ import annotations

import gzip
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.stages.data.engines import tabled

from tenure.core.errors import StageError
from tenure.ml.signature import ColumnType
from tenure.stages.data.engine import Engine, opened
from tenure.stages.data.sources.csv import Csv
from tenure.stages.data.text_values import notes_on

WHERE = ("data", "sources", "s")


def load(folder: Path, text: str | bytes, name: str = "rows.csv", **fields: Any) -> Any:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(Csv(type="csv", path=name, **fields), folder)


def read(source: Csv, folder: Path) -> Any:
    with opened() as engine:
        return source.load(folder, WHERE, engine).table.arrow()


def refusal(folder: Path, text: str | bytes, **fields: Any) -> StageError:
    with pytest.raises(StageError) as caught:
        load(folder, text, **fields)
    return caught.value


def test_declared_types_are_those_of_the_product() -> None:
    from typing import get_args

    declared = Csv.model_fields["types"].annotation
    assert set(get_args(get_args(declared)[1])) == set(get_args(ColumnType))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    text = 'a,b,c\n1,"x, y; z\tu|v",2.5\n2,w,3\n'.replace(",", delimiter)
    assert load(tmp_path, text).column_names == ["a", "b", "c"]


def test_one_column_is_no_delimiter_at_all(tmp_path: Path) -> None:
    assert load(tmp_path, "a\n1\n2\n").to_pydict() == {"a": [1, 2]}


def test_a_wrong_delimiter_is_recognised(tmp_path: Path) -> None:
    error = refusal(tmp_path, "a;b\n1;2\n", delimiter=",")
    assert (error.summary, error.hint) == ("only one column was found", 'set delimiter: ";"')
    assert error.path == (*WHERE, "delimiter")


@pytest.mark.parametrize(
    ("texts", "kind", "values"),
    [
        (["1", "-2", ""], "int64", [1, -2, None]),
        (["1", "2.5", "1e3"], "double", [1.0, 2.5, 1000.0]),
        (["true", "False", "NA"], "bool", [True, False, None]),
        (["2012-01-02", "2012/1/3"], "timestamp[us]", [datetime(2012, 1, 2), datetime(2012, 1, 3)]),  # noqa: DTZ001
        (["2012-01-02T10:00:00+02:00"], "timestamp[us]", [datetime(2012, 1, 2, 8)]),  # noqa: DTZ001
        (["2012-01-02 09:30"], "timestamp[us]", [datetime(2012, 1, 2, 9, 30)]),  # noqa: DTZ001
        (["007", "12"], "string", ["007", "12"]),
        (["1", "two"], "string", ["1", "two"]),
        (["13:00", "14:30"], "string", ["13:00", "14:30"]),
        (["2012-13-01"], "string", ["2012-13-01"]),
        (["99999999999999999999", "1"], "double", [1e20, 1.0]),
        (["1_000"], "string", ["1_000"]),
        (["", "NaN"], "string", [None, None]),
    ],
)  # fmt: skip
def test_types_are_found_from_all_values(
    tmp_path: Path, texts: list[str], kind: str, values: list[Any]
) -> None:
    table = load(tmp_path, "a,n\n" + "".join(f"{text},1\n" for text in texts))
    assert str(table["a"].type) == kind
    assert table["a"].to_pylist() == values


def test_one_late_misfit_makes_a_column_text(tmp_path: Path) -> None:
    table = load(tmp_path, "a,b\n" + "1,1\n" * 5000 + "x,1\n")
    assert [str(kind) for kind in table.schema.types] == ["string", "int64"]


def test_rows_keep_their_order_in_a_large_file(tmp_path: Path) -> None:
    table = load(tmp_path, "a,b\n" + "".join(f"{i},text {i}\n" for i in range(300_000)))
    assert table["a"].to_pylist() == list(range(300_000))


def test_declared_types_and_null_values(tmp_path: Path) -> None:
    text = "zip,n\n01234,-999\n5,3\n"
    table = load(tmp_path, text, types={"zip": "integer", "n": "number"}, null_values=["-999"])
    assert table.to_pydict() == {"zip": [1234, 5], "n": [None, 3.0]}
    assert str(table["n"].type) == "double"


def test_a_value_that_is_not_of_the_declared_type(tmp_path: Path) -> None:
    error = refusal(tmp_path, "a,b\n1,1\nmany,2\n", types={"a": "integer"})
    assert error.path == (*WHERE, "types", "a")
    assert "1 value(s) of column 'a' are no integer, such as 'many'" in error.detail
    assert refusal(tmp_path, "a,b\n1,1\n", types={"c": "integer"}).summary == "unknown column"


def test_timestamp_format(tmp_path: Path) -> None:
    table = load(tmp_path, "a,b\n02.01.2012,1\n31.12.2012,2\n", timestamp_format="%d.%m.%Y")
    assert table["a"].to_pylist() == [datetime(2012, 1, 2), datetime(2012, 12, 31)]  # noqa: DTZ001


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-8"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    assert load(tmp_path, "a,ü\n1,café\n".encode(encoding), encoding=encoding).to_pydict() == {
        "a": [1],
        "ü": ["café"],
    }


def test_the_mark_of_utf8_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    assert load(tmp_path, b"\xef\xbb\xbfa,b\n1,2\n").column_names == ["a", "b"]


@pytest.mark.parametrize("lines", [0, 100_000])
def test_wrong_encoding_names_line_and_byte(tmp_path: Path, lines: int) -> None:
    error = refusal(tmp_path, b"a,b\n" + b"1,x\n" * lines + "2,café\n".encode("latin-1"))
    assert (error.summary, error.hint) == ("the encoding is wrong", "set encoding: latin-1")
    assert error.path == (*WHERE, "encoding")
    assert f"line {lines + 2} has the byte 0xe9 at position 6" in error.detail
    assert "café" in error.detail


def test_wrong_declared_encoding(tmp_path: Path) -> None:
    assert refusal(tmp_path, b"a,b\n1,\x81\n", encoding="cp1252").path == (*WHERE, "encoding")
    assert refusal(tmp_path, "a,b\n1,2\n".encode("utf-16")).hint == "set encoding: utf-16"
    with pytest.raises(ValidationError, match="utf-9"):
        Csv(type="csv", path="x", encoding="utf-9")


@pytest.mark.parametrize("row", ["2", "2,y,3,4"])
def test_ragged_rows_name_the_line(tmp_path: Path, row: str) -> None:
    error = refusal(tmp_path, f"a,b,c\n1,x,2\n{row}\n3,z,4\n")
    assert (error.summary, error.path) == ("rows of different length", (*WHERE, "path"))
    assert error.detail.startswith(
        f"the row in line 3 of rows.csv has {row.count(',') + 1} value(s), the header 3"
    )


def test_duplicate_names(tmp_path: Path) -> None:
    error = refusal(tmp_path, "a,b,a\n1,2,3\n")
    assert (error.summary, error.path) == ("duplicate column names", (*WHERE, "path"))
    assert refusal(tmp_path, "a,a\n1,2\n").detail.endswith("called a")


def test_a_saved_row_index_gets_a_name(tmp_path: Path) -> None:
    assert load(tmp_path, ",a\n0,x\n1,y\n").column_names == ["column_0", "a"]


def test_an_unclosed_quote(tmp_path: Path) -> None:
    error = refusal(tmp_path, 'a,b\n1,"x\n2,y\n')
    assert error.path == (*WHERE, "path")


def test_names_and_values_with_quotes(tmp_path: Path) -> None:
    table = load(tmp_path, 'it\'s,"a ""b""",select\n1,"x ""y""",z\n')
    assert table.to_pydict() == {"it's": [1], 'a "b"': ['x "y"'], "select": ["z"]}


def test_line_breaks_inside_quotes(tmp_path: Path) -> None:
    assert load(tmp_path, 'a,b\r\n1,"x\r\ny"\r\n').to_pydict() == {"a": [1], "b": ["x\r\ny"]}


def test_glob_in_order_of_name(tmp_path: Path) -> None:
    for name, value in (("p-2.csv", 2), ("p-1.csv", 1), ("q.csv", 3)):
        (tmp_path / name).write_text(f"a,b\n{value},x\n")
    source = Csv(type="csv", path="p-*.csv")
    assert read(source, tmp_path)["a"].to_pylist() == [1, 2]
    found = source.fingerprint(tmp_path, None)
    assert found["rows"] == 2
    (tmp_path / "p-3.csv").write_text("a,b\n3,x\n")
    assert source.fingerprint(tmp_path, found)["rows"] == 3
    (tmp_path / "p-4.csv").write_text("a,c\n3,x\n")
    with pytest.raises(StageError, match="different headers"):
        read(source, tmp_path)


def test_a_name_that_looks_like_a_glob(tmp_path: Path) -> None:
    assert load(tmp_path, "a,b\n1,2\n", name="rows[1].csv").num_rows == 1


def test_packed_files(tmp_path: Path) -> None:
    data = gzip.compress(b"a,b\n1,2\n3,4\n")
    assert load(tmp_path, data, name="rows.csv.gz")["a"].to_pylist() == [1, 3]
    assert Csv(type="csv", path="rows.csv.gz").fingerprint(tmp_path, None)["rows"] == 2


@pytest.mark.parametrize(("text", "rows"), [("a\n1\n2\n", 2), ("a\n1\n2", 2), ("a\n", 0), ("", 0), ("a", 0)])
def test_rows_are_counted_as_lines_after_the_header(tmp_path: Path, text: str, rows: int) -> None:
    (tmp_path / "rows.csv").write_text(text)
    assert Csv(type="csv", path="rows.csv").fingerprint(tmp_path, None)["rows"] == rows


@pytest.mark.parametrize(
    "ends", [("\r\n", "\n", "\n"), ("\n", "\r\n", "\r\n"), ("\r", "\n", "\r\n"), ("\r\r\n",) * 3]
)
def test_line_ends_of_several_sorts_in_one_file(tmp_path: Path, ends: tuple[str, ...]) -> None:
    rows = ["a,b", '1,"x\r\ny"', '2,"p\nq"', "3,z"]
    text = "".join(row + end for row, end in zip(rows, (*ends, "\n"), strict=True))
    assert load(tmp_path, text).to_pydict() == {"a": [1, 2, 3], "b": ["x\r\ny", "p\nq", "z"]}


def test_line_ends_of_several_sorts_do_not_hide_what_is_wrong(tmp_path: Path) -> None:
    error = refusal(tmp_path, "a,b\r\n1,x\n2\r\n")
    assert error.detail.startswith("the row in line 3 of rows.csv has 1 value(s)")


def test_quotes_that_swallow_lines_name_the_line_where_they_begin(tmp_path: Path) -> None:
    error = refusal(tmp_path, 'a,b,c\n1,x,y\n2,"x,y\n3,x,y\n4,x,y\n')
    assert error.detail.startswith("the row in line 3 of rows.csv has 2 value(s)")
    assert error.detail.endswith("it runs to line 5, inside quotes")
    assert error.hint == "close the quotes in the line where it begins"


@pytest.mark.parametrize(
    ("content", "words", "hint"),
    [
        (b"PK\x03\x04\x14\x00" + bytes(range(256)), "Excel", "save the table as CSV"),
        (b"PAR1" + bytes(99), "Parquet", "type: parquet"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0), "gzip", ".gz"),
    ],
    ids=["excel", "parquet", "gzip"],
)
def test_files_of_another_format_are_called_what_they_are(
    tmp_path: Path, content: bytes, words: str, hint: str
) -> None:
    error = refusal(tmp_path, content)
    assert error.summary == "a source file is not text"
    assert words in error.detail
    assert hint in error.hint


@pytest.mark.parametrize("fields", [{}, {"encoding": "latin-1"}])
@pytest.mark.parametrize("size", [9, 100_000])
def test_a_packed_file_that_is_not_whole(tmp_path: Path, fields: dict[str, Any], size: int) -> None:
    whole = gzip.compress(b"a,b\n" + b"".join(b"%d,%d\n" % (n, n * n * 7919 % 100003) for n in range(40_000)))
    assert len(whole) > size
    (tmp_path / "rows.csv.gz").write_bytes(whole[:size])
    source = Csv(type="csv", path="rows.csv.gz", **fields)
    assert source.fingerprint(tmp_path, None) == {
        "missing": True,
        "reason": "the packed file is damaged or not whole",
    }
    with pytest.raises(StageError) as caught:
        read(source, tmp_path)
    assert caught.value.detail == "rows.csv.gz: the packed file is damaged or not whole"


def test_a_decimal_comma_is_read_as_the_source_says(tmp_path: Path) -> None:
    text = "a;b;c;d\n3,14;1;1.234,5;x\n-2,5;2;2,0;y\n;3;3,0;z\n"
    table = load(tmp_path, text, decimal=",")
    assert table["a"].to_pylist() == [3.14, -2.5, None]
    assert table["b"].to_pylist() == [1, 2, 3]
    assert table["c"].to_pylist() == ["1.234,5", "2,0", "3,0"]
    assert load(tmp_path, "a;b\n1.5;1\n2.5;2\n", decimal=",")["a"].to_pylist() == ["1.5", "2.5"]


def test_decimal_commas_read_as_text_are_found(tmp_path: Path, engine: Engine) -> None:
    table = load(tmp_path, "a;b;c;d\n3,14;1;x,y;\n-2;2;1,5;\n;3;3,0;\n")
    assert notes_on(tabled(engine, table)) == [
        "a looks like numbers with a comma, read as text: set decimal or thousands to ','"
    ]


def test_thousands_are_read_where_the_source_says_so(tmp_path: Path) -> None:
    text = 'a,b,c\n"1,234",x,"1,234.5"\n"12",y,"-2,000,000"\n"1,23",z,7\n'
    assert load(tmp_path, text, thousands=",").to_pydict() == {
        "a": ["1,234", "12", "1,23"],  # 1,23 is no number with thousands, so this column is text.
        "b": ["x", "y", "z"],
        "c": [1234.5, -2000000.0, 7.0],
    }
    german = load(tmp_path, "a;b\n1.234.567,5;1.234\n2;12\n", decimal=",", thousands=".")
    assert german.to_pydict() == {"a": [1234567.5, 2.0], "b": [1234, 12]}
    assert load(tmp_path, text)["c"].to_pylist() == ["1,234.5", "-2,000,000", "7"]
    with pytest.raises(ValidationError, match="decimals and thousands"):
        Csv(type="csv", path="rows.csv", thousands=".")


def test_dates_in_three_formats(tmp_path: Path) -> None:
    text = "at,n\n31.12.2025,1\n2026-01-02 10:30,2\nJan 3 2026,3\n"
    formats = ("%d.%m.%Y", "%Y-%m-%d %H:%M", "%b %d %Y")
    found = load(tmp_path, text, timestamp_format=formats)["at"].to_pylist()
    assert [str(at) for at in found] == ["2025-12-31 00:00:00", "2026-01-02 10:30:00", "2026-01-03 00:00:00"]
    assert load(tmp_path, text, timestamp_format=formats[0])["at"].to_pylist()[0] == "31.12.2025"
    error = refusal(tmp_path, text, timestamp_format=formats[:2], types={"at": "timestamp"})
    assert error.detail == "1 value(s) of column 'at' are no timestamp, such as 'Jan 3 2026'"


def test_a_column_of_mixed_types_is_text_and_said_so(tmp_path: Path, engine: Engine) -> None:
    text = "a,b,zip\n" + "".join(f"{n},{n},0{n}\n" for n in range(99)) + "unknown,1,zz\n"
    table = load(tmp_path, text)
    assert [str(kind) for kind in table.schema.types] == ["string", "int64", "string"]
    (note,) = notes_on(tabled(engine, table))
    assert note.startswith(
        "a is text, because 1 of its first 100 values are no numbers, such as 'unknown': add it"
    )
    assert refusal(tmp_path, text, types={"a": "integer"}).summary == "values of another type than declared"
    assert load(tmp_path, text, null_values=["unknown"])["a"].to_pylist()[-2:] == [98, None]


@pytest.mark.parametrize("late", ["x", "1.5", "007"])
def test_a_value_that_does_not_fit_behind_the_sample(tmp_path: Path, late: str) -> None:
    text = "a,b\n" + "".join(f"{n},\n" for n in range(4000)) + f"{late},5\n"
    table = load(tmp_path, text)
    assert table["a"].to_pylist()[-1] == (1.5 if late == "1.5" else late)
    assert table["a"].to_pylist()[0] == (0.0 if late == "1.5" else "0")
    assert table["b"].to_pylist()[-1] == 5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("+5", 5),
        (" 7 ", 7),
        ("1_000", "1_000"),
        ("0x1F", "0x1F"),
        ("1.", 1.0),
        (".5", 0.5),
        ("-0.25", -0.25),
        ("1E5", 100000.0),
        ("5e-324", 5e-324),
        ("1e400", None),
        ("2026-01-02 10:00+02", "2026-01-02 08:00:00"),
        ("2026-01-02T10:00:00", "2026-01-02 10:00:00"),
        ("2026/01/02", "2026-01-02 00:00:00"),
        ("20260-01-2", "20260-01-2"),
        ("2026-13-01", "2026-13-01"),
        ("TRUE", True),
        ("9223372036854775808", 9223372036854775808.0),
    ],
)
def test_how_single_values_are_read(tmp_path: Path, text: str, value: Any) -> None:
    found = load(tmp_path, f"a,b\n{text},1\n")["a"][0].as_py()
    assert (str(found) if isinstance(found, datetime) else found) == value
    assert load(tmp_path, f"a,b\n{text},1\n{text},\n")["a"].to_pylist()[1] == found
