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


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0])
def test_a_clock_that_jumps_by_a_day_lets_nobody_write_who_has_lost_his_turn(
    applied: Path, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    """Leases end by the real clock, which may be wrong; whose turn it is follows from a number that only grows."""
    from tenure.core.errors import StateLocked, StateStale
    from tenure.state import leases

    first, second = (Project(applied, now=NOW, actor=name) for name in ("ann", "bob"))
    real = leases.time.time
    steps = {"apply_id": "a", "address": "flowers/training/model", "action": "replace", "reason": "cause"}
    steps |= {"fingerprint": "f", "by": "x"}
    with first.store.lease("flowers", "ann@another-machine:1:x") as lease:
        monkeypatch.setattr(leases.time, "time", lambda: real() + jump)
        if jump < 0:
            with pytest.raises(StateLocked), second.store.lease("flowers", "bob@machine:1:y"):
                pass
            entry = first.store.begin(lease, at=NOW, **steps)
            first.store.finish(lease, entry, outcome="failed", at=NOW)
        else:
            before = second.reader.audit_head()
            with second.store.lease("flowers", "bob@machine:1:y"):
                with pytest.raises(StateStale):
                    first.store.begin(lease, at=NOW, **steps)
                assert second.reader.audit_head() == before
    with second.store.lease("flowers", "bob@machine:1:y"):
        pass


def test_a_clock_that_went_back_between_plan_and_apply(applied: Path) -> None:
    write_spec(applied, {"training": {"limits": {"max_trials": 3}}})
    plan = Project(applied, now=NOW + timedelta(hours=1)).plan()
    with pytest.raises(TenureError, match="The clock went back"):
        Project(applied, now=NOW - timedelta(hours=1)).apply(plan)
    assert Project(applied, now=NOW).apply(plan).exit_code == 0
