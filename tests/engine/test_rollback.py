"""Back to an earlier version and forward again; nothing is trained, and a newer version ends the hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.projects import NOW, write_flowers

from tenure.core.errors import TenureError
from tenure.engine.project import Project


@pytest.fixture
def twice(applied: Path) -> Path:
    """A model in its second version."""
    write_flowers(applied / "data" / "flowers.csv", rows=160, seed=4)
    project = Project(applied, now=NOW, actor="ann")
    project.retrain("flowers", reason="more rows")
    assert project.apply(project.plan()).exit_code == 0
    assert serving(project) == 2
    return applied


def serving(project: Project) -> int:
    (route,) = project.state("flowers").records["deployment/endpoint"].value["routes"]
    assert route["share"] == 100
    return int(route["version"])


def test_back_and_forward_with_an_empty_plan_after_each(twice: Path) -> None:
    project = Project(twice, now=NOW, actor="ann")
    trained = project.state("flowers").records["training/model"]
    for number in (1, 2, 1):
        plan = project.rollback("flowers", to=number, reason="incident 7")
        acting = {change.address for change in plan.models[0].acting}
        assert acting == {"flowers/deployment/endpoint", "flowers/monitoring/monitor"}
        assert project.apply(plan).exit_code == 0
        assert serving(project) == number
        assert project.state("flowers").records["monitoring/monitor"].value["version"] == number
        assert not project.plan().changed
        assert not [fact for fact in project.state("flowers").facts if fact.settled_at is None]
    assert project.state("flowers").records["training/model"] == trained


def test_by_default_it_goes_back_to_the_version_before(twice: Path) -> None:
    project = Project(twice, now=NOW, actor="ann")
    project.apply(project.rollback("flowers", reason="incident 7"))
    assert serving(project) == 1
    with pytest.raises(TenureError, match="no earlier released version"):
        project.rollback("flowers", reason="incident 8")


def test_a_newer_version_ends_the_hold(twice: Path) -> None:
    project = Project(twice, now=NOW, actor="ann")
    project.apply(project.rollback("flowers", to=1, reason="incident 7"))
    write_flowers(twice / "data" / "flowers.csv", rows=200, seed=5)
    project.retrain("flowers", reason="repaired rows")
    assert project.apply(project.plan()).exit_code == 0
    assert serving(project) == 3
    assert project.state("flowers").records["deployment/endpoint"].value["hold"] is None
    assert not project.plan().changed


@pytest.mark.parametrize(
    ("to", "said"), [(9, "no version 9; recorded versions: 1, 2"), (2, "takes all of the traffic")]
)
def test_a_version_it_cannot_go_to_is_refused_and_leaves_no_request(twice: Path, to: int, said: str) -> None:
    project = Project(twice, now=NOW, actor="ann")
    with pytest.raises(TenureError, match=said):
        project.rollback("flowers", to=to, reason="incident 7")
    assert not project.plan().changed
    assert not [fact for fact in project.state("flowers").facts if fact.settled_at is None]


def test_a_second_request_replaces_the_first(twice: Path) -> None:
    project = Project(twice, now=NOW, actor="ann")
    project.rollback("flowers", to=1, reason="first thought")
    with pytest.raises(TenureError, match="takes all of the traffic"):
        project.rollback("flowers", to=2, reason="second thought")
    assert project.apply(project.plan()).exit_code == 0
    assert serving(project) == 1


def test_going_back_does_not_need_the_data_a_version_was_made_from(twice: Path) -> None:
    """Data may be deleted by right; an emergency must not wait for them."""
    project = Project(twice, now=NOW, actor="ann")
    lost = project.artifacts.local(project.state("flowers").versions[1].artifacts["snapshot"])
    lost.chmod(0o600)
    lost.unlink()
    result = project.apply(project.rollback("flowers", reason="too many complaints"))
    assert serving(project) == 1, result
