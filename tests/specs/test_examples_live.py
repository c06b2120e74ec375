"""The example specs live: planned, applied, released, and then there is nothing left to do."""

from __future__ import annotations

import importlib.util
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tenure.engine.project import Project
from tenure.plan.action import Action

ROOT = Path(__file__).parents[2]
NAMES = sorted(file.stem for file in (ROOT / "specs").glob("*.yaml"))
SLOW = {"flights"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("project")
    for name in ("specs", "conf"):
        shutil.copytree(ROOT / name, path / name, ignore=shutil.ignore_patterns("__pycache__"))
    spec = importlib.util.spec_from_file_location("fetch_data", ROOT / "specs" / "fetch_data.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    missing = module.fetch(path / "data")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (pip install 'tenure[dev]')")
    return path


def test_every_example_is_valid(folder: Path) -> None:
    assert len(NAMES) >= 4
    assert Project(folder).validate() == ()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in NAMES]
)
def test_an_example_is_applied_and_then_needs_nothing(folder: Path, name: str) -> None:
    at = datetime(2026, 5, 3, tzinfo=UTC)
    project = Project(folder, now=at)
    plan = project.plan([name])
    assert {change.action for change in plan.models[0].changes} == {Action.CREATE}

    (result,) = project.apply(plan).models
    assert (result.exit_code, {step.outcome for step in result.steps}) == (0, {"done"}), result
    state = project.state(name)
    assert state.records["evaluation/report"].value["passed"] is True
    assert state.records["deployment/endpoint"].value["routes"] == [{"version": 1, "share": 100}]

    again = Project(folder, now=at).plan([name])
    assert not again.changed, [
        change for change in again.models[0].changes if change.action is not Action.NONE
    ]
