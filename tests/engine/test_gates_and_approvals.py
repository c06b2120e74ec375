"""What stands between a trained model and its release: gates and people, each with the way to go on."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.engine.projects import NOW, make_project, merged, write_flowers, write_spec

from tenure.core.errors import TenureError
from tenure.engine.project import Project
from tenure.engine.result import ApplyResult
from tenure.plan.change import from_json, to_json

STRICT = {"evaluation": {"gates": [{"metric": "accuracy", "min": 0.999}]}}
LOOSE = {"evaluation": {"gates": [{"metric": "accuracy", "min": 0.7}]}}
OWNER = {"governance": {"approvals": [{"role": "owner"}]}}
ALL_OF_1 = [{"version": 1, "share": 100}]


def applied_to(root: Path, after: timedelta = timedelta(0), **who: Any) -> tuple[Project, ApplyResult]:
    project = Project(root, now=NOW + after, actor=who.get("actor", "ann"))
    return project, project.apply(project.plan())


def routes(project: Project) -> list[dict[str, int]]:
    endpoint = project.state("flowers").records.get("deployment/endpoint")
    return endpoint.value["routes"] if endpoint else []


def hints(result: ApplyResult) -> str:
    return "\n".join(step.hint for model in result.models for step in model.steps)


def test_a_first_model_that_fails_its_gate_is_kept_but_never_routed(tmp_path: Path) -> None:
    root = make_project(tmp_path, STRICT)
    project, result = applied_to(root)
    assert result.exit_code == 3
    assert "tenure show flowers/evaluation/report" in hints(result)
    state = project.state("flowers")
    assert state.versions[1].value["passed"] is False
    assert state.versions[1].value["failed"]
    assert "failed:" in project.card("flowers", 1)
    assert routes(project) == []
    again = applied_to(root)[1]
    assert again.exit_code == 3
    assert not [step for step in again.models[0].steps if step.outcome == "done"]

    trained = state.records["training/model"]
    write_spec(root, LOOSE)
    (plan,) = Project(root, now=NOW).plan().models
    shown = {change.address.split("/", 1)[1]: change for change in plan.acting}
    assert shown.keys() == {
        "evaluation/report", "governance/version", "governance/approval", "deployment/endpoint", "monitoring/monitor"
    }  # fmt: skip
    assert [condition.text for condition in shown["deployment/endpoint"].conditions] == ["accuracy >= 0.7"]
    project, result = applied_to(root)
    assert result.exit_code == 0
    assert project.state("flowers").records["training/model"] == trained
    assert project.state("flowers").versions[1].value["passed"] is True
    assert list(project.state("flowers").versions) == [1]
    assert routes(project) == ALL_OF_1
    assert not project.plan().changed


def test_without_its_approval_a_version_waits_and_says_how_to_go_on(tmp_path: Path) -> None:
    root = make_project(tmp_path, OWNER)
    project, result = applied_to(root)
    assert result.exit_code == 3
    assert "tenure approve flowers@1 --role owner" in hints(result)
    assert routes(project) == []

    with pytest.raises(TenureError, match="Nobody asks for this role"):
        project.approve("flowers@1", role="someone", reason="not my call")
    assert applied_to(root)[1].exit_code == 3
    project.approve("flowers@1", role="owner", reason="looked at the report")
    project, result = applied_to(root)
    assert result.exit_code == 0
    assert routes(project) == ALL_OF_1
    assert project.state("flowers").records["governance/approval"].value["granted"]["owner"] == ["ann"]
    assert not project.plan().changed


def test_a_saved_plan_is_approved_before_anything_is_trained(tmp_path: Path) -> None:
    root = make_project(tmp_path, OWNER)
    path = tmp_path / "plan.json"
    path.write_bytes(to_json(Project(root, now=NOW, actor="ann").plan()))
    boss = Project(root, now=NOW, actor="bob")
    (approval,) = boss.approve(str(path), role="owner", reason="go")
    assert approval.subject == from_json(path.read_bytes()).models[0].digest
    project = Project(root, now=NOW, actor="ann")
    assert project.apply(from_json(path.read_bytes())).exit_code == 0
    assert routes(project) == ALL_OF_1
    assert not project.plan().changed


def test_a_plan_that_only_waits_for_approval_is_carried_out_once_it_is_approved(applied: Path) -> None:
    """The plan shows approval and endpoint as blocked; what follows from them is carried out with them."""
    root = applied
    write_spec(
        root, merged(OWNER, {"training": {"algorithms": {"logistic_regression": None, "random_forest": {}}}})
    )
    project, result = applied_to(root)
    assert (result.exit_code, routes(project)) == (3, ALL_OF_1)
    path = root / "plan.json"
    path.write_bytes(to_json(project.plan()))
    project.approve(str(path), role="owner", reason="better")
    later = Project(root, now=NOW, actor="ann")
    result = later.apply(from_json(path.read_bytes()))
    assert result.exit_code == 0
    assert routes(later) == [{"version": 2, "share": 100}]
    assert later.state("flowers").records["monitoring/monitor"].value["version"] == 2
    assert not later.plan().changed


@pytest.mark.parametrize(
    ("commit", "routed"),
    [
        ({"metadata": {"description": "Two flowers, told apart.", "owner": "gardens"}}, ALL_OF_1),
        ({"governance": {"license": "Apache-2.0"}}, ALL_OF_1),
        ({"training": {"seed": 8}}, []),
        ({"evaluation": {"gates": [{"metric": "accuracy", "min": 0.71}]}}, []),
        ({"deployment": {"limits": {"max_in_flight": 8}}}, []),
    ],
)
def test_an_approval_of_a_plan_outlives_a_commit_about_words_and_no_other(
    tmp_path: Path, commit: dict[str, Any], routed: list[dict[str, int]]
) -> None:
    root = make_project(tmp_path, OWNER)
    path = tmp_path / "plan.json"
    path.write_bytes(to_json(Project(root, now=NOW, actor="ann").plan()))
    Project(root, now=NOW, actor="bob").approve(str(path), role="owner", reason="go")
    write_spec(root, merged(OWNER, commit))
    project, result = applied_to(root)
    assert result.exit_code == (0 if routed else 3)
    assert routes(project) == routed


def test_a_new_version_needs_a_new_approval_while_the_old_one_serves(tmp_path: Path) -> None:
    root = make_project(tmp_path, OWNER)
    project, _ = applied_to(root)
    project.approve("flowers@1", role="owner", reason="good")
    project, _ = applied_to(root)
    write_flowers(root / "data" / "flowers.csv", rows=160, seed=4)
    project.retrain("flowers", reason="more rows")
    project, result = applied_to(root)
    assert result.exit_code == 3
    assert "tenure approve flowers@2 --role owner" in hints(result)
    assert routes(project) == ALL_OF_1
    with pytest.raises(TenureError, match="awaits no approval"):
        project.approve("flowers@1", role="owner", reason="late")


def test_a_rejection_stays_until_the_same_person_decides_anew(tmp_path: Path) -> None:
    root = make_project(tmp_path, OWNER)
    project, _ = applied_to(root)
    hour = timedelta(hours=1)
    Project(root, now=NOW + hour, actor="bob").approve("flowers@1", role="owner", reason="good")
    Project(root, now=NOW + 2 * hour, actor="eve").approve(
        "flowers@1", role="owner", reason="biased", decision="reject"
    )
    project, result = applied_to(root, 3 * hour)
    assert result.exit_code == 3
    assert "biased" in str(result)
    assert routes(project) == []
    Project(root, now=NOW + 4 * hour, actor="eve").approve("flowers@1", role="owner", reason="explained")
    project, result = applied_to(root, 5 * hour)
    assert (result.exit_code, routes(project)) == (0, ALL_OF_1)


def test_a_rejected_plan_stays_rejected_in_the_plans_after_it(tmp_path: Path) -> None:
    root = make_project(tmp_path)
    path = tmp_path / "plan.json"
    path.write_bytes(to_json(Project(root, now=NOW, actor="ann").plan()))
    Project(root, now=NOW, actor="eve").approve(str(path), role="risk", reason="no", decision="reject")
    project = Project(root, now=NOW, actor="ann")
    assert project.apply(from_json(path.read_bytes())).exit_code == 3
    assert routes(project) == []
    project, result = applied_to(root, timedelta(hours=1))
    assert (result.exit_code, routes(project)) == (3, [])


def test_a_raised_risk_tier_opens_the_approval_again_and_the_live_version_keeps_serving(
    tmp_path: Path,
) -> None:
    root = make_project(tmp_path, OWNER)
    project, _ = applied_to(root)
    project.approve("flowers@1", role="owner", reason="good")
    project, _ = applied_to(root)
    model = project.state("flowers").records["training/model"]
    write_spec(root, merged(OWNER, {"governance": {"risk_tier": "high"}}))
    project, result = applied_to(root)
    assert result.exit_code == 3
    assert "tenure approve flowers@1 --role owner" in hints(result)
    assert routes(project) == ALL_OF_1
    assert project.state("flowers").records["training/model"] == model
    project.approve("flowers@1", role="owner", reason="still good")
    project, result = applied_to(root)
    assert (result.exit_code, routes(project)) == (0, ALL_OF_1)
    assert not project.plan().changed
