"""The end of a model: its name is never used again, what it was stays, and dates bring it about."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.engine.projects import NOW, merged, write_spec

from tenure.core.digest import digest_bytes, digest_file
from tenure.engine.project import Project
from tenure.plan.action import Action

RETIRED = {"state": "retired"}


def applied_at(root: Path, now: datetime = NOW) -> Any:
    project = Project(root, now=now, actor="ann")
    return project.apply(project.plan())


@pytest.fixture
def retired(applied: Path) -> Path:
    write_spec(applied, RETIRED)
    assert applied_at(applied).exit_code == 0
    return applied


def test_it_answers_gone_keeps_its_records_and_plans_nothing_more(retired: Path) -> None:
    project = Project(retired, now=NOW)
    state = project.state("flowers")
    assert state.tombstone is not None
    assert state.tombstone.lineage == state.lineage
    endpoint = state.records["deployment/endpoint"].value
    assert (endpoint["state"], endpoint["routes"]) == ("gone", [])
    assert list(state.versions) == [1]
    assert not project.plan().changed
    assert applied_at(retired).models == ()


@pytest.mark.parametrize("edit", [{}, {"training": {"seed": 8}}, {"state": "deprecated"}])
def test_its_name_is_refused(retired: Path, edit: dict[str, Any]) -> None:
    before = Project(retired, now=NOW).state("flowers")
    write_spec(retired, merged({"state": "active"}, edit))
    plan = Project(retired, now=NOW).plan()
    (model,) = plan.models
    assert {change.action for change in model.changes} == {Action.BLOCKED}
    assert "metadata.name" in model.changes[0].blockers[0].hint
    assert applied_at(retired).exit_code == 3
    assert Project(retired, now=NOW).state("flowers") == before


def test_its_archive_holds_every_artifact_and_verifies(retired: Path) -> None:
    project = Project(retired, now=NOW)
    state = project.state("flowers")
    assert state.tombstone is not None
    name = state.tombstone.archive
    assert name is not None
    assert digest_file(retired / ".tenure" / "dev" / "archives" / "flowers.zip") == name
    with zipfile.ZipFile(io.BytesIO(project.artifacts.get(name))) as bundle:
        assert bundle.testzip() is None
        inside = {entry.removeprefix("blobs/") for entry in bundle.namelist() if entry.startswith("blobs/")}
        for entry in inside:
            assert digest_bytes(bundle.read(f"blobs/{entry}")) == entry
        records = msgspec.json.decode(bundle.read("records.json"))
    recorded = {
        blob
        for record in project.reader.history("flowers")
        for blob in record.artifacts.values()
        if record.address != "flowers/retirement/policy"
    }
    assert recorded <= inside
    assert {record["address"] for record in records} >= {
        "flowers/training/model",
        "flowers/governance/version",
    }


def test_after_it_the_spec_may_be_deleted(retired: Path) -> None:
    (retired / "specs" / "flowers.yaml").unlink()
    plan = Project(retired, now=NOW).plan()
    assert (plan.models, plan.unmanaged) == ((), ())


def test_dates_bring_it_about_whatever_the_spec_says_of_its_state(applied: Path) -> None:
    write_spec(applied, {"retirement": {"deprecation_date": "2026-06-01", "retirement_date": "2026-09-01"}})
    assert applied_at(applied).exit_code == 0
    for now, state in (
        (datetime(2026, 6, 1, tzinfo=UTC), "deprecated"),
        (datetime(2026, 9, 1, tzinfo=UTC), "gone"),
    ):
        just_before = Project(applied, now=now - timedelta(seconds=1))
        assert not just_before.plan().changed
        assert applied_at(applied, now).exit_code == 0
        project = Project(applied, now=now)
        assert project.state("flowers").records["deployment/endpoint"].value["state"] == state
        assert not project.plan().changed
    assert Project(applied, now=now).state("flowers").tombstone is not None
    write_spec(applied, {"retirement": {"retirement_date": "2027-09-01"}})
    (model,) = Project(applied, now=now).plan().models
    assert {change.action for change in model.changes} == {Action.BLOCKED}


def test_it_waits_for_consumers_and_notice_and_says_what_to_do(applied: Path) -> None:
    write_spec(
        applied,
        {"state": "retired", "retirement": {"minimum_notice": "30d", "consumers": [{"name": "shop"}]}},
    )
    result = applied_at(applied)
    assert result.exit_code == 3
    assert "tenure acknowledge flowers --consumer shop" in "".join(
        blocker.hint for step in result.models[0].steps for blocker in step.blockers
    )
    project = Project(applied, now=NOW, actor="ann")
    endpoint = project.state("flowers").records["deployment/endpoint"].value
    assert (endpoint["state"], endpoint["routes"]) == ("deprecated", [{"version": 1, "share": 100}])
    project.acknowledge("flowers", consumer="shop", reason="moved on")
    assert applied_at(applied).exit_code == 3
    assert applied_at(applied, NOW + timedelta(days=30)).exit_code == 0
    later = Project(applied, now=NOW + timedelta(days=30))
    assert later.state("flowers").records["deployment/endpoint"].value["state"] == "gone"
    assert not later.plan().changed
