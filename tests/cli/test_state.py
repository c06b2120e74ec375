"""`tenure state`: what the verbs say and return, over a state with a whole life in it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.state.old import write_format_1

from tenure.cli.main import run, tenure
from tenure.cli.state import VERBS
from tenure.engine import surgery
from tenure.engine.project import Project

NOW = "2027-06-09T10:00:00Z"

Asked = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    root = tmp_path_factory.mktemp("upgraded")
    (root / "specs").mkdir()
    path = write_format_1(root / ".tenure" / "dev" / "state.db")
    surgery.upgrade(Project(root), lambda text: None)
    return path.read_bytes()


@pytest.fixture
def root(upgraded: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a state of the present format."""
    (tmp_path / "specs").mkdir()
    place = tmp_path / ".tenure" / "dev" / "state.db"
    place.parent.mkdir(parents=True)
    place.write_bytes(upgraded)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TENURE_ACTOR", "ann")
    return tmp_path


@pytest.fixture
def ask(root: Path, capsys: pytest.CaptureFixture[str]) -> Asked:
    def asked(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(["state", *words, "--now", NOW])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return asked


def test_every_verb_has_its_line_and_its_own_help(ask: Asked) -> None:
    code, out, _ = ask("--help")
    assert code == 0
    for verb, text in VERBS.items():
        assert verb in out
        assert text.split(":")[0][:20] in out
        code, help_text, _ = ask(verb, "--help")
        assert (code, "Usage: tenure state " + verb in help_text) == (0, True)


def test_an_unknown_verb_is_refused(ask: Asked) -> None:
    assert ask("lst")[0] == 1


def test_list_is_one_line_a_model(ask: Asked) -> None:
    code, out, _ = ask("list")
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "2 models in dev  format 2, lineage 49dbbf6f, audit log of 87 events"
    assert (
        " ".join(lines[1].split()) == "model serial lineage serves versions records size open steps held by"
    )
    assert " ".join(lines[2].split()).startswith("flowers 27 d9c67885 version 1 2 27 41 KB 1 ann@gone")
    assert "(gone)" in out
    assert " ".join(lines[-1].split()) == "roses 13 ea53f274 retired 1 13 18 KB - -"


def test_list_of_nothing(ask: Asked, root: Path) -> None:
    code, out, _ = ask("list", "--env", "prod")
    assert (code, out) == (0, "Nothing is recorded in prod yet. Begin with: tenure plan\n")
    assert ask("list", "--locks", "--env", "prod")[1] == "Nobody holds a model.\n"
    assert not (root / ".tenure" / "prod").exists()


def test_locks_give_the_id_that_ends_one(ask: Asked, root: Path) -> None:
    store = Project(root).store
    with store.lease("roses", "bob@elsewhere:7:x") as lease:
        _, out, _ = ask("list", "--locks")
        held = {line.split()[0]: line.split()[1:3] for line in out.splitlines()[1:]}
        assert held["roses"] == [lease.id, "bob@elsewhere:7:x"]
        wrong = ask("unlock", "roses", "deadbeef", "--reason", "it hangs")
        assert wrong[0] == 4
        assert f"lease {lease.id}" in wrong[2]
        assert ask("unlock", "roses", lease.id)[0] == 1, "why has to be said"
        code, out, _ = ask("unlock", "roses", lease.id, "--reason", "it hangs")
        assert (code, out) == (0, "roses is free; bob@elsewhere:7:x cannot write any more.\n")
        assert "roses" not in ask("list", "--locks")[1]
        assert ask("unlock", "roses", lease.id, "--reason", "again")[0] == 4


def test_export_to_stdout_and_to_a_file_are_the_same(
    root: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert run(["state", "export", "--output", "x.ndjson"]) == 0
    assert capfdbinary.readouterr().out.startswith(b"Written to x.ndjson: 235 lines, checksum ")
    assert run(["state", "export"]) == 0
    assert capfdbinary.readouterr().out == (root / "x.ndjson").read_bytes()
    assert sorted(path.name for path in root.iterdir()) == [".tenure", "specs", "x.ndjson"]


def test_import_says_what_came_in_and_why_not(ask: Asked, root: Path) -> None:
    ask("export", "--output", "x.ndjson")
    code, out, _ = ask("import", "x.ndjson", "--env", "prod")
    assert (code, out) == (0, "Taken over: 2 models, 40 records, audit log of 87 events.\n")
    code, _, err = ask("import", "x.ndjson", "--env", "prod")
    assert code == 1
    assert "tenure state import FILE --replace" in err
    code, out, _ = ask("import", "x.ndjson", "--env", "prod", "--replace")
    assert code == 0
    assert "What was recorded before is in .tenure/prod/state.db.replaced-20270609T100000Z.backup" in out
    (root / "x.ndjson").write_bytes((root / "x.ndjson").read_bytes()[:-100])
    code, _, err = ask("import", "x.ndjson", "--env", "test")
    assert code == 1
    assert "The export is refused" in err
    assert "x.ndjson:236: it was cut off" in err
    assert ask("import", "nothing.ndjson", "--env", "test")[0] == 1
    assert ask("import", ".", "--env", "test")[0] == 1
    assert not (root / ".tenure" / "test").exists()


def test_export_where_nothing_can_be_written(ask: Asked, root: Path) -> None:
    code, _, err = ask("export", "--output", "missing/x.ndjson")
    assert code == 1
    assert "missing/x.ndjson" in err


def test_backup_never_overwrites(ask: Asked, root: Path) -> None:
    code, out, _ = ask("backup")
    assert code == 0
    assert out.endswith("state.db.kept-20270609T100000Z.backup\n")
    assert ask("backup")[1].endswith("state.db.kept-20270609T100000Z-2.backup\n")
    assert ask("backup", "--output", "copy.db")[0] == 0
    code, _, err = ask("backup", "--output", "copy.db")
    assert code == 1
    assert "copy.db exists" in err
    with closing(sqlite3.connect(root / "copy.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT COUNT(*) FROM records").fetchone() == (40,)


def test_a_backup_put_in_its_place_is_the_state(ask: Asked, root: Path) -> None:
    before = ask("export")
    ask("backup", "--output", "copy.db")
    Project(root).store.append_audit(at=Project(root).now, actor="eve", action="test", subject="x", data={})
    place = root / ".tenure" / "dev" / "state.db"
    for path in place.parent.glob("state.db-*"):
        path.unlink()
    (root / "copy.db").replace(place)
    assert ask("export") == before


def test_upgrade_of_an_old_state(ask: Asked, root: Path) -> None:
    place = root / ".tenure" / "dev" / "state.db"
    place.unlink()
    write_format_1(place)
    code, _, err = ask("unlock", "flowers", "x", "--reason", "y")
    assert code == 1
    assert "tenure state upgrade" in err
    assert ask("list")[0] == 0, "what only reads goes on"
    code, out, _ = ask("upgrade")
    assert code == 0
    assert out.splitlines()[-1].startswith(
        "Upgraded from format 1 to 2. The state before is in .tenure/dev/state.db.format-1-"
    )
    assert ask("upgrade")[1] == "Nothing to do: the state has format 2.\n"


def test_doctor_groups_what_it_finds_and_says_the_way_out(ask: Asked, root: Path) -> None:
    code, out, _ = ask("doctor")
    assert code == 1
    assert "warning  steps were begun and never ended (1)\n" in out
    assert "  Their run was killed. The next apply repeats them.\n" in out
    assert "  way out  tenure state doctor --repair\n" in out
    assert "error    artifacts are missing or damaged" in out.replace("error  ", "error    ")
    assert "... and " in out, "of many one screen is shown"
    assert out.splitlines()[-1].startswith("Not healthy: ")
    code, out, _ = ask("doctor", "--repair")
    assert code == 1, "the artifacts of this state were never here"
    assert out.startswith("repaired\n")
    assert "flowers/training/search: step 41 is recorded as interrupted." in out
    assert "never ended" not in out


def test_doctor_of_a_healthy_environment(ask: Asked) -> None:
    code, out, _ = ask("doctor", "--env", "prod")
    assert (code, out) == (0, "Healthy: everything prod relies on is there and whole.\n")


@pytest.mark.parametrize(
    "words", [["list"], ["list", "--locks"], ["doctor"], ["upgrade"], ["backup"], ["export", "--output", "x.ndjson"]]
)  # fmt: skip
def test_for_a_program_there_is_one_object_and_nothing_else(ask: Asked, words: list[str]) -> None:
    _, out, err = ask(*words, "--json")
    assert isinstance(json.loads(out), dict)
    assert err == ""


def test_an_error_for_a_program_is_an_object_too(ask: Asked) -> None:
    code, out, _ = ask("unlock", "roses", "x", "--reason", "y", "--json")
    assert code == 4
    assert json.loads(out)["error"]["type"] == "StateStale"


@pytest.mark.parametrize("content", [b"", b"not a database at all", b"SQLite format 3\x00" + b"x" * 5000])
@pytest.mark.parametrize("words", [["list"], ["export"], ["backup"], ["upgrade"], ["doctor"]])
def test_a_state_that_is_garbage_is_a_message(
    ask: Asked, root: Path, content: bytes, words: list[str]
) -> None:
    (root / ".tenure" / "dev" / "state.db").write_bytes(content)
    code, out, err = ask(*words)
    assert code in ((0, 1) if not content else (1,))
    assert "defect" not in out + err


def test_the_group_is_a_verb_like_others() -> None:
    import click

    with click.Context(tenure) as ctx:
        assert tenure.get_command(ctx, "state") is not None
