"""A saved plan is carried out exactly as it was reviewed, or refused before any effect."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from tests.engine.projects import NOW, write_flowers, write_spec

from tenure.cli.main import run
from tenure.core.digest import digest_bytes
from tenure.core.errors import PlanError, StalePlan
from tenure.engine.project import Project
from tenure.plan.action import Action
from tenure.plan.change import Plan, from_json, to_json

RETRAIN = {"training": {"limits": {"max_trials": 3}}}


def saved(root: Path) -> Plan:
    """The plan for what the specs say now, through a file."""
    plan = Project(root, now=NOW, actor="ann").plan()
    path = root / "plan.json"
    path.write_bytes(to_json(plan))
    assert from_json(path.read_bytes()) == plan
    return from_json(path.read_bytes())


def trace(root: Path) -> tuple[object, ...]:
    """Everything an effect would leave behind in the state."""
    reader = Project(root, now=NOW).reader
    return (reader.journal(), reader.history("flowers"), reader.audit_head())


def refused(root: Path, plan: Plan) -> str:
    """Apply a plan that must be refused with exit code 4 and no trace; returns what was said."""
    before = trace(root)
    with pytest.raises(StalePlan) as caught:
        Project(root, now=NOW, actor="bob").apply(plan)
    assert caught.value.exit_code == 4
    assert trace(root) == before
    return str(caught.value)


def test_it_does_what_it_shows_and_nothing_else(applied: Path) -> None:
    write_spec(applied, RETRAIN)
    plan = saved(applied)
    project = Project(applied, now=NOW, actor="ann")
    result = project.apply(plan)
    assert result.exit_code == 0
    announced = {change.address for change in plan.models[0].acting}
    assert {step.address for step in result.models[0].steps} == announced
    assert {
        entry.address for entry in project.reader.journal() if entry.apply_id == result.apply_id
    } <= announced
    assert result.plan_digest == plan.digest
    assert "serial" in refused(applied, plan)


def test_an_edited_spec(applied: Path) -> None:
    write_spec(applied, RETRAIN)
    plan = saved(applied)
    write_spec(applied, {"training": {"limits": {"max_trials": 4}}})
    assert "the spec was edited" in refused(applied, plan)


def test_a_spec_that_was_only_reformatted_is_the_same(applied: Path) -> None:
    path = write_spec(applied, {"metadata": {"description": "Other words."}})
    plan = saved(applied)
    path.write_text("# reviewed\n" + path.read_text())
    assert Project(applied, now=NOW).apply(plan).exit_code == 0


def test_a_deleted_spec(applied: Path) -> None:
    path = write_spec(applied, RETRAIN)
    plan = saved(applied)
    path.unlink()
    assert "specs/flowers.yaml" in refused(applied, plan)


def test_a_state_that_moved(applied: Path) -> None:
    write_spec(applied, RETRAIN)
    plan = saved(applied)
    other = Project(applied, now=NOW, actor="eve")
    assert other.apply(other.plan()).exit_code == 0
    assert "from serial" in refused(applied, plan)


def test_a_state_that_is_another_one(applied: Path) -> None:
    write_spec(applied, RETRAIN)
    plan = saved(applied)
    shutil.rmtree(applied / ".tenure")
    assert "another one" in refused(applied, plan)
    assert not (applied / ".tenure").exists()


def test_a_state_of_another_project_with_the_same_model_at_the_same_serial(
    applied: Path, tmp_path: Path
) -> None:
    from tests.engine.projects import make_project

    other = Project(make_project(tmp_path / "other"), now=NOW, actor="eve")
    assert other.apply(other.plan()).exit_code == 0
    other.close()
    write_spec(applied, RETRAIN)
    plan = saved(applied)
    shutil.rmtree(applied / ".tenure")
    shutil.copytree(other.root / ".tenure", applied / ".tenure")
    assert Project(applied).state("flowers").serial == plan.models[0].serial
    assert "the state is another one" in refused(applied, plan)


def test_another_environment(applied: Path) -> None:
    write_spec(applied, RETRAIN)
    plan = msgspec.structs.replace(saved(applied), environment="prod")
    assert "environment" in refused(applied, plan)


def test_a_source_that_changed(applied: Path) -> None:
    write_spec(applied, {"data": {"refresh": "on_change"}})
    write_flowers(applied / "data" / "flowers.csv", rows=130)
    plan = saved(applied)
    assert plan.models[0].changes[0].action is Action.REPLACE
    write_flowers(applied / "data" / "flowers.csv", rows=140)
    assert "data sources changed" in refused(applied, plan)


def test_a_source_the_plan_does_not_read_may_change(applied: Path) -> None:
    write_spec(applied, RETRAIN)
    plan = saved(applied)
    write_flowers(applied / "data" / "flowers.csv", rows=140)
    assert Project(applied, now=NOW).apply(plan).exit_code == 0


def test_a_cause_that_came_up_since(applied: Path) -> None:
    write_spec(applied, {"metadata": {"description": "Other words."}})
    plan = saved(applied)
    write_flowers(applied / "data" / "flowers.csv", rows=130)
    Project(applied, now=NOW, actor="eve").retrain("flowers", reason="a better season")
    assert "data/snapshot" in refused(applied, plan)


def test_a_date_that_passed_since(applied: Path) -> None:
    write_spec(applied, {"retirement": {"deprecation_date": "2026-06-01", "retirement_date": "2026-06-02"}})
    project = Project(applied, now=NOW, actor="ann")
    assert project.apply(project.plan()).exit_code == 0
    write_spec(
        applied,
        {
            "metadata": {"description": "Other words."},
            "retirement": {"deprecation_date": "2026-06-01", "retirement_date": "2026-06-02"},
        },
    )
    plan = saved(applied)
    with pytest.raises(StalePlan, match="retirement/policy is now to retire"):
        Project(applied, now=NOW + timedelta(days=60)).apply(plan)
    assert Project(applied, now=NOW).apply(plan).exit_code == 0


def quiet(plan: Plan, locals_: set[str], action: Action) -> Plan:
    """The plan as if these addresses had another action."""
    (model,) = plan.models
    changes = tuple(
        msgspec.structs.replace(change, action=action)
        if change.address.split("/", 1)[1] in locals_
        else change
        for change in model.changes
    )
    return msgspec.structs.replace(plan, models=(msgspec.structs.replace(model, changes=changes),))


@pytest.mark.parametrize(
    "tamper",
    [
        lambda plan: quiet(plan, {"training/model"}, Action.NONE),
        lambda plan: quiet(plan, {"training/search", "training/model"}, Action.UPDATE),
        lambda plan: quiet(plan, {"governance/version"}, Action.BLOCKED),
        lambda plan: quiet(plan, {"data/snapshot"}, Action.REPLACE),
        lambda plan: msgspec.structs.replace(
            plan, models=(msgspec.structs.replace(plan.models[0], changes=plan.models[0].changes[-2:]),)
        ),
    ],
)
def test_a_plan_that_hides_or_invents_a_step(applied: Path, tamper: Callable[[Plan], Plan]) -> None:
    write_spec(applied, RETRAIN)
    refused(applied, tamper(saved(applied)))


def test_one_stale_model_refuses_the_whole_plan(applied: Path) -> None:
    write_spec(applied, RETRAIN)
    write_spec(applied, {"metadata": {"name": "trees"}}, name="trees")
    plan = saved(applied)
    write_spec(applied, {"metadata": {"name": "trees"}, "training": {"seed": 8}}, name="trees")
    assert "trees" in refused(applied, plan)


def plan_file(root: Path) -> Path:
    write_spec(root, RETRAIN)
    saved(root)
    return root / "plan.json"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"action": "replace"', b'"action": "none"'),
        (b'"environment": "dev"', b'"environment": "prod"'),
        (b'"sentence": "', b'"sentence": "harmless: '),
        (b'"checksum": "sha256:', b'"checksum": "sha256:0'),
        (b'"checksum"', b'"checksun"'),
        (b'"unmanaged": []', b'"unmanaged": [], "later": 1'),
        (b'"format_version": "1.1"', b'"format_version": "1.0"'),
    ],
)
def test_a_file_that_was_edited_by_hand(applied: Path, old: bytes, new: bytes) -> None:
    path = plan_file(applied)
    data = path.read_bytes()
    assert data.count(old)
    before = trace(applied)
    path.write_bytes(data.replace(old, new, 1))
    with pytest.raises(PlanError, match="was edited") as caught:
        from_json(path.read_bytes())
    assert caught.value.exit_code == 1
    assert run(["apply", str(path), "-C", str(applied), "--now", NOW.isoformat()]) == 1
    assert run(["show", str(path)]) == 1
    assert run(["approve", str(path), "--role", "risk", "--reason", "x", "-C", str(applied)]) == 1
    assert trace(applied) == before


def test_a_file_that_was_only_laid_out_differently_is_the_same_plan(applied: Path) -> None:
    path = plan_file(applied)
    plan = from_json(path.read_bytes())
    content = msgspec.json.decode(path.read_bytes())
    assert from_json(msgspec.json.encode(dict(reversed(content.items())))) == plan


def test_what_a_later_minor_version_adds_is_read_and_covered(applied: Path) -> None:
    content = msgspec.json.decode(plan_file(applied).read_bytes())
    content |= {"format_version": "1.9", "added": {"b": [1.0, None], "a": "new"}, "checksum": ""}
    content["checksum"] = digest_bytes(msgspec.json.encode(content, order="sorted"))
    assert from_json(msgspec.json.encode(content)).format_version == "1.9"
    content["added"]["a"] = "other"
    with pytest.raises(PlanError, match="was edited"):
        from_json(msgspec.json.encode(content))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 4096,
        b"{}",
        b"[1, 2]",
        b'"1.1"',
        b"null",
        b'{"format_version": null}',
        b'{"format_version": "2.0"}',
        b'{"format_version": "1.1"}',
        b"[" * 100_000,
        b'{"a": ' * 100_000,
        b'{"format_version": "1.1", "x": "\xff\xfe"}',
        b"\xef\xbb\xbf{}",
        b"%PDF-1.7",
    ],
)
def test_what_is_no_plan(
    tmp_path: Path, applied: Path, capsys: pytest.CaptureFixture[str], data: bytes
) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(data)
    assert run(["apply", str(path), "-C", str(applied)]) == 1
    said = capsys.readouterr().err
    assert "tenure plan --out plan.json" in said
    assert "defect" not in said


def test_every_truncation_is_refused(applied: Path) -> None:
    data = plan_file(applied).read_bytes()
    for end in range(0, len(data) - 1, max(1, len(data) // 97)):
        with pytest.raises(PlanError):
            from_json(data[:end])


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "loop", "nowhere", "larger than memory"])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, applied: Path, kind: str) -> None:
    path = tmp_path / "plan.json"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "device":
            path.symlink_to("/dev/zero")
        case "loop":
            path.symlink_to(path)
        case "larger than memory":
            with path.open("wb") as stream:
                stream.truncate(1 << 40)
    for words in (
        ["apply", str(path)],
        ["show", str(path)],
        ["approve", str(path), "--role", "r", "--reason", "x"],
    ):
        assert run([*words, "-C", str(applied)]) == 1
