from __future__ import annotations

from pathlib import Path

import pytest

from tenure.core.spans import Span
from tenure.spec.read import MAX_BYTES, parse, read


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("12", 12),
        ("-3", -3),
        ("012", 12),
        ("0x1F", 31),
        ("0o17", 15),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("12:30:45", "12:30:45"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("1e999", "1e999"),
        ("30m", "30m"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("!!str 12", "12"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    document, found = parse(f"key: {text}", "f")
    assert not found
    assert document is not None
    assert document.data["key"] == value
    assert type(document.data["key"]) is type(value)


def test_keys_are_text() -> None:
    document, _ = parse("on: 1\n1: 2\ntrue: 3\n2024-01-01: 4\nnull: 5", "f")
    assert document is not None
    assert document.data == {"on": 1, "1": 2, "true": 3, "2024-01-01": 4, "null": 5}


def test_aliases_are_allowed() -> None:
    document, found = parse("a: &x {b: [1, 2]}\nc: *x", "f")
    assert not found
    assert document is not None
    assert document.data["c"] == {"b": [1, 2]}


def test_positions_of_keys_and_values() -> None:
    document, _ = parse("a:\n  - b: 1\n    c: 'two'\n", "f.yaml")
    assert document is not None
    assert document.spans.value(("a", 0, "c")) == Span("f.yaml", 3, 8, 5)
    assert document.spans.key(("a", 0, "c")) == Span("f.yaml", 3, 5, 1)


BOMB = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{new}: &{new} [{','.join(['*' + old] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "summary", "line", "column"),
    [
        ("", "The document is empty.", 1, 1),
        ("# only a comment\n", "The document is empty.", 1, 1),
        ("- 1\n", "The document is not a mapping.", 1, 1),
        ("just text\n", "The document is not a mapping.", 1, 1),
        ("a:\n\tb: 1\n", "A line is indented with a tab.", 2, 1),
        ("a:\n  \tb: 1\n", "A line is indented with a tab.", 2, 3),
        ("a: 1\n---\nb: 2\n", "The file holds several documents.", 2, 1),
        ("a: 1\na: 2\n", "The same key appears twice.", 2, 1),
        (
            "<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> other\n",
            "A merge conflict was left in the file.",
            1,
            1,
        ),
        ("<<: {a: 1}\n", "Merge keys are not supported.", 1, 1),
        ("a: !python/object:os.system x\n", "Tags are not supported.", 1, 4),
        ("? [a]\n: 1\n", "A key is not text.", 1, 3),
        ("a: &x [*x]\n", "The document is nested too deeply.", 1, 4),
        ("a: " + "[" * 100 + "]" * 100, "The document is nested too deeply.", 1, 64),
        (BOMB, "The document is too large.", 1, 26),
        ("a: [1\n", "This is not valid YAML.", 1, 4),
        ("a: {b: 1\nc: 2\n", "This is not valid YAML.", 1, 4),
        ("a: 'x\nb: 1\n", "This is not valid YAML.", 1, 4),
        ("a: b: c\n", "This is not valid YAML.", 1, 5),
        ("a\nb: 1\n", "This is not valid YAML.", 1, 1),
        ("a:\n  b: 1\n c: 2\n", "This is not valid YAML.", 3, 2),
        ("a:\n  - 1\n  b: 2\n", "This is not valid YAML.", 3, 3),
        ("a: *nowhere\n", "This is not valid YAML.", 1, 4),
        ("a: @x\n", "This is not valid YAML.", 1, 4),
        ("a: \x01\n", "This is not valid YAML.", 1, 4),
        ('a: "\\d"\n', "This is not valid YAML.", 1, 5),
        ("[" * 3000, "This is not valid YAML.", 1, 3001),
    ],
)
def test_what_is_wrong_with_a_file_is_said_and_pointed_at(
    text: str, summary: str, line: int, column: int
) -> None:
    document, found = parse(text, "f.yaml")
    assert document is None
    assert found[0].summary == summary
    assert found[0].span is not None
    assert (found[0].span.file, found[0].span.line, found[0].span.column) == ("f.yaml", line, column)
    assert found[0].detail


def test_no_text_whatever_raises() -> None:
    alphabet = [
        "a",
        ":",
        " ",
        "\n",
        "-",
        "[",
        "}",
        "'",
        '"',
        "&x",
        "*x",
        "!",
        "|",
        "\t",
        "#",
        "%",
        "?",
        "é",
        "\x07",
    ]
    state = 7
    for _ in range(3000):
        text = ""
        for _ in range(14):
            state = state * 6364136223846793005 + 1442695040888963407 & (2**64 - 1)
            text += alphabet[(state >> 33) % len(alphabet)]
        document, found = parse(text, "f")
        assert (document is None) == bool(found), text


def test_all_duplicates_of_a_file_are_reported_with_both_places() -> None:
    _, found = parse("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n", "f")
    assert [one.span.line for one in found if one.span] == [4, 5]
    assert "line 1" in found[1].detail
    assert [line.split("|")[1].strip() for line in found[1].excerpt] == ["a: 1", "^", "a: 3", "^"]


def test_a_conflict_marker_inside_text_is_left_alone() -> None:
    document, found = parse("a: |\n  <<<<<<< not at the margin\n", "f")
    assert document is not None
    assert not found


def test_files_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes("a: 1\nb: größe\n".encode("latin-1"))
    document, found = read(path, "f.yaml")
    assert document is None
    assert found[0].summary == "The file is not UTF-8 text."
    assert str(found[0].span) == "f.yaml:2:6"
    path.write_bytes("a: 1\n".encode("utf-16"))
    assert "UTF-16" in read(path)[1][0].detail


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    document, _ = read(path)
    assert document is not None
    assert document.data == {"a": 1}


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert read(tmp_path / "none.yaml")[1][0].summary == "The file cannot be read."
    assert read(tmp_path)[1][0].summary == "The file cannot be read."
    large = tmp_path / "large.yaml"
    large.write_text("a: 1\n" + "#" * MAX_BYTES)
    assert read(large)[1][0].summary == "The file is too large."
