"""A model whose spec is gone stays as it is; an entry under `removed` lets its records go once nothing needs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.engine.projects import NOW, make_project, write_spec

from tenure.core.digest import digest_file
from tenure.core.errors import Blocked, StalePlan, TenureError
from tenure.engine.project import Project
from tenure.plan.action import Action
from tenure.plan.change import from_json, to_json
from tenure.state.chain import verify

ENTRY = "removed:\n  - {model: flowers, reason: merged into the garden model}\n"


def configure(root: Path, text: str) -> None:
    (root / "conf").mkdir(exist_ok=True)
    (root / "conf" / "config.yaml").write_text(text, encoding="utf-8")


def unspecced(root: Path) -> Project:
    (root / "specs" / "flowers.yaml").unlink()
    return Project(root, now=NOW, actor="ann")


@pytest.fixture
def undeployed(tmp_path: Path) -> Path:
    """A project whose one model was made and never released."""
    root = make_project(tmp_path / "project", {"deployment": None, "monitoring": None})
    project = Project(root, now=NOW, actor="ann")
    assert project.apply(project.plan()).exit_code == 0
    return root


def test_without_an_entry_it_stays_and_is_named(undeployed: Path) -> None:
    plan = unspecced(undeployed).plan()
    assert (plan.changed, plan.unmanaged) == (False, ("flowers",))


def test_it_is_forgotten_as_the_plan_says_and_a_copy_is_kept(undeployed: Path) -> None:
    project = unspecced(undeployed)
    before = project.state("flowers")
    configure(undeployed, ENTRY)
    plan = project.plan()
    (model,) = plan.models
    (change,) = model.changes
    assert change.action is Action.FORGET
    assert "merged into the garden model" in change.sentence
    assert plan.unmanaged == ()
    assert project.plan(["flowers"]).models == plan.models

    assert project.apply(from_json(to_json(plan))).exit_code == 0
    assert project.reader.read("flowers") is None
    assert verify(project.reader.audit(), project.reader.audit_head()) == []
    (event,) = [event for event in project.reader.audit() if event.action == "model.forgotten"]
    (kept,) = (undeployed / ".tenure" / "dev" / "archives").glob("flowers-*.ndjson")
    assert event.data["archive"] == digest_file(kept)
    lines = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
    assert {line["body"]["digest"] for line in lines if line["kind"] == "record"} == {
        record.digest for record in before.records.values()
    }
    assert not project.plan().changed
    assert project.plan() == project.plan()


def test_its_name_may_be_used_again_once_the_entry_is_gone(undeployed: Path) -> None:
    project = unspecced(undeployed)
    configure(undeployed, ENTRY)
    assert project.apply(project.plan()).exit_code == 0
    write_spec(undeployed, {"deployment": None, "monitoring": None})
    with pytest.raises(TenureError, match="has a spec"):
        Project(undeployed, now=NOW).plan()
    configure(undeployed, "removed: []\n")
    again = Project(undeployed, now=NOW, actor="ann")
    assert again.apply(again.plan()).exit_code == 0
    assert list(again.state("flowers").versions) == [1]


def test_what_serves_is_not_forgotten(applied: Path) -> None:
    project = unspecced(applied)
    configure(applied, ENTRY)
    (change,) = project.plan().models[0].changes
    assert (change.action, change.intended) == (Action.BLOCKED, Action.FORGET)
    assert [blocker.kind for blocker in change.blockers] == ["live"]
    assert project.apply(project.plan()).exit_code == 3
    with pytest.raises(Blocked, match="serves"):
        project.forget("flowers", reason="tidy up")
    assert project.state("flowers").versions


def test_what_is_protected_is_not_forgotten(undeployed: Path) -> None:
    write_spec(undeployed, {"deployment": None, "monitoring": None, "lifecycle": {"prevent_destroy": True}})
    project = Project(undeployed, now=NOW, actor="ann")
    assert project.apply(project.plan()).exit_code == 0
    project = unspecced(undeployed)
    configure(undeployed, ENTRY)
    (change,) = project.plan().models[0].changes
    assert [blocker.kind for blocker in change.blockers] == ["protected"]
    with pytest.raises(Blocked):
        project.forget("flowers", reason="tidy up")


def test_what_was_retired_keeps_its_records(applied: Path) -> None:
    write_spec(applied, {"state": "retired"})
    project = Project(applied, now=NOW, actor="ann")
    assert project.apply(project.plan()).exit_code == 0
    project = unspecced(applied)
    configure(applied, ENTRY)
    assert not project.plan().changed
    with pytest.raises(Blocked, match="has ended"):
        project.forget("flowers", reason="tidy up")
    assert project.state("flowers").versions


def test_a_plan_is_stale_when_the_entry_or_the_model_moved(undeployed: Path) -> None:
    project = unspecced(undeployed)
    configure(undeployed, ENTRY)
    plan = project.plan()
    configure(undeployed, ENTRY.replace("merged", "sold"))
    with pytest.raises(StalePlan):
        Project(undeployed, now=NOW, actor="ann").apply(plan)
    configure(undeployed, ENTRY)
    project.retrain("flowers", reason="why not")
    assert project.apply(project.plan()).exit_code == 0
    assert project.apply(plan).exit_code == 4


def test_when_the_copy_cannot_be_written_nothing_goes(undeployed: Path) -> None:
    project = unspecced(undeployed)
    configure(undeployed, ENTRY)
    archives = undeployed / ".tenure" / "dev" / "archives"
    archives.write_text("in the way", encoding="utf-8")
    assert project.apply(project.plan()).exit_code == 1
    assert project.state("flowers").records


def test_by_hand_a_model_is_forgotten_or_moved_at_once(undeployed: Path) -> None:
    project = unspecced(undeployed)
    before = project.state("flowers")
    project.move("flowers", "blossoms")
    assert project.state("blossoms").records.keys() == before.records.keys()
    assert project.forget("blossoms", reason="tidy up").steps[0].outcome == "done"
    assert project.reader.read("blossoms") is None
