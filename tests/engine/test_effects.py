"""What an edit of a spec costs, on a model that is live: the promises a reviewer of a pull request relies on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.engine.projects import BASE, NOW, make_project, merged, write_flowers, write_spec

from tenure.core.effect import Effect
from tenure.engine.project import Project
from tenure.plan.action import Action
from tenure.plan.change import ModelPlan

RETRAINED = {"training/search", "training/model", "evaluation/report", "governance/version"}


def planned(root: Path) -> ModelPlan:
    (plan,) = Project(root, now=NOW).plan().models
    return plan


def changed(plan: ModelPlan) -> dict[str, Action]:
    return {
        change.address.split("/", 1)[1]: change.action
        for change in plan.changes
        if change.action is not Action.NONE
    }


def test_the_plan_after_an_apply_is_empty(applied: Path) -> None:
    assert changed(planned(applied)) == {}


@pytest.mark.parametrize(
    "edit",
    [
        {"metadata": {"description": "Tells roses from lilies."}},
        {"metadata": {"owner": "gardeners"}},
        {"metadata": {"labels": {"tier": "1"}}},
        {"governance": {"intended_use": "Teaching."}},
    ],
)
def test_words_are_metadata(applied: Path, edit: dict[str, Any]) -> None:
    write_spec(applied, edit)
    plan = planned(applied)
    assert plan.effect is Effect.METADATA
    assert changed(plan) == {"governance/version": Action.UPDATE}


def test_a_moved_monitoring_threshold_never_retrains(applied: Path) -> None:
    write_spec(applied, {"monitoring": {"signals": {"performance": {"min": 0.7}}}})
    plan = planned(applied)
    assert plan.effect is Effect.OPERATE
    assert changed(plan) == {"monitoring/monitor": Action.UPDATE}
    (field,) = plan.changes[-1].fields
    assert (field.path, field.old, field.new) == ("monitoring.signals.performance.min", 0.6, 0.7)


def test_an_edited_gate_evaluates_the_champion_again_without_training(applied: Path) -> None:
    write_spec(applied, {"evaluation": {"gates": [{"metric": "accuracy", "min": 0.75}]}})
    plan = planned(applied)
    assert plan.effect is Effect.EVALUATE
    assert changed(plan) == {"evaluation/report": Action.REPLACE, "governance/version": Action.UPDATE}
    project = Project(applied, now=NOW)
    before = project.state("flowers")
    assert project.apply(project.plan()).exit_code == 0
    after = project.state("flowers")
    assert after.records["training/model"] == before.records["training/model"]
    assert list(after.versions) == [1]


@pytest.mark.parametrize(
    "edit",
    [
        {"training": {"decision_threshold": {"type": "maximize", "metric": "f1"}}},
        {"training": {"calibration": {"type": "sigmoid"}}},
    ],
)
def test_what_follows_the_search_makes_a_version_and_searches_nothing(
    applied: Path, edit: dict[str, Any]
) -> None:
    write_spec(applied, edit)
    plan = planned(applied)
    assert plan.effect is Effect.ADJUST
    assert {local for local, action in changed(plan).items() if action is Action.REPLACE} == {
        "training/model",
        "evaluation/report",
        "governance/version",
    }
    project = Project(applied, now=NOW)
    before = project.state("flowers").records
    assert project.apply(project.plan()).exit_code == 0
    after = project.state("flowers").records
    assert after["training/search"] == before["training/search"]
    assert after["training/model"].value["fitted_again"] is False
    assert after["training/model"].digest != before["training/model"].digest
    assert "out_of_fold" not in after["governance/version"].artifacts
    assert changed(planned(applied)) == {}


def test_a_gate_the_champion_fails_blocks_with_exit_code_3_and_keeps_it_serving(applied: Path) -> None:
    write_spec(applied, {"evaluation": {"gates": [{"metric": "accuracy", "min": 0.999}]}})
    project = Project(applied, now=NOW)
    result = project.apply(project.plan())
    assert result.exit_code == 3
    endpoint = project.state("flowers").records["deployment/endpoint"]
    assert endpoint.value["routes"] == [{"version": 1, "share": 100}]


def test_an_edited_search_space_retrains_from_the_search_on_and_keeps_the_snapshot(applied: Path) -> None:
    write_spec(applied, {"training": {"limits": {"max_trials": 3}}})
    plan = planned(applied)
    assert plan.effect is Effect.RETRAIN
    assert changed(plan).keys() >= RETRAINED
    assert "data/snapshot" not in changed(plan)
    assert "features/recipe" not in changed(plan)


def test_an_edited_source_reads_the_data_again(applied: Path) -> None:
    write_flowers(applied / "data" / "other.csv", seed=9)
    write_spec(applied, {"data": {"sources": {"flowers": {"path": "data/other.csv"}}}})
    plan = planned(applied)
    assert plan.effect is Effect.RETRAIN
    assert changed(plan)["data/snapshot"] is Action.REPLACE


def test_a_source_that_moved_but_holds_the_same_rows_rebuilds_nothing_behind_it(applied: Path) -> None:
    (applied / "data" / "other.csv").write_bytes((applied / "data" / "flowers.csv").read_bytes())
    write_spec(applied, {"data": {"sources": {"flowers": {"path": "data/other.csv"}}}})
    project = Project(applied, now=NOW)
    before = project.state("flowers").records
    result = project.apply(project.plan())
    after = project.state("flowers").records
    assert result.exit_code == 0
    assert after["data/snapshot"].digest == before["data/snapshot"].digest
    assert after["training/model"] == before["training/model"]
    skipped = {step.address for step in result.models[0].steps if step.outcome == "skipped"}
    assert "flowers/training/search" in skipped


def test_another_target_column_is_breaking(applied: Path) -> None:
    write_spec(applied, {"data": {"target_column": "colour"}})
    assert planned(applied).effect is Effect.BREAKING


def test_reformatting_and_reordering_change_nothing(applied: Path) -> None:
    path = applied / "specs" / "flowers.yaml"
    document = yaml.safe_load(path.read_text())
    backwards = {key: document[key] for key in reversed(document)}
    path.write_text("# a comment\n" + yaml.safe_dump(backwards, default_flow_style=True, width=40))
    assert changed(planned(applied)) == {}


def test_deleting_the_spec_file_plans_nothing_destructive(applied: Path) -> None:
    (applied / "specs" / "flowers.yaml").unlink()
    project = Project(applied, now=NOW)
    plan = project.plan()
    assert plan.models == ()
    assert plan.unmanaged == ("flowers",)
    assert project.apply(plan).exit_code == 0
    assert project.state("flowers").records["deployment/endpoint"].value["routes"]


def test_new_rows_are_a_note_and_on_change_a_cause(applied: Path) -> None:
    with (applied / "data" / "flowers.csv").open("a") as stream:
        stream.write("5.1,6.0,red,rose\n" * 3)
    plan = planned(applied)
    assert changed(plan) == {}
    assert any("3" in note and "row" in note for note in plan.notes)
    write_spec(applied, {"data": {"refresh": "on_change"}})
    assert changed(planned(applied))["data/snapshot"] is Action.REPLACE
    write_spec(applied, {"data": {"refresh": "pinned"}})
    assert "data/snapshot" not in {
        local for local, action in changed(planned(applied)).items() if action is Action.REPLACE
    }


def test_combining_edits_is_never_milder_than_the_worst(applied: Path) -> None:
    edit = {"metadata": {"owner": "x"}, "evaluation": {"gates": []}, "training": {"seed": 8}}
    write_spec(applied, merged(edit, {}))
    assert planned(applied).effect is Effect.RETRAIN
    assert BASE["metadata"]["owner"] == "botany"


def test_a_failed_gate_ends_with_exit_code_3_where_nothing_is_deployed_either(tmp_path: Path) -> None:
    changes = {
        "deployment": None,
        "monitoring": None,
        "evaluation": {"gates": [{"metric": "accuracy", "min": 0.999}]},
    }
    project = Project(make_project(tmp_path, changes), now=NOW)
    result = project.apply(project.plan())
    assert result.exit_code == 3
    said = {step.address: step.sentence for step in result.models[0].steps}
    assert "not passed: accuracy" in said["flowers/evaluation/report"]
    assert project.state("flowers").versions[1].value["passed"] is False
    assert changed(planned(tmp_path)) == {}


@pytest.mark.parametrize("state", ["deprecated", "retired"])
def test_the_state_of_a_model_is_an_edit_towards_retirement(applied: Path, state: str) -> None:
    write_spec(applied, {"state": state})
    plan = planned(applied)
    assert plan.effect is Effect.RETIRE
    assert changed(plan).keys() == {"retirement/policy", "deployment/endpoint", "monitoring/monitor"} - (
        {"monitoring/monitor"} if state == "deprecated" else set()
    )
