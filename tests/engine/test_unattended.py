"""`run`: what policies and dates allow happens without a person, exactly once; edits of a spec never do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from tests.engine.projects import NOW, make_project, merged, write_flowers, write_spec

from tenure.engine.project import Project
from tenure.engine.result import RunResult
from tenure.state.chain import verify
from tenure.state.record import Fact

DAY = timedelta(days=1)
CANARY = {"deployment": {"rollout": {"strategy": "canary", "steps": [10, 100], "bake_time": "1d"}}}


def cause(mode: Literal["notify", "propose", "auto"], do: str = "retrain", at: datetime = NOW) -> Fact:
    """What monitoring records when a breach is confirmed (under a kind of its own: nothing here takes it back)."""
    return Fact(
        id=f"f-{mode}-{at:%d%H}", model="flowers", kind="breach", key=f"breach/{mode}/{at}", do=do, mode=mode,
        sentence="Accuracy fell.", evidence={"windows": 3}, at=at, by="observe",
    )  # fmt: skip


def ran(root: Path, at: datetime = NOW) -> tuple[Project, RunResult]:
    project = Project(root, now=at, actor="cron")
    return project, project.run()


def versions(project: Project) -> list[int]:
    return list(project.state("flowers").versions)


@pytest.fixture
def breached(applied: Path) -> Path:
    """A live model with newer rows in its source."""
    write_flowers(applied / "data" / "flowers.csv", rows=160, seed=4)
    return applied


def test_nothing_to_do_is_nothing_done(applied: Path) -> None:
    _, result = ran(applied)
    assert result.applied is None
    assert result.proposed == ()


@pytest.mark.parametrize("mode", ["notify", "propose"])
def test_notify_only_notes_and_propose_only_proposes(breached: Path, mode: Any) -> None:
    Project(breached, now=NOW).store.add_fact(cause(mode))
    for _ in range(2):
        project, result = ran(breached)
        assert result.applied is None
        assert bool(result.proposed) is (mode == "propose")
        (model,) = result.plan.models
        assert bool(model.acting) is (mode == "propose")
        assert ("Accuracy fell." in model.notes) is (mode == "notify")
        assert versions(project) == [1]
    (fact,) = project.state("flowers").facts
    assert fact.settled_at is None


def test_auto_retrains_exactly_once_and_keeps_the_cause(breached: Path) -> None:
    fact = cause("auto")
    Project(breached, now=NOW).store.add_fact(fact)
    project, result = ran(breached)
    assert result.applied is not None
    assert result.applied.exit_code == 0
    assert result.proposed == ()
    state = project.state("flowers")
    assert list(state.versions) == [1, 2]
    assert state.records["deployment/endpoint"].value["routes"] == [{"version": 2, "share": 100}]
    assert state.versions[2].value["lineage"]["causes"][0]["sentence"] == "Accuracy fell."
    (settled,) = state.facts
    assert (settled.settled_at, settled.settled_by) == (NOW, result.applied.apply_id)
    for _ in range(2):
        project, again = ran(breached, NOW + DAY)
        assert again.applied is None
        assert versions(project) == [1, 2]


def test_a_breach_on_the_same_rows_is_not_answered_with_the_same_model(applied: Path) -> None:
    Project(applied, now=NOW).store.add_fact(cause("auto"))
    project, result = ran(applied)
    assert result.applied is None
    assert any("Accuracy fell." in sentence for sentence in result.proposed)
    assert versions(project) == [1]


def test_a_retraining_that_fails_halfway_is_finished_by_the_next_round(
    breached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tenure.stages.training import section

    Project(breached, now=NOW).store.add_fact(cause("auto"))
    with monkeypatch.context() as patch:
        patch.setattr(section, "realise", lambda *_: 1 / 0)
        project, result = ran(breached)
        assert result.applied is not None
        assert result.applied.exit_code == 1
        assert versions(project) == [1]
    project, result = ran(breached)
    assert result.applied is not None
    assert result.applied.exit_code == 0
    assert versions(project) == [1, 2]


@pytest.mark.parametrize(
    "edit",
    [
        {"metadata": {"owner": "gardeners"}},
        {"training": {"limits": {"max_trials": 3}}},
        {"evaluation": {"gates": []}},
        {"governance": {"approvals": [{"role": "owner"}]}},
        {"governance": {"risk_tier": "high"}},
        {"deployment": {"inference_log": {"sample": 0.5}}},
        {"monitoring": {"signals": {"performance": {"min": 0.5}}}},
        {"retirement": {"deprecation_date": "2026-05-02", "retirement_date": "2026-05-03"}},
        {"retirement": {"on_match": "deprecate"}, "monitoring": None},
        {"state": "deprecated"},
        {"state": "retired"},
    ],
)
@pytest.mark.parametrize("cause_too", [False, True])
def test_an_edit_is_never_applied_not_even_along_with_a_cause(
    breached: Path, edit: dict[str, Any], cause_too: bool
) -> None:
    project = Project(breached, now=NOW)
    before = project.state("flowers")
    if cause_too:
        project.store.add_fact(cause("auto"))
    write_spec(breached, edit)
    project, result = ran(breached)
    assert result.applied is None
    assert project.state("flowers").records == before.records
    assert result.proposed or "monitoring" in edit


def test_approvals_taken_out_of_the_spec_do_not_release_a_waiting_version(tmp_path: Path) -> None:
    root = make_project(tmp_path, {"governance": {"approvals": [{"role": "owner"}]}})
    project = Project(root, now=NOW, actor="ann")
    assert project.apply(project.plan()).exit_code == 3
    write_spec(root)
    project, result = ran(root)
    assert result.applied is None
    assert project.state("flowers").records["deployment/endpoint"].value["routes"] == []


def test_rollout_steps_are_taken_when_their_time_has_come(tmp_path: Path) -> None:
    root = make_project(tmp_path, CANARY)
    project = Project(root, now=NOW, actor="ann")
    assert project.apply(project.plan()).exit_code == 0
    write_flowers(root / "data" / "flowers.csv", rows=160, seed=4)
    project.store.add_fact(cause("auto"))

    def shares(at: datetime) -> list[tuple[int, int]]:
        project, _ = ran(root, at)
        routed = project.state("flowers").records["deployment/endpoint"].value["routes"]
        return [(route["version"], route["share"]) for route in routed]

    assert shares(NOW) == [(2, 10), (1, 90)]
    assert shares(NOW + DAY / 2) == [(2, 10), (1, 90)]
    assert shares(NOW + DAY) == [(2, 100)]
    assert not Project(root, now=NOW + DAY).plan().changed


def test_dates_are_kept(applied: Path) -> None:
    dated = {"retirement": {"deprecation_date": "2026-06-01", "retirement_date": "2026-09-01"}}
    write_spec(applied, dated)
    project = Project(applied, now=NOW, actor="ann")
    assert project.apply(project.plan()).exit_code == 0
    for at, state in (
        (datetime(2026, 6, 2, tzinfo=UTC), "deprecated"),
        (datetime(2026, 9, 2, tzinfo=UTC), "gone"),
    ):
        project, result = ran(applied, at)
        assert result.applied is not None, state
        assert result.applied.exit_code == 0
        assert project.state("flowers").records["deployment/endpoint"].value["state"] == state
        assert ran(applied, at)[1].applied is None
        assert not Project(applied, now=at).plan().changed


def test_a_matched_criterion_deprecates_when_the_policy_says_so(applied: Path) -> None:
    write_spec(applied, {"retirement": {"on_match": "deprecate"}})
    project = Project(applied, now=NOW, actor="ann")
    assert project.apply(project.plan()).exit_code == 0
    project, result = ran(applied, NOW + 600 * DAY)
    assert result.applied is not None
    assert project.state("flowers").records["retirement/policy"].value["state"] == "deprecated"


def test_words_edited_along_with_a_cause_are_shown_in_the_plan(breached: Path) -> None:
    Project(breached, now=NOW).store.add_fact(cause("auto"))
    write_spec(breached, merged({"metadata": {"owner": "gardeners"}}, {}))
    (model,) = Project(breached, now=NOW).plan().models
    (version,) = [change for change in model.changes if change.address == "flowers/governance/version"]
    assert [item.path for item in version.fields] == ["metadata.owner"]


def test_the_arrival_of_labels_is_in_the_audit_log(applied: Path) -> None:
    labels = applied / "labels.csv"
    labels.write_text("prediction_id,kind\n1,rose\n2,lily\n")
    project = Project(applied, now=NOW, actor="ann")
    assert project.labels("flowers", labels).new == 2
    last = list(project.store.audit())[-1]
    assert (last.action, last.actor, last.subject, last.data["new"]) == (
        "labels.ingested",
        "ann",
        "flowers",
        2,
    )
    assert verify(project.store.audit(), project.store.audit_head()) == []
