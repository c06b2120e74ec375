"""Gates over time and over edits: a waiver that expires, a fairness limit that is edited; nothing is trained for it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.engine.projects import NOW, write_spec

from tenure.engine.project import Project
from tenure.plan.action import Reason
from tenure.plan.change import ModelPlan

WAIVER = {"owner": "risk", "reason": "a pilot with few callers", "expires": "2026-06-01"}
STRICT = {"metric": "accuracy", "min": 0.9999}


def _evaluation(**block: Any) -> dict[str, Any]:
    return {"evaluation": block}


def _acting(plan: ModelPlan) -> dict[str, Any]:
    return {change.address.split("/", 1)[1]: change for change in plan.acting}


def test_an_expired_waiver_judges_again_and_trains_nothing(applied: Path) -> None:
    write_spec(applied, _evaluation(gates=[STRICT | {"waiver": WAIVER}]))
    project = Project(applied, now=NOW)
    (plan,) = project.plan().models
    assert "training/model" not in _acting(plan)
    assert project.apply(project.plan()).exit_code == 0
    version = project.state("flowers").versions[1]
    assert version.value["passed"] is True
    assert "waived until 2026-06-01 by risk: a pilot with few callers" in version.value["waived"][0]
    assert "failed, waived until 2026-06-01 by risk" in project.card("flowers", 1)

    # Until the last moment nothing is to be done, also where the plan is remembered.
    for moment in (NOW, NOW + timedelta(days=28, hours=13)):
        assert not Project(applied, now=moment).plan().changed
        assert not Project(applied, now=moment).plan().changed

    late = Project(applied, now=NOW + timedelta(days=29))
    (plan,) = late.plan().models
    report = _acting(plan)["evaluation/report"]
    assert (report.reason, report.sentence) == (
        Reason.DATE_PASSED,
        "The waiver of a gate by risk expired on 2026-06-01.",
    )
    assert not {"data/snapshot", "training/search", "training/model"} & _acting(plan).keys()
    trained = late.state("flowers").records["training/model"]
    assert late.apply(late.plan()).exit_code == 3
    state = late.state("flowers")
    assert state.records["training/model"] == trained
    assert state.versions[1].value["passed"] is False
    assert "its waiver by risk expired on 2026-06-01" in state.versions[1].value["failed"][0]
    # What serves keeps serving, and the next plan says so without doing anything.
    assert state.records["deployment/endpoint"].value["routes"] == [{"version": 1, "share": 100}]
    (after,) = Project(applied, now=NOW + timedelta(days=30)).plan().models
    assert not after.acting
    assert any(
        "no longer passes its gates" in blocker.text
        for change in after.changes
        for blocker in change.blockers
    )


def test_an_edited_fairness_limit_is_judged_again_on_the_same_model(applied: Path) -> None:
    check = {"sensitive_column": "colour", "metric": "accuracy_difference", "min_group_rows": 5, "max": 0.9}
    write_spec(applied, _evaluation(gates=[], fairness=[check]))
    project = Project(applied, now=NOW)
    assert project.apply(project.plan()).exit_code == 0
    trained = project.state("flowers").records["training/model"]

    write_spec(
        applied,
        _evaluation(gates=[], fairness=[check | {"max": 0.0, "metric": "demographic_parity_difference"}]),
    )
    (plan,) = Project(applied, now=NOW).plan().models
    acting = _acting(plan)
    assert acting["evaluation/report"].reason is Reason.CONFIG_CHANGED
    assert {field.effect.value for field in acting["evaluation/report"].fields} == {"evaluate"}
    assert not {"data/snapshot", "features/recipe", "training/search", "training/model"} & acting.keys()
    project = Project(applied, now=NOW)
    assert project.apply(project.plan()).exit_code == 3
    state = project.state("flowers")
    assert state.records["training/model"] == trained
    assert state.versions[1].value["failed"][0].startswith("demographic_parity_difference by colour")
