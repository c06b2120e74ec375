"""Kill -9 at every point of an apply: the state opens, nothing ran without an intent, the next apply converges."""

from __future__ import annotations

import signal
from contextlib import closing
from pathlib import Path

import pytest
from tests.engine.processes import POINTS, apply_until, outcome, search_until
from tests.engine.projects import NOW, make_project

from tenure.engine.project import Project
from tenure.stages.training import search
from tenure.state.chain import verify

KILLED = -signal.SIGKILL


def sound(root: Path) -> Project:
    """The project, after a look at what the state promises: it opens, and its audit chain is whole."""
    project = Project(root, now=NOW, actor="ann")
    with closing(project.reader) as reader:
        head = reader.audit_head()
        assert head is not None
        assert verify(reader.audit(), head) == []
    return project


def test_killed_at_every_point_of_every_step_it_converges_to_the_same_end(
    tmp_path: Path, applied: Path
) -> None:
    root = make_project(tmp_path / "killed")
    kills = 0
    while (code := outcome(apply_until, root, POINTS[kills % len(POINTS)])) == KILLED:
        kills += 1
        project = sound(root)
        open_steps = [entry for entry in project.reader.journal("flowers") if entry.outcome is None]
        assert len(open_steps) <= 1
    assert code == 0
    whole = Project(applied, now=NOW).state("flowers")
    assert kills == len(POINTS) * len(whole.records)

    project = sound(root)
    state = project.state("flowers")
    assert state.records.keys() == whole.records.keys()
    assert state.records["training/model"].digest == whole.records["training/model"].digest
    assert state.records["deployment/endpoint"].value == whole.records["deployment/endpoint"].value
    assert list(state.versions) == [1]
    assert not project.plan().changed
    journal = project.reader.journal("flowers")
    assert {entry.outcome for entry in journal} == {"done", "interrupted"}
    assert sum(entry.outcome == "done" for entry in journal) == len(state.records)


def test_a_killed_search_resumes_with_its_finished_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {
        "training": {
            "algorithms": {"logistic_regression": {}, "hist_gradient_boosting": {}},
            "limits": {"max_trials": 6},
            "cross_validation": {"folds": 2},
        },
        "evaluation": {"gates": []},
    }
    roots = [make_project(tmp_path / name, changes) for name in ("whole", "killed")]
    assert outcome(search_until, roots[1], 4) == KILLED

    tried: list[int] = []
    one = search._try
    monkeypatch.setattr(search, "_try", lambda number, *rest: tried.append(number) or one(number, *rest))
    projects = [Project(root, now=NOW, actor="ann") for root in roots]
    assert projects[1].apply(projects[1].plan()).exit_code == 0
    assert tried == [4, 5]
    assert projects[0].apply(projects[0].plan()).exit_code == 0
    assert len(tried) == 2 + 6

    whole, resumed = (project.state("flowers").records["training/search"].value for project in projects)
    for name in ("algorithm", "params", "score", "trial", "trials"):
        assert resumed[name] == whole[name]
