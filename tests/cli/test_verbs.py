"""The verbs against a project whose answers are made by hand: what they ask, print and return."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tenure.cli.main import run
from tenure.core.events import StepFinished
from tenure.engine import project as engine
from tenure.engine.result import ApplyResult, ModelResult, ObserveResult, RunResult, StepResult
from tenure.plan.change import from_json, to_json

sys.path.insert(0, str(Path(__file__).parent.parent / "render"))
from plans import AT, DIGEST, plan, retraining, unchanged, waiting


class Fake:
    """A project that answers what it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple] = []
        self.next_plan = plan(unchanged())
        self.outcome = "done"
        self.emit = None
        self.environment = "dev"

    def __call__(self, root, *, overrides=(), now=None, emit=None, abandon=None):
        self.overrides, self.emit = tuple(overrides), emit
        return self

    def close(self):
        self.closed = True

    def state(self, model):
        return SimpleNamespace(model=model)

    def plan(self, select=(), *, exclude=(), refresh=True):
        self.asked.append(("plan", tuple(select), tuple(exclude), refresh, self.overrides))
        return self.next_plan

    def apply(self, given, *, wait=False):
        self.asked.append(("apply", given, wait))
        self.emit(StepFinished("weather/training/model", "replace", 1.0))
        codes = {"done": 0, "failed": 1, "blocked": 3}
        step = StepResult("weather/training/model", "replace", self.outcome, "It happened.", 1.0)
        result = ModelResult("weather", 8, (step,), exit_code=codes[self.outcome])
        return ApplyResult("a1", DIGEST, AT, (result,), 1.0)

    def run(self, select=()):
        observed = ObserveResult(AT, (), ())
        return RunResult(
            observed, self.next_plan, None, ("weather/training/model: performance was critical.",)
        )


@pytest.fixture
def project(monkeypatch):
    fake = Fake()
    monkeypatch.setattr(engine, "Project", fake)
    return fake


@pytest.fixture
def terminal(monkeypatch):
    """A person at a terminal who types what is asked for here."""

    def types(text: str) -> None:
        stdin = io.StringIO(text + "\n")
        stdin.isatty = lambda: True
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
        monkeypatch.setattr("builtins.input", lambda question: text)

    return types


@pytest.mark.parametrize(
    ("models", "plain", "detailed"),
    [((unchanged(),), 0, 0), ((retraining(), waiting()), 0, 2), ((waiting(), unchanged()), 0, 3)],
)
def test_plan_tells_scripts_about_changes_only_when_asked(project, models, plain, detailed, capsys):
    project.next_plan = plan(*models)
    assert run(["plan"]) == plain
    assert run(["plan", "--detailed-exitcode"]) == detailed
    assert run(["plan", "--detailed-exitcode", "--json"]) == detailed


def test_plan_passes_on_what_is_selected_and_whether_to_look(project, capsys):
    run(["plan", "churn", "--exclude", "x", "--no-refresh", "training.seed=3"])
    assert project.asked == [("plan", ("churn",), ("x",), False, ("training.seed=3",))]


def test_plan_as_json_is_the_plan_and_nothing_else(project, capsys):
    project.next_plan = plan(retraining())
    run(["plan", "--json"])
    assert from_json(capsys.readouterr().out.encode()) == project.next_plan
    run(["plan", "--format", "json"])
    assert from_json(capsys.readouterr().out.encode()) == project.next_plan


def test_plan_as_markdown(project, capsys):
    project.next_plan = plan(retraining())
    run(["plan", "--format", "markdown"])
    assert capsys.readouterr().out.startswith("<!-- tenure plan: dev -->\n### Tenure plan")


def test_a_saved_plan_is_applied_as_it_is_without_a_question(project, tmp_path, capsys):
    project.next_plan = plan(retraining())
    file = tmp_path / "plan.json"
    assert run(["plan", "--out", str(file)]) == 0
    assert f"tenure apply {file}" in capsys.readouterr().out
    saved, project.next_plan = project.next_plan, plan(unchanged())
    assert run(["apply", str(file)]) == 0
    assert project.asked[-1] == ("apply", saved, False)


def test_where_nobody_can_be_asked_nothing_is_applied(project, capsys):
    project.next_plan = plan(retraining())
    assert run(["apply"]) == 1
    assert "--auto-approve" in capsys.readouterr().err
    assert project.asked == []


@pytest.mark.parametrize(("typed", "code", "applied"), [("yes", 0, True), ("y", 1, False), ("", 1, False)])
def test_a_person_types_yes(project, terminal, typed, code, applied, capsys):
    project.next_plan = plan(retraining())
    terminal(typed)
    assert run(["apply", "weather"]) == code
    assert (project.asked[-1][0] == "apply") is applied
    assert "promote if accuracy >= 0.65" in capsys.readouterr().out


@pytest.mark.parametrize(("outcome", "code"), [("done", 0), ("failed", 1), ("blocked", 3)])
def test_apply_returns_what_came_of_it(project, outcome, code, capsys):
    project.next_plan, project.outcome = plan(retraining()), outcome
    assert run(["apply", "--auto-approve"]) == code
    assert ("Go on with:" in capsys.readouterr().out) is (code != 0)


@pytest.mark.parametrize(("models", "code"), [((unchanged(),), 0), ((waiting(),), 3)])
def test_apply_of_nothing_does_nothing(project, models, code, capsys):
    project.next_plan = plan(*models)
    assert run(["apply", "--auto-approve"]) == code
    assert [name for name, *_ in project.asked] == ["plan"]


def test_apply_for_a_program_is_lines_of_json_that_end_with_the_result(project, capsys):
    project.next_plan, project.outcome = plan(retraining()), "blocked"
    assert run(["apply", "--auto-approve", "--json"]) == 3
    lines = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    assert [item["event"] for item in lines] == ["stepfinished", "result"]
    assert lines[-1]["exit_code"] == 3
    assert lines[-1]["result"]["models"][0]["model"] == "weather"


def test_a_file_that_is_no_plan_is_refused(project, tmp_path, capsys):
    file = tmp_path / "plan.json"
    file.write_text("{}")
    assert run(["apply", str(file)]) == 1
    assert "Not a plan file." in capsys.readouterr().err
    assert run(["apply", str(tmp_path / "gone.json")]) == 1
    assert "cannot be read" in capsys.readouterr().err
    assert run(["apply", str(file), "weather"]) == 1


def test_show_of_a_plan_file_is_the_plan(project, tmp_path, capsys):
    file = tmp_path / "plan.json"
    file.write_bytes(to_json(plan(retraining())))
    assert run(["show", str(file)]) == 0
    assert "-/+ training/search" in capsys.readouterr().out


def test_retire_only_asks_what_would_happen(project, capsys):
    project.next_plan = plan(waiting())
    assert run(["retire", "fraud", "--env", "prod"]) == 3
    assert project.asked == [("plan", ("fraud",), (), True, ("env=prod", "state=retired"))]
    assert "Nothing was changed." in capsys.readouterr().out


def test_run_names_what_waits_for_a_person_and_that_is_no_error(project, capsys):
    assert run(["run"]) == 0
    assert "performance was critical." in capsys.readouterr().out


def test_run_does_not_stand_still_in_a_loop(project, capsys):
    assert run(["run", "--every", "5m", "--now", "2026-05-03"]) == 1
    assert run(["run", "--every", "5m", "--once"]) == 1
    assert run(["run", "--every", "often"]) == 1
