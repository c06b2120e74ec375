"""A project that was applied once, copied for each test: training it anew every time would take the suite's time."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.engine.projects import NOW, make_project

from tenure.engine.project import Project


@pytest.fixture(scope="session")
def _applied_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_project(tmp_path_factory.mktemp("applied"))
    project = Project(root, now=NOW, actor="ann")
    result = project.apply(project.plan())
    assert result.exit_code == 0, result
    return root


@pytest.fixture
def applied(_applied_once: Path, tmp_path: Path) -> Path:
    """The folder of a project whose one model is live."""
    root = tmp_path / "project"
    shutil.copytree(_applied_once, root)
    return root
