"""Promotion moves a version by its digest where the other environment asks for the same, and says what differs else."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.engine.projects import NOW, merged, write_spec

from tenure.core.errors import ArtifactError, TenureError
from tenure.engine.project import Project
from tenure.engine.promoting import complete
from tenure.plan.action import Action, Reason
from tenure.plan.change import Plan, from_json, to_json
from tenure.stages.training import fitting, search

FOREST = {"training": {"algorithms": {"logistic_regression": None, "random_forest": {}}}}
ADOPTED = ("data/snapshot", "features/recipe", "training/search", "training/model")


def environments(root: Path) -> tuple[Project, Project]:
    dev = Project(root, now=NOW, actor="ann")
    return dev, dev.in_environment("prod")


def changes(plan: Plan) -> dict[str, Any]:
    (model,) = plan.models
    return {change.address.split("/", 1)[1]: change for change in model.changes}


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("something was trained")

    monkeypatch.setattr(search, "find", refuse)
    monkeypatch.setattr(fitting, "fitted_members", refuse)


@pytest.mark.usefixtures("no_training")
def test_the_same_artifacts_serve_in_the_other_environment(applied: Path) -> None:
    dev = Project(applied, now=NOW, actor="ann")
    prod = Project(applied, overrides=["env=prod"], now=NOW + timedelta(days=30), actor="bob")
    plan = prod.promotion("flowers", dev)
    shown = changes(plan)
    for local in ADOPTED:
        change = shown[local]
        assert (change.action, change.reason) == (Action.ADOPT, Reason.PROMOTED)
        assert change.after == dev.state("flowers").records[local].digest
        assert "dev flowers@1" in change.sentence
    assert shown["evaluation/report"].action is Action.CREATE
    assert complete(plan.models[0])

    assert prod.apply(from_json(to_json(plan))).exit_code == 0
    there, here = dev.state("flowers"), prod.state("flowers")
    for local in ADOPTED:
        assert here.records[local].digest == there.records[local].digest
        assert here.records[local].origin == "dev flowers@1"
        assert here.records[local].at == NOW, "it is as old as it is, wherever it serves"
        assert (here.records[local].by, here.records["deployment/endpoint"].at - NOW) == (
            "bob",
            timedelta(days=30),
        )
    assert here.versions[1].value["model_digest"] == there.versions[1].value["model_digest"]
    assert here.records["deployment/endpoint"].value["routes"] == [{"version": 1, "share": 100}]
    for record in here.records.values():
        assert all(prod.artifacts.has(blob) for blob in record.artifacts.values())
    assert "| Promoted from | dev flowers@1 |" in prod.card("flowers")
    assert not prod.plan().changed
    assert not prod.promotion("flowers", dev).changed
    shutil.rmtree(applied / ".tenure" / "dev")
    for blob in here.records["training/model"].artifacts.values():
        assert prod.artifacts.get(blob)


def test_the_specs_of_two_environments_differ_and_it_is_said_where(applied: Path) -> None:
    write_spec(applied, {"training": {"seed": "${var.seed}"}, "variables": {"seed": 7}})
    (applied / "conf" / "env").mkdir(parents=True)
    (applied / "conf" / "env" / "dev.yaml").write_text("name: dev\n", encoding="utf-8")
    (applied / "conf" / "env" / "prod.yaml").write_text(
        "name: prod\nvariables: {seed: 8}\n", encoding="utf-8"
    )
    dev, prod = environments(applied)
    assert dev.apply(dev.plan()).exit_code == 0
    plan = prod.promotion("flowers", dev)
    shown = changes(plan)
    assert [shown[local].action for local in ADOPTED] == [Action.ADOPT] * 2 + [Action.CREATE] * 2
    assert not complete(plan.models[0])
    note, *_ = [note for note in plan.models[0].notes if "of dev flowers@" in note]
    assert note.startswith("training/search")
    assert "training.seed is 8 here and 7 there" in note


def test_a_later_version_follows_and_is_judged_against_the_champion_there(applied: Path) -> None:
    dev, prod = environments(applied)
    assert prod.apply(prod.promotion("flowers", dev)).exit_code == 0
    champion = {"evaluation": {"gates": [{"type": "champion", "metric": "accuracy", "min_change": -1.0}]}}
    write_spec(applied, merged(champion, FOREST))
    assert dev.apply(dev.plan()).exit_code == 0
    assert max(dev.state("flowers").versions) == 2
    plan = prod.promotion("flowers", dev)
    actions = [changes(plan)[local].action for local in ADOPTED]
    assert actions == [Action.NONE] * 2 + [Action.ADOPT] * 2
    assert prod.apply(plan).exit_code == 0
    state = prod.state("flowers")
    assert state.records["deployment/endpoint"].value["routes"] == [{"version": 2, "share": 100}]
    assert state.records["training/model"].digest == dev.state("flowers").records["training/model"].digest
    assert state.records["evaluation/report"].value["champion"]["version"] == 1
    assert not prod.plan().changed


def test_a_model_made_for_two_specs_is_the_one_that_is_asked_for(applied: Path) -> None:
    dev, _ = environments(applied)
    longer = {"training": {"limits": {"timeout": "9m"}}}
    write_spec(applied, longer)
    assert dev.apply(dev.plan()).exit_code == 0
    assert list(dev.state("flowers").versions) == [1], "more time gives the same model here"
    for spec in ({}, longer):
        write_spec(applied, spec)
        assert complete(environments(applied)[1].promotion("flowers", dev).models[0])


def test_an_earlier_version_is_promoted_by_its_number(applied: Path) -> None:
    dev, prod = environments(applied)
    first = dev.state("flowers").records["training/model"].digest
    write_spec(applied, {"deployment": {"limits": {"max_in_flight": 9}}, **FOREST})
    assert dev.apply(dev.plan()).exit_code == 0
    assert list(dev.state("flowers").versions) == [1, 2]
    write_spec(applied)
    plan = prod.promotion("flowers", dev, version=1)
    assert changes(plan)["training/model"].after == first
    assert complete(plan.models[0])


def test_what_is_not_there_or_did_not_pass_is_refused(applied: Path) -> None:
    dev, prod = environments(applied)
    with pytest.raises(TenureError, match="Unknown version"):
        prod.promotion("flowers", dev, version=9)
    with pytest.raises(TenureError, match="Unknown model"):
        dev.promotion("flowers", prod)
    write_spec(
        applied, {"evaluation": {"gates": [{"metric": "accuracy", "min": 0.9999}]}, "training": {"seed": 3}}
    )
    assert dev.apply(dev.plan()).exit_code == 3
    with pytest.raises(TenureError, match="did not pass its gates"):
        prod.promotion("flowers", dev, version=2)


def test_a_damaged_artifact_is_not_promoted(applied: Path) -> None:
    dev, prod = environments(applied)
    plan = prod.promotion("flowers", dev)
    digest = next(iter(dev.state("flowers").records["training/model"].artifacts.values()))
    path = dev.artifacts.local(digest)
    path.chmod(0o644)
    path.write_bytes(b"torn")
    with pytest.raises(ArtifactError):
        dev.artifacts.get(digest)
    result = prod.apply(plan)
    assert result.exit_code == 1
    assert "training/model" not in prod.state("flowers").records


def test_an_edit_after_the_plan_makes_it_stale(applied: Path) -> None:
    dev, prod = environments(applied)
    plan = prod.promotion("flowers", dev)
    write_spec(applied, {"training": {"seed": 5}})
    with pytest.raises(TenureError, match="stale"):
        environments(applied)[1].apply(plan)
