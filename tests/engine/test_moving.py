"""A model whose name changes keeps its life: versions, history, approvals, log and labels; callers are told."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.engine.projects import NOW, merged, write_spec

from tenure.core.effect import Effect
from tenure.core.errors import StalePlan, TenureError
from tenure.engine.project import Project
from tenure.plan.action import Action, Reason
from tenure.plan.change import from_json, to_json
from tenure.server.follow import Follower

MOVED = {"metadata": {"name": "blossoms"}, "lifecycle": {"moved_from": "flowers"}}


def rename(root: Path, changes: dict[str, Any] | None = None) -> Project:
    (root / "specs" / "flowers.yaml").unlink(missing_ok=True)
    write_spec(root, merged(MOVED, changes or {}), "blossoms")
    return Project(root, now=NOW + timedelta(hours=1), actor="bob")


def test_nothing_is_trained_and_everything_comes_along(applied: Path) -> None:
    before = Project(applied, now=NOW).state("flowers")
    project = rename(applied)
    plan = project.plan()
    (model,) = plan.models
    shown = {change.address.split("/", 1)[1]: change for change in model.changes}
    assert (model.model, model.moved_from) == ("blossoms", "flowers")
    assert shown["lifecycle/name"].reason is Reason.MOVED
    assert shown["training/model"].action is Action.NONE
    assert {local for local, change in shown.items() if change.action.acts} == {
        "lifecycle/name",
        "governance/version",
    }
    assert plan.effect is Effect.REDEPLOY
    assert plan.unmanaged == ()
    assert project.plan() == plan

    result = project.apply(from_json(to_json(plan)))
    assert result.exit_code == 0
    assert result.models[0].steps[0].address == "blossoms/lifecycle/name"
    after = project.state("blossoms")
    assert after.lineage == before.lineage
    assert list(after.versions) == [1]
    assert after.versions[1].value["model_digest"] == before.versions[1].value["model_digest"]
    assert after.records["deployment/endpoint"].digest == before.records["deployment/endpoint"].digest
    assert "blossoms" in project.card("blossoms")
    assert not project.plan().changed
    assert project.plan().unmanaged == ()
    assert next(record.address for record in project.reader.history("blossoms")) == "blossoms/data/snapshot"


def test_the_line_may_go_once_it_was_applied_and_means_nothing_if_it_stays(applied: Path) -> None:
    project = rename(applied)
    assert project.apply(project.plan()).exit_code == 0
    write_spec(applied, {"metadata": {"name": "blossoms"}}, "blossoms")
    assert not project.plan().changed


def test_without_the_line_the_new_name_is_a_new_model(applied: Path) -> None:
    project = rename(applied, {"lifecycle": None})
    (model,) = project.plan().models
    assert {change.action for change in model.changes} == {Action.CREATE}
    assert project.plan().unmanaged == ("flowers",)


def test_log_and_labels_come_along_and_callers_of_the_old_name_are_told(applied: Path) -> None:
    folders = Project(applied, now=NOW).workspace.folders("flowers")
    for folder in (folders.predictions, folders.labels):
        (folder / "day").mkdir(parents=True)
        (folder / "day" / "part.parquet").write_bytes(b"rows")
    project = rename(applied)
    assert project.apply(project.plan()).exit_code == 0
    moved = project.workspace.folders("blossoms")
    for old, new in ((folders.predictions, moved.predictions), (folders.labels, moved.labels)):
        assert not old.exists()
        assert (new / "day" / "part.parquet").read_bytes() == b"rows"

    follower = Follower(project.reader, project.artifacts)
    follower.poll()
    assert follower.table.endpoints["blossoms"].state == "serving"
    gone = follower.table.endpoints["flowers"]
    assert (gone.state, gone.successor) == ("moved", "blossoms")
    assert (b"link", b'</v2/models/blossoms>; rel="successor-version"') in gone.headers


def test_the_old_name_is_taken_and_moving_back_frees_it(applied: Path) -> None:
    project = rename(applied)
    assert project.apply(project.plan()).exit_code == 0
    write_spec(applied)
    plan = Project(applied, now=NOW + timedelta(hours=2)).plan(["flowers"])
    assert {change.action for change in plan.models[0].changes} == {Action.BLOCKED}
    (applied / "specs" / "blossoms.yaml").unlink()
    write_spec(applied, {"lifecycle": {"moved_from": "blossoms"}})
    back = Project(applied, now=NOW + timedelta(hours=2), actor="ann")
    assert back.apply(back.plan()).exit_code == 0
    assert list(back.state("flowers").versions) == [1]
    assert not back.plan().changed


def test_a_spec_of_the_old_name_must_be_gone(applied: Path) -> None:
    write_spec(applied, MOVED, "blossoms")
    with pytest.raises(TenureError, match=r"specs/flowers\.yaml"):
        Project(applied, now=NOW).plan()
    with pytest.raises(TenureError, match=r"specs/flowers\.yaml"):
        Project(applied, now=NOW).plan(["blossoms"])


def test_a_move_that_was_carried_out_by_another_run_is_stale(applied: Path) -> None:
    project = rename(applied)
    plan = project.plan()
    assert project.apply(plan).exit_code == 0
    with pytest.raises(StalePlan):
        project.apply(plan)


def test_killed_between_log_and_state_it_is_done_again(
    applied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = Project(applied, now=NOW).workspace.folders("flowers")
    folders.predictions.mkdir(parents=True, exist_ok=True)
    (folders.predictions / "one.parquet").write_bytes(b"1")
    project = rename(applied)

    class Killed(BaseException):
        pass

    def kill(*_: Any, **__: Any) -> None:
        raise Killed

    monkeypatch.setattr(project.store, "rename", kill)
    with pytest.raises(Killed):
        project.apply(project.plan())
    (folders.predictions).mkdir(parents=True)
    (folders.predictions / "two.parquet").write_bytes(b"2")
    again = Project(applied, now=NOW + timedelta(hours=2), actor="bob")
    assert again.apply(again.plan()).exit_code == 0
    moved = again.workspace.folders("blossoms").predictions
    assert sorted(path.name for path in moved.iterdir()) == ["one.parquet", "two.parquet"]
    assert not again.plan().changed
