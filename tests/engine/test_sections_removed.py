"""A section that is removed from a spec: what it stands for ends where it may, and the plan says where it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.engine.projects import NOW, write_spec

from tenure.engine.project import Project
from tenure.plan.action import Action, Reason

SERVES = [{"version": 1, "share": 100}]


def edited(root: Path, changes: dict[str, Any]) -> Project:
    write_spec(root, changes)
    return Project(root, now=NOW, actor="ann")


def changes(project: Project) -> dict[str, Any]:
    (model,) = project.plan().models
    return {change.address.split("/", 1)[1]: change for change in model.changes}


def test_without_monitoring_the_monitor_stops_and_comes_back_with_its_past(applied: Path) -> None:
    project = edited(applied, {"monitoring": None})
    change = changes(project)["monitoring/monitor"]
    assert (change.action, change.reason) == (Action.UPDATE, Reason.UNDECLARED)
    assert project.apply(project.plan()).exit_code == 0
    before = project.state("flowers").records["monitoring/monitor"]
    assert before.value["state"] == "stopped"
    assert not project.plan().changed
    assert project.observe().observations == ()
    project = edited(applied, {})
    assert project.apply(project.plan()).exit_code == 0
    after = project.state("flowers").records["monitoring/monitor"]
    assert after.value["state"] == "watching"
    assert after.value["released"] == before.value["released"]
    assert not project.plan().changed


def test_what_serves_goes_on_without_its_section_and_every_plan_says_so(applied: Path) -> None:
    project = edited(applied, {"deployment": None, "monitoring": None})
    change = changes(project)["deployment/endpoint"]
    assert (change.action, change.intended, change.reason) == (
        Action.BLOCKED,
        Action.RETIRE,
        Reason.UNDECLARED,
    )
    assert "still serves version 1" in change.blockers[0].text
    assert project.apply(project.plan()).exit_code == 3
    assert project.state("flowers").records["deployment/endpoint"].value["routes"] == SERVES
    assert project.plan().blocked
    project = edited(applied, {})
    assert project.apply(project.plan()).exit_code == 0
    assert not project.plan().changed


def test_a_model_is_retired_although_its_sections_are_gone(applied: Path) -> None:
    project = edited(applied, {"deployment": None, "monitoring": None, "state": "retired"})
    assert project.apply(project.plan()).exit_code == 0
    endpoint = project.state("flowers").records["deployment/endpoint"].value
    assert (endpoint["state"], endpoint["routes"]) == ("gone", [])
    assert not project.plan().changed


def test_without_lifecycle_the_protection_stays_and_nothing_is_said(applied: Path) -> None:
    project = edited(applied, {"lifecycle": {"prevent_destroy": True}})
    assert project.apply(project.plan()).exit_code == 0
    project = edited(applied, {})
    assert not project.plan().changed
    assert changes(project)["lifecycle/protection"].action is Action.NONE
