"""Ctrl-C: the running step stops safely, the lease is given back, and the next apply goes on from there."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.processes import interrupted_search, outcome
from tests.engine.projects import NOW, make_project

from tenure.engine.project import Project
from tenure.stages.training import search


def test_ctrl_c_during_a_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_project(tmp_path / "project", {"training": {"limits": {"max_trials": 5}}})
    output = tmp_path / "output.txt"
    assert outcome(interrupted_search, root, 3, output) == 130
    said = output.read_text()
    assert "Traceback" not in said
    assert f"tenure apply flowers -C {root}" in said[said.index("Interrupted.") :]

    project = Project(root, now=NOW, actor="bob")
    assert {entry.outcome for entry in project.reader.journal("flowers")} == {"done", "interrupted"}
    with project.store.lease("flowers", "bob@elsewhere:1:x"):
        pass

    tried: list[int] = []
    one = search._try
    monkeypatch.setattr(search, "_try", lambda number, *rest: tried.append(number) or one(number, *rest))
    assert project.apply(project.plan()).exit_code == 0
    assert tried == [3, 4]
    assert not project.plan().changed


def test_what_is_left_is_shown_as_it_was_planned(applied: Path) -> None:
    """An interrupted retraining is not called pointless: the new rows have not been read yet."""
    from tests.engine.processes import Hooked
    from tests.engine.projects import write_flowers

    from tenure.core.errors import Interrupted
    from tenure.engine import project as engine
    from tenure.engine.compiling import stage_of

    def stop(resource: object) -> None:
        raise Interrupted("stopped")

    write_flowers(applied / "data" / "flowers.csv", rows=160, seed=4)
    project = Project(applied, now=NOW, actor="ann")
    project.retrain("flowers", reason="more rows")
    plan = project.plan()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "stage_of", lambda item: Hooked(stage_of(item), stop))
        result = project.apply(plan)
    assert result.exit_code == 130
    assert [(change.address, change.action) for change in result.models[0].remaining] == [
        (change.address, change.action) for change in plan.models[0].acting
    ]
    assert project.apply(plan).exit_code == 0
