"""Two applies at once: on one model exactly one acts, on different models both do. With each kind of state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.engine.processes import CONTEXT, Hooked, race
from tests.engine.projects import NOW, make_project, write_spec
from tests.state.places import keep_in

from tenure.engine import fleet
from tenure.engine.compiling import stage_of
from tenure.engine.project import Project


@pytest.fixture
def root(state_backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    root = make_project(tmp_path / "project")
    if state_backend == "postgres":
        keep_in(root, request.getfixturevalue("postgres"))
    return root


def raced(root: Path, models: tuple[str, str]) -> list[dict[str, Any]]:
    gate = CONTEXT.Barrier(2)
    answers = [root / "ann.json", root / "bob.json"]
    runners = [
        CONTEXT.Process(target=race, args=(root, model, gate, answer))
        for model, answer in zip(models, answers, strict=True)
    ]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join(120)
    return [json.loads(answer.read_text()) for answer in answers]


def test_of_two_applies_on_one_model_exactly_one_acts(root: Path) -> None:
    answers = raced(root, ("flowers", "flowers"))
    assert sorted(answer["code"] for answer in answers) == [0, 4]
    project = Project(root, now=NOW)
    assert list(project.state("flowers").versions) == [1]
    assert not project.plan().changed
    assert {entry.outcome for entry in project.reader.journal("flowers")} == {"done"}


def test_two_applies_on_different_models_both_succeed(root: Path) -> None:
    write_spec(root, {"metadata": {"name": "trees"}}, name="trees")
    answers = raced(root, ("flowers", "trees"))
    assert [answer["code"] for answer in answers] == [0, 0]
    assert not Project(root, now=NOW).plan().changed


def test_the_one_who_comes_second_is_told_who_holds_the_model(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob = Project(root, now=NOW, actor="ann"), Project(root, now=NOW, actor="bob")
    plan = bob.plan()
    seen: list[Any] = []

    def meanwhile(resource: Any) -> None:
        if resource.local == "data/snapshot" and not seen:
            seen.append(None)
            seen.append(bob.apply(plan))

    monkeypatch.setattr(fleet, "stage_of", lambda item: Hooked(stage_of(item), meanwhile))
    assert ann.apply(ann.plan()).exit_code == 0
    second = seen[1]
    assert second.exit_code == 4
    assert "ann@" in second.models[0].error
    assert second.models[0].steps == ()
    assert {entry.by for entry in ann.reader.journal("flowers")} == {"ann"}
