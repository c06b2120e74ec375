from __future__ import annotations

import importlib
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from tenure.cli.main import VERBS, run, tenure
from tenure.cli.session import Session
from tenure.core.diagnostics import Diagnostic, Severity
from tenure.core.errors import Blocked, Interrupted, SpecError, StateLocked, TenureError
from tenure.engine import project as engine


@pytest.fixture
def failing(monkeypatch):
    """Make every look at a project fail in a given way."""

    def fail_with(error: BaseException) -> None:
        def raising(*args: object, **kwargs: object) -> None:
            raise error

        monkeypatch.setattr(engine, "Project", raising)

    return fail_with


def test_every_verb_is_there_with_the_line_of_help_that_the_list_shows():
    ctx = click.Context(tenure)
    for name, text in VERBS.items():
        command = tenure.get_command(ctx, name)
        assert command.name == name
        assert command.help
        assert len(text) < 90, name


def test_the_list_of_verbs_needs_none_of_them(capsys):
    loaded = "import sys\nfrom tenure.cli.main import run\nrun(['--help'])\n"
    loaded += "heavy = {'tenure.cli.plan', 'msgspec', 'pydantic', 'sqlalchemy', 'pandas', 'rich', 'hydra'}\n"
    loaded += "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    found = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert found.stderr.strip() == "[]"
    for name in VERBS:
        assert name in found.stdout


@pytest.mark.parametrize(
    "arguments",
    [["plan", "--nonsense"], ["nonsense"], ["--nonsense"], ["rollback"], ["plan", "--now", "yesterday"]],
)
def test_a_command_line_that_cannot_be_read_is_an_error_not_a_change(arguments, capsys):
    assert run(arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Error: ")


def test_a_verb_that_is_almost_right_is_answered_with_the_right_one(capsys):
    assert run(["aply"]) == 1
    assert "Did you mean 'tenure apply'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TenureError("Broken."), 1),
        (Blocked("Blocked."), 3),
        (StateLocked("Locked.", "Held by ann.", "Wait."), 4),
        (Interrupted("Stopped."), 130),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
    ],
)
def test_each_kind_of_error_has_its_exit_code(failing, error, code, capsys):
    failing(error)
    assert run(["plan"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err


def test_an_error_is_json_on_stdout_and_nothing_else(failing, capsys):
    failing(StateLocked("Locked.", "Held by ann.", "Wait."))
    assert run(["plan", "--json"]) == 4
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out)["error"] == {
        "type": "StateLocked",
        "summary": "Locked.",
        "detail": "Held by ann.",
        "hint": "Wait.",
        "exit_code": 4,
    }


def test_so_is_a_usage_error(capsys):
    assert run(["plan", "--nonsense", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["type"] == "UsageError"


def test_every_diagnostic_of_the_specs_is_shown(failing, capsys):
    failing(SpecError([Diagnostic(Severity.ERROR, "First."), Diagnostic(Severity.ERROR, "Second.")]))
    assert run(["plan"]) == 1
    err = capsys.readouterr().err
    assert "First." in err
    assert "Second." in err
    assert "2 errors." in err


def test_anything_else_is_our_defect_and_shows_a_traceback_only_when_asked(failing, capsys):
    failing(ZeroDivisionError("oops"))
    assert run(["plan"]) == 1
    err = capsys.readouterr().err
    assert "This is a defect in Tenure." in err
    assert "ZeroDivisionError: oops" in err
    assert "Traceback" not in err
    assert run(["plan", "-v"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_what_the_system_refuses_is_not_our_defect(failing, capsys):
    failing(OSError(28, "No space left on device", "/data/x"))
    assert run(["plan"]) == 1
    err = capsys.readouterr().err
    assert "No space left on device" in err
    assert "defect" not in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["-C", "there", "--env", "prod", "--json", "--now", "2026-05-03", "plan"],
        ["plan", "-C", "there", "--env", "prod", "--json", "--now", "2026-05-03"],
        [
            "-C",
            "elsewhere",
            "--json",
            "plan",
            "-C",
            "there",
            "--env",
            "prod",
            "--now",
            "2026-05-03T00:00:00Z",
        ],
    ],
)
def test_global_options_stand_before_or_after_the_verb(arguments, failing, tmp_path, monkeypatch, capsys):
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path)
    failing(TenureError("Enough seen."))
    session = Session()
    run(arguments, session=session)
    assert (session.directory, session.environment, session.json) == ("there", "prod", True)
    assert session.now == datetime(2026, 5, 3, tzinfo=UTC)
    assert session.where[:4] == ("-C", "there", "--env", "prod")


def test_an_environment_and_overrides_reach_the_project(monkeypatch, capsys):
    seen = {}

    def record(root, **given):
        seen.update(given, root=root)
        raise TenureError("Enough seen.")

    monkeypatch.setattr(engine, "Project", record)
    run(["plan", "churn", "training.seed=3", "--env", "prod"])
    assert list(seen["overrides"]) == ["env=prod", "training.seed=3"]


def test_a_folder_that_is_not_there_is_named(capsys):
    assert run(["-C", "no/such/folder", "plan"]) == 1
    assert "no/such/folder" in capsys.readouterr().err


def test_the_version_is_printed_at_once():
    found = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "tenure.cli.main", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.startswith("tenure 0.")
    modules = {row.rpartition("|")[2].strip() for row in found.stderr.splitlines()}
    assert "click" in modules
    assert not modules & {"msgspec", "pydantic", "sqlalchemy", "rich", "yaml", "tenure.engine.project"}


def test_output_into_a_closed_pipe_ends_quietly():
    command = f"{sys.executable} -m tenure.cli.main --help | true"
    found = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert found.stderr == ""


def test_libraries_that_were_loaded_have_nothing_to_say_in_the_end():
    program = "import duckdb, sys; from tenure.cli.main import main; sys.argv[1:] = ['--version']; main()"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stderr == ""


def test_every_verb_describes_itself_and_all_of_its_options():
    ctx = click.Context(tenure)
    commands = [tenure.get_command(ctx, name) for name in VERBS]
    groups = [item for item in commands if isinstance(item, click.Group)]
    commands += [group.get_command(ctx, name) for group in groups for name in group.list_commands(ctx)]
    for command in commands:
        module = importlib.import_module(command.callback.__module__)
        assert "cli" in Path(module.__file__).parts[-3:-1]
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help, f"{command.name} {option.opts}"
