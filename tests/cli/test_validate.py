"""`tenure validate` as a person and a program see it: one spec, many specs, many mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tenure.cli.main import run
from tenure.spec import read as reading

SPEC = """\
apiVersion: tenure/v1
kind: Model
metadata: {name: NAME, owner: growth}
data:
  sources: {rows: {type: csv, path: rows.csv}}
  target_column: y
training:
  algorithms: {ridge: {}}
"""

MISTAKES = {
    "target_column": "target_colum",
    "ridge: {}": "ridge: {alpha: high}",
    "type: csv": "type: cvs",
    "algorithms: {": "algorithms: [",
}


def write(root: Path, name: str, old: str = "", new: str = "") -> Path:
    path = root / "specs" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(SPEC.replace("NAME", name).replace(old, new) if old else SPEC.replace("NAME", name))
    return path


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """200 specs, every tenth with a mistake: 4 kinds of them, and one file with two."""
    for number in range(200):
        old, new = list(MISTAKES.items())[number // 10 % 4] if number % 10 == 0 else ("", "")
        write(tmp_path, f"model-{number:03}", old, new)
    twice = write(tmp_path, "model-005", "owner", "ower")
    twice.write_text(twice.read_text().replace("y\n", "y\n  jion: []\n"))
    return tmp_path


def test_valid_specs_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "one")
    assert run(["-C", str(tmp_path), "validate"]) == 0
    assert capsys.readouterr().out == "1 spec is valid.\n"
    write(tmp_path, "two")
    assert run(["-C", str(tmp_path), "validate"]) == 0
    assert capsys.readouterr().out == "2 specs are valid.\n"


def test_a_warning_is_shown_and_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "one", "data:\n", "variables: {unused: 1}\ndata:\n")
    assert run(["-C", str(tmp_path), "validate"]) == 0
    out = capsys.readouterr().out
    assert "one.yaml:4:13: warning: A variable is not used." in out
    assert out.endswith("1 warning.\n1 spec is valid.\n")


def test_many_mistakes_fit_on_one_screen(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-C", str(fleet), "validate"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 40
    assert lines[0] == "22 errors in 21 of 200 files. By kind:"
    assert lines[2] == "    12  The key is not known.  in 11 files"
    assert lines[3].startswith("        specs/model-000.yaml:6:3: 'target_colum' is not a key of `data`")
    assert {line[8:] for line in lines if line.startswith("     5  ")} == {
        "The kind is not known.  in 5 files",
        "This is not valid YAML.  in 5 files",
    }
    assert lines[lines.index("By file, those with the most first:") + 2] == "     2  specs/model-005.yaml"
    assert lines[-1] == f"Show each with:  tenure validate -v -C {fleet}"


def test_each_of_many_is_there_on_request_and_for_programs(
    fleet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-C", str(fleet), "-v", "validate"]) == 1
    out = capsys.readouterr().out
    broken = [f"specs/model-{number:03}.yaml" for number in (5, *range(0, 200, 10))]
    assert all(f"{file}:" in out for file in broken)
    assert run(["-C", str(fleet), "--json", "validate"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert not found["valid"]
    assert {one["span"]["file"] for one in found["diagnostics"]} == set(broken)
    assert len(found["diagnostics"]) == 22


def test_a_plan_says_it_as_shortly(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-C", str(fleet), "plan"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) <= 40
    assert lines[0] == "22 errors in 21 files. By kind:"
    assert lines[-1] == "Show each with:  tenure validate -v"


def test_a_spec_that_is_named_is_the_only_one_that_is_read(
    fleet: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []
    parse = reading.parse
    monkeypatch.setattr(reading, "parse", lambda *given: seen.append(given[1]) or parse(*given))
    assert run(["-C", str(fleet), "validate", "./specs/model-001.yaml"]) == 0
    assert capsys.readouterr().out == "1 spec is valid.\n"
    assert seen == ["specs/model-001.yaml"]
    assert run(["-C", str(fleet), "validate", "specs/model-000.yaml"]) == 1
    assert run(["-C", str(fleet), "validate", "specs/gone.yaml"]) == 1
    assert "No model matches" in capsys.readouterr().err
