"""Kill -9 at every point of every verb: the state opens, nothing ran without an intent, the next run converges."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import time
import zipfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from tests.engine.killing import kills
from tests.engine.processes import outcome, search_until, tried_by
from tests.engine.projects import NOW, make_project, write_flowers, write_spec

from tenure.core.drafts import ABANDONED_SECONDS
from tenure.engine.damage import damaged
from tenure.engine.project import Project
from tenure.ml.inference_log import read_labels, read_log
from tenure.state.chain import verify

KILLED = -signal.SIGKILL
DRAFTS = (".part", ".tmp", ".partial")
EVERY = (pytest.mark.slow, pytest.mark.timeout(3600))
"""A kill at every point starts some hundred processes, which takes its time on a machine that others use."""


def sound(root: Path) -> Project:
    """The project, after a look at everything that is promised whenever a run has ended, however it ended."""
    project = Project(root, now=NOW, actor="ann")
    with closing(project.reader) as reader:
        head = reader.audit_head()
        assert head is None or verify(reader.audit(), head) == []
        journal = reader.journal("flowers")
        assert sum(entry.outcome is None for entry in journal) <= 1
        intended = {(entry.apply_id, entry.address) for entry in journal}
        state = reader.read("flowers")
        if state is not None:
            assert {(record.apply_id, record.address) for record in state.records.values()} <= intended
            assert damaged(project, state) == ()
        # Whatever has a blob's name is that blob, and nothing was stored before somebody said what for.
        blobs = [digest for digest, _ in project.artifacts.digests()]
        for digest in blobs:
            project.artifacts.verify(digest)
        assert journal or not blobs
    archive = project.workspace.folders("flowers").archives / "flowers.zip"
    if archive.exists():
        assert zipfile.ZipFile(archive).testzip() is None
    assert read_log(project.workspace.folders("flowers").predictions).unreadable == ()
    assert read_labels(project.workspace.folders("flowers").labels).unreadable == ()
    return project


def swept(root: Path) -> None:
    """Drafts that killed runs left are gone once they are old and somebody writes in their place."""
    # Prepared folds lie in a folder of their search, which goes as a whole when the next search begins.
    drafts = [
        path
        for path in root.rglob("*")
        if path.name.endswith(DRAFTS) and not path.parent.name.startswith("folds-")
    ]
    then = time.time() - ABANDONED_SECONDS - 60
    for path in drafts:
        os.utime(path, (then, then))
    write_spec(root, {"metadata": {"description": "Other words."}})
    project = Project(root, now=NOW, actor="ann")
    project.artifacts.put(os.urandom(8))
    assert project.apply(project.plan()).exit_code in (0, 3)
    time.sleep(0.3)  # a spec that was written just now is not remembered yet
    assert not project.plan().acting
    assert [path for path in drafts if path.exists()] == []


def test_without_the_log_that_a_kill_left_beside_the_state_it_is_an_earlier_one(tmp_path: Path) -> None:
    """Somebody tidies up `state.db-wal`: what was recorded last is gone, what is left is whole, and is built upon."""
    root = make_project(tmp_path / "killed")
    points = iter(kills(root, "apply", files=False))
    while "training/model (outcome): after" not in next(points):
        pass
    beside = root / ".tenure/dev/state.db-wal"
    assert beside.stat().st_size
    shutil.copytree(root, tmp_path / "whole")
    known = len(Project(tmp_path / "whole", now=NOW).reader.journal("flowers"))
    beside.unlink()
    beside.with_name("state.db-shm").unlink(missing_ok=True)
    project = Project(root, now=NOW, actor="ann")
    assert len(project.reader.journal("flowers")) < known
    head = project.reader.audit_head()
    assert head is not None
    assert verify(project.reader.audit(), head) == []
    assert project.apply(project.plan()).exit_code == 0
    assert not sound(root).plan().changed


def new_rows(root: Path) -> None:
    """A file to score, and room for what comes of it."""
    write_flowers(root / "new.csv", rows=40, seed=9)


def truth(root: Path) -> None:
    """What the flowers that were scored turned out to be."""
    with (root / "scored.csv").open(newline="") as scored, (root / "truth.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["prediction_id", "kind"])
        writer.writerows([row["prediction_id"], row["kind"]] for row in csv.DictReader(scored))


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=EVERY)])
def test_a_first_apply_converges_to_the_same_end(tmp_path: Path, applied: Path, every: bool) -> None:
    root = make_project(tmp_path / "killed")
    points = []
    for point in kills(root, "apply", every=every):
        points.append(point)
        sound(root)
    whole = Project(applied, now=NOW).state("flowers")
    for local in whole.records:
        assert [point for point in points if point.startswith(f"flowers/{local}")]
    assert len(points) > 40

    project = sound(root)
    state = project.state("flowers")
    assert state.records.keys() == whole.records.keys()
    for local, record in whole.records.items():
        if local not in (
            "governance/version",
            "monitoring/monitor",
        ):  # whose texts name the times of their making
            assert (local, state.records[local].digest) == (local, record.digest)
    assert list(state.versions) == [1]
    assert not project.plan().changed
    journal = project.reader.journal("flowers")
    assert {entry.outcome for entry in journal} == {"done", "interrupted"}
    assert sum(entry.outcome == "done" for entry in journal) == len(state.records)
    swept(root)


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=EVERY)])
def test_a_second_version(tmp_path: Path, applied: Path, every: bool) -> None:
    """The version that serves stays until the new one is whole; the new one is the same as without kills."""
    changes = {"training": {"limits": {"max_trials": 3}, "seed": 8}}
    write_spec(applied, changes)
    shutil.copytree(applied, tmp_path / "whole")
    for _ in kills(applied, "apply", every=every, files=every):
        state = sound(applied).state("flowers")
        (route,) = state.records["deployment/endpoint"].value["routes"]
        assert route["share"] == 100
        assert route["version"] in state.versions
    whole = Project(tmp_path / "whole", now=NOW, actor="ann")
    assert whole.apply(whole.plan()).exit_code == 0
    state, expected = Project(applied, now=NOW).state("flowers"), whole.state("flowers")
    assert list(state.versions) == list(expected.versions)
    assert state.records["training/model"].digest == expected.records["training/model"].digest
    assert state.records["deployment/endpoint"].value == expected.records["deployment/endpoint"].value
    assert not Project(applied, now=NOW).plan().changed


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=EVERY)])
def test_a_retirement_writes_its_archive_and_its_tombstone_once(applied: Path, every: bool) -> None:
    write_spec(applied, {"state": "retired"})
    points = []
    for point in kills(applied, "apply", every=every):
        points.append(point)
        project = sound(applied)
        assert (project.reader.tombstone("flowers") is None) == (
            project.state("flowers").records["retirement/policy"].value["state"] != "retired"
        )
    assert any("archives/" in point for point in points)
    project = sound(applied)
    state = project.state("flowers")
    assert state.tombstone is not None
    archive = project.workspace.folders("flowers").archives / "flowers.zip"
    assert archive.read_bytes() == project.artifacts.get(
        state.records["retirement/policy"].artifacts["archive"]
    )
    assert [path.name for path in archive.parent.iterdir()] == ["flowers.zip"]
    assert not project.plan().changed


def test_scoring_a_file_writes_it_whole_or_not_at_all(applied: Path) -> None:
    new_rows(applied)
    scored = applied / "scored.csv"
    for _ in kills(applied, "predict"):
        project = sound(applied)
        assert not scored.exists() or len(scored.read_text().splitlines()) == 41
    log = read_log(project.workspace.folders("flowers").predictions).table
    with scored.open(newline="") as stream:
        ids = {row["prediction_id"] for row in csv.DictReader(stream)}
    assert ids <= set(log.column("prediction_id").to_pylist())
    assert log.num_rows % 40 == 0
    drafts = [path for path in applied.rglob(".*") if path.name.endswith(DRAFTS)]
    for path in drafts:
        os.utime(path, (0, 0))
    project.predict("flowers", applied / "new.csv", scored)
    assert [path for path in drafts if path.exists()] == []


def test_labels_are_taken_in_once(applied: Path) -> None:
    new_rows(applied)
    project = Project(applied, now=NOW, actor="ann")
    project.predict("flowers", applied / "new.csv", applied / "scored.csv")
    truth(applied)
    folder = project.workspace.folders("flowers").labels
    for _ in kills(applied, "labels"):
        sound(applied)
        assert read_labels(folder).table.num_rows in (0, 40)
    assert read_labels(folder).table.num_rows == 40
    events = [event for event in sound(applied).reader.audit() if event.action == "labels.ingested"]
    assert events


def test_observing_records_the_same_as_without_kills(applied: Path, tmp_path: Path) -> None:
    new_rows(applied)
    project = Project(applied, now=NOW, actor="ann")
    project.predict("flowers", applied / "new.csv", applied / "scored.csv")
    truth(applied)
    project.labels("flowers", applied / "truth.csv")
    shutil.copytree(applied, tmp_path / "whole")
    count = sum(1 for _ in kills(applied, "observe", every=True, hours=48) if sound(applied))
    assert count
    whole = Project(tmp_path / "whole", now=NOW + timedelta(hours=48), actor="ann")
    whole.observe()
    seen, expected = sound(applied).state("flowers"), whole.state("flowers")
    assert expected.observations
    assert seen.observations == expected.observations
    assert [fact.key for fact in seen.facts] == [fact.key for fact in expected.facts]


def test_a_rollback_is_asked_for_once_and_carried_out(applied: Path) -> None:
    write_spec(applied, {"training": {"limits": {"max_trials": 3}, "seed": 8}})
    write_flowers(applied / "data" / "flowers.csv", rows=160, seed=4)
    project = Project(applied, now=NOW, actor="ann")
    project.retrain("flowers", reason="more rows")
    assert project.apply(project.plan()).exit_code == 0
    assert list(project.state("flowers").versions) == [1, 2]
    for _ in kills(applied, "rollback"):
        asked = [fact for fact in sound(applied).state("flowers").facts if fact.do == "serve"]
        assert sum(fact.settled_at is None for fact in asked) <= 1
    state = sound(applied).state("flowers")
    assert state.records["deployment/endpoint"].value["routes"] == [{"version": 1, "share": 100}]
    assert not Project(applied, now=NOW).plan().changed


def test_an_approval_is_there_or_not(tmp_path: Path) -> None:
    root = make_project(tmp_path / "p", {"governance": {"approvals": [{"role": "risk"}]}})
    project = Project(root, now=NOW, actor="ann")
    assert project.apply(project.plan()).exit_code == 3
    given = [len(sound(root).state("flowers").approvals) for _ in kills(root, "approve")]
    assert given[0] == 0
    assert sound(root).state("flowers").approvals[-1].role == "risk"
    project = Project(root, now=NOW, actor="ann")
    assert project.apply(project.plan()).exit_code == 0


@pytest.mark.parametrize("side_by_side", [1, 3])
def test_a_killed_search_resumes_with_its_finished_trials(tmp_path: Path, side_by_side: int) -> None:
    changes = {
        "training": {
            "algorithms": {"logistic_regression": {}, "hist_gradient_boosting": {}},
            "limits": {"max_trials": 6, "max_concurrent_trials": side_by_side},
            "cross_validation": {"folds": 2},
        },
        "evaluation": {"gates": []},
    }
    roots = [make_project(tmp_path / name, changes) for name in ("whole", "killed")]
    assert outcome(search_until, roots[1], 4) == KILLED

    projects = [Project(root, now=NOW, actor="ann") for root in roots]
    before, tried = tried_by(lambda: projects[1].apply(projects[1].plan()), projects[1])
    assert len(before) >= 4
    assert len(before) + len(tried) <= 6
    assert not [one for one in tried for other in before if one.items() <= other.items()]
    assert projects[0].apply(projects[0].plan()).exit_code == 0

    whole, resumed = (project.state("flowers").records["training/search"].value for project in projects)
    for name in ("algorithm", "params", "score", "trial", "trials"):
        assert resumed[name] == whole[name]
    models = [project.state("flowers").records["training/model"].digest for project in projects]
    assert models[0] == models[1]
