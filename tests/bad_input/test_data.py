"""Data that cannot be used, from the command line on: one clear error with its place in the spec, nothing released,
and the same command goes on once the data are mended.

What each kind of file is told in detail is in tests/stages/data (test_csv, test_snapshot) and tests/contracts; a source
that vanishes between plan and apply is in tests/engine/test_failures.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.bad_input.conftest import apply

from tenure.engine.project import Project

Make = Callable[..., Path]


def table(*, header: str = "a,b,y", end: str = "\n", rows: int = 60) -> str:
    """Rows from which y can be learned."""
    draw = random.Random(1)
    lines = [header]
    for _ in range(rows):
        a = draw.random()
        lines.append(
            f"{a:.3f},{draw.choice(['red', 'blue'])},{'yes' if a + draw.random() / 4 > 0.6 else 'no'}"
        )
    return end.join(lines) + end


GOOD = table()


@pytest.mark.parametrize(
    ("content", "place", "words"),
    [
        ("", "6:29", "a source file is empty"),
        ("a,b,y\n", "6:11", "a source has no rows"),
        (table(header="a,b,x"), "7:18", "there is no column 'y'"),
        (GOOD.replace("yes", "no"), "7:18", "every row of target column 'y' is 'no'"),
        (GOOD.replace("blue,yes", "blue,"), "7:18", "drop_null_target"),
        (GOOD.replace("yes", "").replace("no", ""), "7:18", "is null"),
        ("a,b,y\n1,red,yes\n", "7:18", "the target has one class only"),
        ("a,b,y\n1,red,yes\n2,red,no\n", "7:18", "no class has a second row"),
        (GOOD.replace("red", "röd").encode("latin-1"), "6:11", "set encoding: latin-1"),
        (GOOD.encode("utf-16"), "6:11", "set encoding: utf-16"),
        (GOOD + "1,2,3,4\n", "6:29", "rows of different length"),
        (b"PK\x03\x04" + bytes(range(256)), "6:29", "Excel"),
        (bytes(range(256)) * 20, "6:11", "the encoding is wrong"),
    ],
)  # fmt: skip
def test_what_cannot_be_used(
    project: Make, capsys: pytest.CaptureFixture[str], content: str | bytes, place: str, words: str
) -> None:
    root = project(content)
    assert apply(root) == 1
    out, err = capsys.readouterr()
    shown = " ".join((out + err).split())
    assert f"specs/m.yaml:{place}: " in shown
    assert words in shown
    assert "Traceback" not in shown
    assert "defect" not in shown
    state = Project(root).reader.read("m")
    assert state is None or not state.versions


def test_the_same_command_goes_on_once_the_data_are_there(
    project: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    assert apply(project("a,b,y\n")) == 1
    root = project(GOOD)
    assert apply(root) == 0
    assert set(Project(root).state("m").versions) == {1}
    assert "Traceback" not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    "content",
    [
        GOOD.replace(",", ";"),
        GOOD.replace("\n", "\r\n"),
        "".join(line + ("\r\n" if n % 3 else "\n") for n, line in enumerate(GOOD.splitlines())),
    ],
    ids=["semicolons", "carriage returns", "both line ends"],
)
def test_files_of_other_systems_are_the_same_data(project: Make, content: str) -> None:
    root = project(content)
    assert apply(root) == 0
    record = Project(root).state("m").records["data/snapshot"]
    assert [(column["name"], column["type"]) for column in record.value["columns"]] == [
        ("a", "number"), ("b", "string"), ("y", "string"),
    ]  # fmt: skip
    assert record.value["rows"] == 60


def test_what_is_left_out_or_changed_is_said(project: Make, capsys: pytest.CaptureFixture[str]) -> None:
    header, *lines = GOOD.splitlines()
    first = "inf," + lines[0].split(",", 1)[1]
    content = "\n".join([f"{header},e", *(line + "," for line in [first, *lines[1:]]), ""])
    assert apply(project(content)) == 0
    out = capsys.readouterr().out
    assert "1 infinite value(s) of rows.a are treated as missing" in out
    assert "column e is left out: it has no value in the training part" in out


@pytest.mark.parametrize("verb", [["plan"], ["show"], ["audit", "verify"], ["serve"], ["history", "m"]])
def test_outside_a_project_every_verb_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: list[str]
) -> None:
    from tenure.cli.main import run

    assert run(["-C", str(tmp_path), *verb]) == 1
    assert "Not a Tenure project." in capsys.readouterr().err
    assert not any(tmp_path.iterdir())
