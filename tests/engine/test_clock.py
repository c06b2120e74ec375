"""Time is given, never guessed; a clock that went back is not obeyed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.engine.projects import NOW, make_project, write_flowers, write_spec

from tenure.core.errors import TenureError
from tenure.engine.project import Project


@pytest.mark.parametrize(
    "act",
    [
        lambda project: project.apply(project.plan()),
        lambda project: project.run(),
        lambda project: project.observe(),
        lambda project: project.retrain("flowers", reason="x"),
    ],
)
def test_nothing_is_done_at_a_time_before_the_newest_record(
    applied: Path, act: Callable[[Project], object]
) -> None:
    write_spec(applied, {"training": {"limits": {"max_trials": 3}}})
    before = Project(applied, now=NOW).reader.audit_head()
    with pytest.raises(TenureError, match="The clock went back"):
        act(Project(applied, now=NOW - timedelta(seconds=1)))
    assert Project(applied, now=NOW).reader.audit_head() == before


def test_waiting_for_a_bake_time_ends_at_once_when_the_time_is_given(tmp_path: Path) -> None:
    root = make_project(
        tmp_path, {"deployment": {"rollout": {"strategy": "canary", "steps": [10, 100], "bake_time": "1h"}}}
    )
    project = Project(root, now=NOW, actor="ann")
    assert project.apply(project.plan()).exit_code == 0
    write_flowers(root / "data" / "flowers.csv", rows=160, seed=4)
    project.retrain("flowers", reason="more rows")
    assert project.apply(project.plan(), wait=True).exit_code == 3


def test_waiting_takes_every_step_of_a_rollout(tmp_path: Path) -> None:
    root = make_project(
        tmp_path,
        {"deployment": {"rollout": {"strategy": "canary", "steps": [10, 50, 100], "bake_time": "1s"}}},
    )
    project = Project(root, actor="ann")
    assert project.apply(project.plan()).exit_code == 0
    write_flowers(root / "data" / "flowers.csv", rows=160, seed=4)
    project.retrain("flowers", reason="more rows")
    result = project.apply(project.plan(), wait=True)
    assert result.exit_code == 0
    endpoint = [step for step in result.models[0].steps if step.address == "flowers/deployment/endpoint"]
    assert [step.outcome for step in endpoint].count("done") == 3
    assert project.state("flowers").records["deployment/endpoint"].value["routes"] == [
        {"version": 2, "share": 100}
    ]
    assert not project.plan().changed
