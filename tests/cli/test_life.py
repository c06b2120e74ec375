"""The command line over a small real project, from nothing to an audited history."""

from __future__ import annotations

import json

import pytest

from tenure.cli.main import run

SPEC = """\
apiVersion: tenure/v1
kind: Model
metadata: {name: iris, owner: botany}
data:
  sources:
    flowers: {type: sklearn, name: iris}
  target_column: target
training:
  algorithms:
    logistic_regression: {}
  limits: {max_trials: 2}
evaluation:
  gates:
    - {metric: accuracy, min: 0.5}
deployment:
  target: {type: batch}
"""


@pytest.fixture
def root(tmp_path, monkeypatch):
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/iris.yaml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TENURE_ACTOR", "ann")
    return tmp_path


def test_from_nothing_to_an_audited_history(root, capsys):
    assert run(["plan", "--detailed-exitcode"]) == 2
    assert not (root / ".tenure").exists()
    capsys.readouterr()

    assert run(["apply", "--auto-approve", "--json", "--now", "2026-05-03T10:00:00Z"]) == 0
    lines = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    assert lines[-1]["event"] == "result"
    assert "stepfinished" in {item["event"] for item in lines}

    assert run(["plan", "--detailed-exitcode"]) == 0
    assert "Nothing to do" in capsys.readouterr().out

    assert run(["show"]) == 0
    assert "version 1" in capsys.readouterr().out
    assert run(["show", "iris/training/model", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["value"]["algorithm"] == "logistic_regression"
    assert run(["show", "iris@1"]) == 0
    assert run(["show", "iris", "--at", "2026-05-01"]) == 1

    assert run(["history", "iris", "-v"]) == 0
    told = capsys.readouterr().out
    assert "ann: version 1" in told
    assert "training/model" in told

    assert run(["card", "iris@1"]) == 0
    assert "iris" in capsys.readouterr().out

    head = root / "head.json"
    assert run(["audit", "verify", "--write-checkpoint", str(head)]) == 0
    assert run(["audit", "verify", "--checkpoint", str(head), "--json"]) == 0
    capsys.readouterr()
    assert run(["audit", "export"]) == 0
    events = capsys.readouterr().out.splitlines()
    assert json.loads(head.read_text())["seq"] == len(events)


def test_a_spec_with_two_mistakes_shows_both_with_their_places(root, capsys):
    (root / "specs/iris.yaml").write_text(SPEC.replace("max_trials", "max_trails").replace("owner", "ownr"))
    assert run(["plan"]) == 1
    err = capsys.readouterr().err
    assert "specs/iris.yaml:3:" in err
    assert "max_trials" in err
    assert "Traceback" not in err


def test_an_unknown_model_is_answered_with_the_nearest(root, capsys):
    assert run(["plan", "irsi"]) == 1
    assert "'iris'" in capsys.readouterr().err


def test_outside_a_project_the_way_in_is_said(tmp_path, capsys):
    assert run(["-C", str(tmp_path), "plan"]) == 1
    assert "tenure init" in capsys.readouterr().err
