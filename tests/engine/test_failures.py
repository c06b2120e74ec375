"""What goes wrong stays where it went wrong: the rest finishes, nothing is lost, the next apply goes on."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.engine.processes import Hooked
from tests.engine.projects import NOW, make_project, write_spec

from tenure.artifacts.folder import FolderArtifactStore
from tenure.cli.main import run
from tenure.core.errors import StageError
from tenure.engine import compiling
from tenure.engine.project import Project
from tenure.engine.result import ApplyResult

AFTER_TRAINING = {"evaluation/report", "governance/version", "governance/approval", "deployment/endpoint"}


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Exception | None], None]:
    """Make the verb behind an address fail, or work again."""

    whole = dict(compiling._stages())

    def arrange(address: str, error: Exception | None) -> None:
        def after(resource: Any) -> None:
            if resource.address == address and error is not None:
                raise error

        for name, stage in whole.items():
            monkeypatch.setitem(compiling._stages(), name, Hooked(stage, after))

    return arrange


def applied_to(root: Path) -> tuple[Project, ApplyResult]:
    project = Project(root, now=NOW, actor="ann")
    return project, project.apply(project.plan())


def outcomes(result: ApplyResult, model: str = "flowers") -> dict[str, str]:
    (found,) = [item for item in result.models if item.model == model]
    return {step.address.split("/", 1)[1]: step.outcome for step in found.steps}


@pytest.mark.parametrize(
    ("error", "summary"),
    [
        (StageError("the solver gave up", "it did", "try another"), "the solver gave up"),
        (ZeroDivisionError("division by zero"), "A stage failed unexpectedly."),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "The file system refused."),
        (MemoryError(), "A stage failed unexpectedly."),
    ],
)
def test_a_failed_step_blocks_what_follows_and_nothing_else(
    tmp_path: Path, failing: Callable[..., None], error: Exception, summary: str
) -> None:
    root = make_project(tmp_path)
    write_spec(root, {"metadata": {"name": "trees"}}, name="trees")
    failing("flowers/training/model", error)
    project, result = applied_to(root)
    assert result.exit_code == 1
    found = outcomes(result)
    assert found["training/model"] == "failed"
    assert {local for local, outcome in found.items() if outcome == "blocked"} >= AFTER_TRAINING
    assert found["retirement/policy"] == "done"
    assert set(outcomes(result, "trees").values()) == {"done"}
    (failed,) = [step for step in result.models[0].steps if step.outcome == "failed"]
    assert failed.sentence == summary
    assert "Traceback" not in failed.detail
    assert failed.hint
    left = {change.address for change in result.models[0].remaining}
    assert "flowers/training/model" in left
    assert "flowers/data/snapshot" not in left

    snapshot = project.state("flowers").records["data/snapshot"]
    failing("flowers/training/model", None)
    project, result = applied_to(root)
    assert result.exit_code == 0
    assert project.state("flowers").records["data/snapshot"] == snapshot
    assert not project.plan().changed


def test_a_defect_in_a_decision_stops_one_model_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_project(tmp_path)
    write_spec(root, {"metadata": {"name": "trees"}}, name="trees")
    project = Project(root, now=NOW, actor="ann")
    plan = project.plan()
    from tenure.stages.deployment import section

    whole = section.rollout_target

    def broken(resource: Any, view: Any) -> Any:
        if resource.address.startswith("flowers/") and "governance/version" in view.records:
            raise KeyError("share")
        return whole(resource, view)

    monkeypatch.setattr(section, "rollout_target", broken)
    result = project.apply(plan)
    assert result.exit_code == 1
    assert [model.exit_code for model in result.models] == [1, 0]
    assert "KeyError" in (result.models[0].error + "".join(step.detail for step in result.models[0].steps))


def test_a_full_disk_loses_nothing_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_project(tmp_path)
    room = [3]

    def sync(descriptor: int) -> None:
        room[0] -= 1
        if room[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")

    whole = FolderArtifactStore._write

    def write(store: FolderArtifactStore, pieces: Any) -> str:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fchmod", lambda descriptor, mode: sync(descriptor))
            return whole(store, pieces)

    monkeypatch.setattr(FolderArtifactStore, "_write", write)
    project, result = applied_to(root)
    assert result.exit_code == 1
    (failed,) = [step for step in result.models[0].steps if step.outcome == "failed"]
    assert "space" in failed.sentence.lower()
    assert "repeat the command" in failed.hint
    done = {local for local, outcome in outcomes(result).items() if outcome == "done"}
    assert "data/snapshot" in done
    assert not list((root / ".tenure").rglob("*.part"))

    room[0] = 1_000
    project, result = applied_to(root)
    assert result.exit_code == 0
    assert outcomes(result).keys().isdisjoint(done - {"retirement/policy"})
    for record in project.state("flowers").records.values():
        for name in record.artifacts.values():
            assert project.artifacts.get(name)
    assert not project.plan().changed


def test_a_full_disk_under_the_state_ends_the_apply_and_keeps_what_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3

    import sqlalchemy as sa

    root = make_project(tmp_path)
    project = Project(root, now=NOW, actor="ann")
    store: Any = project.store
    finish = store.finish

    def full(*values: Any, **named: Any) -> int:
        if named.get("record") is not None and named["record"].address == "flowers/training/search":
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL

            def insert(connection: sa.Connection) -> None:
                raise sa.exc.OperationalError("INSERT", {}, error)

            store.database.write(insert)
        return int(finish(*values, **named))

    store.finish = full
    result = project.apply(project.plan())
    assert result.exit_code == 1
    assert "The state cannot be written" in result.models[0].error
    assert {step.address for step in result.models[0].steps if step.outcome == "done"} == {
        "flowers/data/snapshot",
        "flowers/features/recipe",
    }
    project, result = applied_to(root)
    assert result.exit_code == 0
    assert not project.plan().changed


def test_a_source_that_vanished_since_the_plan_is_named_where_the_spec_names_it(applied: Path) -> None:
    path = write_spec(applied, {"data": {"cleaning": [{"type": "drop_duplicates"}]}})
    project = Project(applied, now=NOW, actor="ann")
    before = project.state("flowers").records["deployment/endpoint"]
    plan = project.plan()
    (applied / "data" / "flowers.csv").unlink()
    result = project.apply(plan)
    assert result.exit_code == 1
    (failed,) = [step for step in result.models[0].steps if step.outcome == "failed"]
    line = next(
        number for number, text in enumerate(path.read_text().splitlines(), 1) if "data/flowers.csv" in text
    )
    assert failed.detail.startswith(f"specs/flowers.yaml:{line}:")
    assert "data/flowers.csv" in failed.detail
    assert project.state("flowers").records["deployment/endpoint"] == before


def test_a_failure_on_the_command_line_has_no_traceback(
    applied: Path,
    failing: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(applied)
    write_spec(applied, {"training": {"limits": {"max_trials": 3}}})
    failing("flowers/training/search", RuntimeError("the library broke"))
    assert run(["apply", "--auto-approve", "--now", "2026-05-03T10:00:00Z"]) == 1
    shown = capsys.readouterr()
    assert "the library broke" in shown.out + shown.err
    assert "Traceback" not in shown.out + shown.err
