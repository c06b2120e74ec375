"""Artifacts that were lost or changed: found by their digests, never served, and made again in place."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.engine.projects import NOW, make_project, write_flowers, write_spec

from tenure.core.errors import ArtifactError, TenureError
from tenure.engine.damage import Damage, damaged, mended, rebuild_fact, restore
from tenure.engine.project import Project
from tenure.plan.action import Action, Reason


def blob(project: Project, digest: str) -> Path:
    digits = digest.removeprefix("sha256:")
    return project.workspace.home / "artifacts" / digits[:2] / digits


def delete(path: Path) -> None:
    path.unlink()


def truncate(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"")


def flip(path: Path) -> None:
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


MODEL = "estimator.skops"

HARMS: tuple[Callable[[Path], None], ...] = (delete, truncate, empty, flip)


def opened(root: Path) -> Project:
    return Project(root, now=NOW, actor="ann")


def record_facts(project: Project) -> tuple[Damage, ...]:
    """What a doctor does: look for damage, and record what can be rebuilt."""
    damages = damaged(project, project.state("flowers"))
    for damage in damages:
        if damage.rebuilds:
            assert project.store.add_fact(rebuild_fact(damage, NOW, "ann"))
            assert not project.store.add_fact(rebuild_fact(damage, NOW, "eve"))
    return damages


def test_every_artifact_is_made_again_in_place_and_nothing_else(applied: Path) -> None:
    project = opened(applied)
    whole = project.state("flowers")
    assert damaged(project, whole) == ()
    names = sorted({digest for record in whole.records.values() for digest in record.artifacts.values()})
    assert len(names) > 8
    for position, name in enumerate(names):
        HARMS[position % len(HARMS)](blob(project, name))
    damages = record_facts(project)
    assert {damage.digest for damage in damages} == set(names)
    assert [damage for damage in damages if not damage.rebuilds] == []
    assert {damage.problem for damage in damages} == {"missing", "damaged"}

    project = opened(applied)
    plan = project.plan()
    by_address = {change.address.split("/", 1)[1]: change for change in plan.models[0].changes}
    made = {local for local, record in whole.records.items() if record.artifacts}
    assert {local for local, change in by_address.items() if change.causes} == made
    assert by_address["data/snapshot"].reason is Reason.DAMAGED
    assert "sources are as they were" in by_address["data/snapshot"].sentence
    assert by_address["training/model"].action is Action.REPLACE
    assert project.apply(plan).exit_code == 0
    after = project.state("flowers")
    assert damaged(project, after) == ()
    assert not opened(applied).plan().changed
    assert list(after.versions) == [1]
    # A report also says what the model was compared with, and by now a version is in charge.
    for local in made - {"evaluation/report", "governance/version"}:
        assert after.records[local].artifacts == whole.records[local].artifacts
        assert after.records[local].digest == whole.records[local].digest
    assert after.records["governance/version"].digest == whole.records["governance/version"].digest
    assert after.records["deployment/endpoint"] == whole.records["deployment/endpoint"]
    assert after.records["monitoring/monitor"].value == whole.records["monitoring/monitor"].value


def test_only_what_is_damaged_is_made_again(applied: Path) -> None:
    project = opened(applied)
    before = project.state("flowers")
    delete(blob(project, before.records["training/search"].artifacts["trials"]))
    (damage,) = record_facts(project)
    assert (damage.address, damage.artifact, damage.problem) == (
        "flowers/training/search",
        "trials",
        "missing",
    )
    result = project.apply(project.plan())
    outcomes = {step.address.split("/", 1)[1]: step.outcome for step in result.models[0].steps}
    assert outcomes.pop("training/search") == "done"
    assert set(outcomes.values()) == {"skipped"}
    (entry,) = [item for item in project.reader.journal("flowers") if item.reason == "damaged"]
    assert entry.outcome == "done"
    assert not project.plan().changed


def test_a_snapshot_whose_sources_moved_says_what_follows(applied: Path) -> None:
    project = opened(applied)
    before = project.state("flowers").records
    delete(blob(project, before["data/snapshot"].artifacts["snapshot"]))
    write_flowers(applied / "data" / "flowers.csv", rows=160, seed=4)
    record_facts(project)
    plan = opened(applied).plan()
    (change,) = [item for item in plan.models[0].changes if item.address == "flowers/data/snapshot"]
    assert "its file snapshot is missing" in change.sentence
    assert "40 new row(s)" in change.sentence
    assert "comes out differently" in change.sentence
    assert opened(applied).apply(plan).exit_code == 0
    after = opened(applied).state("flowers")
    assert after.records["data/snapshot"].digest != before["data/snapshot"].digest
    assert list(after.versions) == [1, 2]
    # The rows version 1 was made from are gone for good; that is said, and nothing asks for them any more.
    (lost,) = damaged(opened(applied), after)
    assert (lost.version, lost.rebuilds) == (1, False)
    with pytest.raises(TenureError, match="cannot be made again") as caught:
        rebuild_fact(lost, NOW, "ann")
    assert "not the newest" in caught.value.detail
    assert not opened(applied).plan().changed


def test_a_backup_that_was_put_back_closes_the_cause(applied: Path, tmp_path: Path) -> None:
    project = opened(applied)
    path = blob(project, project.state("flowers").records["training/model"].artifacts[MODEL])
    shutil.copy(path, tmp_path / "backup")
    delete(path)
    record_facts(project)
    assert opened(applied).plan().changed
    assert mended(project.state("flowers"), damaged(project, project.state("flowers"))) == ()
    shutil.copy(tmp_path / "backup", path)
    healed = mended(project.state("flowers"), damaged(project, project.state("flowers")))
    assert len(healed) == 2  # of the model, and of the version that refers to the same file
    project.store.settle_facts("flowers", healed, at=NOW, by="ann")
    assert not opened(applied).plan().changed


def test_an_edit_that_makes_it_anyway_settles_the_damage(applied: Path) -> None:
    project = opened(applied)
    delete(blob(project, project.state("flowers").records["training/search"].artifacts["trials"]))
    record_facts(project)
    write_spec(applied, {"training": {"limits": {"max_trials": 3}}})
    plan = opened(applied).plan()
    (change,) = [item for item in plan.models[0].changes if item.address == "flowers/training/search"]
    assert change.reason is Reason.CONFIG_CHANGED
    assert [cause.kind for cause in change.causes] == ["damage"]
    assert opened(applied).apply(plan).exit_code == 0
    assert not opened(applied).plan().changed


def test_a_retired_model_comes_back_from_its_archive(applied: Path) -> None:
    project = opened(applied)
    write_spec(applied, {"state": "retired"})
    assert opened(applied).apply(opened(applied).plan()).exit_code == 0
    project = opened(applied)
    state = project.state("flowers")
    model = state.records["training/model"].artifacts[MODEL]
    archive = state.records["retirement/policy"].artifacts["archive"]
    flip(blob(project, model))
    found = damaged(project, state)
    assert {damage.digest for damage in found} == {model}
    assert not any(damage.rebuilds for damage in found)
    assert restore(project, found[0]) == ".tenure/dev/archives/flowers.zip"
    assert damaged(project, state) == ()

    delete(blob(project, archive))
    (lost,) = damaged(project, state)
    assert restore(project, lost) == ".tenure/dev/archives/flowers.zip"
    delete(project.workspace.home / "archives" / "flowers.zip")
    delete(blob(project, model))
    (lost, *_) = damaged(project, state)
    assert restore(project, lost).startswith(".tenure/dev/artifacts/")
    delete(blob(project, model))
    flip(blob(project, archive))
    (lost, *_) = [damage for damage in damaged(project, state) if damage.artifact == MODEL]
    assert restore(project, lost) == ""


def test_artifacts_that_cannot_be_read_are_not_called_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, applied: Path
) -> None:
    """A store that is away for a minute must not make everything be made again."""
    from tenure.artifacts.folder import FolderArtifactStore

    def away(store: object, digest: str) -> None:
        raise ArtifactError("The artifacts cannot be reached", "no route to host")

    monkeypatch.setattr(FolderArtifactStore, "verify", away)
    project = opened(applied)
    with pytest.raises(ArtifactError, match="cannot be reached"):
        damaged(project, project.state("flowers"))


def test_nothing_recorded_nothing_damaged(tmp_path: Path) -> None:
    root = make_project(tmp_path)
    with pytest.raises(TenureError, match="Unknown model"):
        opened(root).state("flowers")
