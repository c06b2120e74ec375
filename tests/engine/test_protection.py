"""`prevent_destroy` is a record: it holds until its own removal was applied, whatever happens to the spec."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.engine.projects import NOW, write_spec

from tenure.core.errors import SpecError
from tenure.engine.project import Project
from tenure.plan.action import Action
from tenure.stages.base import PROTECTION

PROTECTED = {"lifecycle": {"prevent_destroy": True}}
LIFTED = {"lifecycle": {"prevent_destroy": False}}
RETIRED = {"state": "retired"}


def apply(root: Path, changes: dict[str, Any], days: int = 0) -> Any:
    write_spec(root, changes)
    project = Project(root, now=NOW + timedelta(days=days), actor="ann")
    return project.apply(project.plan())


def policy(root: Path) -> dict[str, Any]:
    return Project(root, now=NOW).state("flowers").records["retirement/policy"].value


@pytest.fixture
def protected(applied: Path) -> Path:
    assert apply(applied, PROTECTED).exit_code == 0
    return applied


def test_protecting_changes_nothing_else(protected: Path) -> None:
    project = Project(protected, now=NOW)
    assert project.state("flowers").records[PROTECTION].value == {"prevent_destroy": True}
    assert list(project.state("flowers").versions) == [1]
    assert not project.plan().changed


def test_removing_the_line_lifts_nothing(protected: Path) -> None:
    assert apply(protected, {}).exit_code == 0
    write_spec(protected, RETIRED)
    project = Project(protected, now=NOW)
    (change,) = [one for one in project.plan().models[0].changes if one.address.endswith("retirement/policy")]
    assert change.action is Action.BLOCKED
    assert change.intended is Action.RETIRE
    assert [blocker.kind for blocker in change.blockers] == ["protected"]
    assert project.apply(project.plan()).exit_code == 3
    assert policy(protected)["state"] == "active"


def test_removing_the_file_and_writing_it_again_lifts_nothing(protected: Path) -> None:
    (protected / "specs" / "flowers.yaml").unlink()
    assert not Project(protected, now=NOW).plan().changed
    assert apply(protected, RETIRED).exit_code == 3
    assert policy(protected)["state"] == "active"


def test_a_date_does_not_get_around_it(protected: Path) -> None:
    dated = {"retirement": {"retirement_date": "2026-06-01"}}
    assert apply(protected, PROTECTED | dated).exit_code == 0
    assert apply(protected, PROTECTED | dated, days=60).exit_code == 3
    assert policy(protected)["state"] == "active"


def test_lifting_it_takes_an_apply_of_its_own(protected: Path) -> None:
    assert apply(protected, LIFTED | RETIRED).exit_code == 3
    assert policy(protected)["state"] == "active"
    assert apply(protected, LIFTED | RETIRED).exit_code == 0
    assert policy(protected)["state"] == "retired"


def test_asking_for_both_is_refused_where_it_is_written(protected: Path) -> None:
    write_spec(protected, PROTECTED | RETIRED)
    with pytest.raises(SpecError) as caught:
        Project(protected, now=NOW).plan()
    (found,) = caught.value.diagnostics
    assert found.summary == "A protected model is to be retired."
    assert found.span is not None
    assert found.span.line > 1
