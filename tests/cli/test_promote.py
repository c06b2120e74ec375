"""`tenure promote` on a command line: it shows, it carries out, and it never trains where the specs differ."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.engine.projects import NOW, make_project, write_spec

from tenure.cli.main import run
from tenure.engine.project import Project
from tenure.plan.change import from_json


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_project(tmp_path_factory.mktemp("promote"))
    project = Project(root, now=NOW, actor="ann")
    assert project.apply(project.plan()).exit_code == 0
    return root


def test_it_shows_what_it_would_do_and_saves_it(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = ["-C", str(root), "--now", NOW.isoformat()]
    saved = tmp_path / "plan.json"
    assert run(["promote", "flowers", "--to", "prod", "--out", str(saved), *there]) == 0
    shown = capsys.readouterr().out
    assert "< training/model  taken over from dev flowers@1" in shown
    assert "release: no retraining" in shown
    assert f"tenure apply {saved}" in shown
    assert "--env prod" in shown
    assert from_json(saved.read_bytes()).models[0].promotes is not None
    assert not (root / ".tenure" / "prod" / "state.db").exists()
    assert run(["apply", str(saved), "--env", "prod", *there]) == 0
    assert "adopted" in capsys.readouterr().out


def test_a_spec_that_asks_for_something_else_is_not_trained(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_spec(root, {"training": {"seed": 8}})
    there = ["-C", str(root), "--now", NOW.isoformat()]
    assert run(["promote", "flowers@1", "--to", "staging", "--auto-approve", *there]) == 3
    shown = capsys.readouterr().out
    assert "training.seed is 8 here and 7 there" in " ".join(shown.split())
    assert "tenure apply flowers" in shown
    assert not (root / ".tenure" / "staging" / "state.db").exists()
    write_spec(root)


def test_to_where_it_is_already(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["promote", "flowers", "--to", "dev", "-C", str(root), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["summary"] == "Nothing to promote."
