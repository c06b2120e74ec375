"""Projects as people have them, applied from the command line; one of them serves."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.engine.projects import make_project

from tenure.cli.main import run
from tenure.server.main import Running, start

SPEC = """\
apiVersion: tenure/v1
kind: Model
metadata: {{name: m, owner: me}}
data:
  sources:
    rows: {{type: csv, path: data/rows.csv}}
  target_column: y
{data}
training:
  algorithms: {{logistic_regression: {{}}}}
  cross_validation: {{folds: 2}}
  limits: {{max_trials: 1}}
{rest}
deployment: {{target: {{type: http}}}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Makes a project of one model `m` from the content of its CSV file."""

    def make(content: str | bytes, data: str = "", rest: str = "") -> Path:
        for name in ("data", "specs"):
            (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / "data/rows.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
        (tmp_path / "specs/m.yaml").write_text(SPEC.format(data=data, rest=rest))
        return tmp_path

    return make


def apply(root: Path) -> int:
    """`tenure apply`, as a script calls it."""
    return run(["-C", str(root), "apply", "--auto-approve"])


def serving(root: Path) -> Running:
    """A server of what is released in the folder."""
    from tenure.engine.project import Project

    project = Project(root)
    return start(project.reader, project.artifacts, project.workspace.home / "predictions", poll_seconds=0.05)


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server for the model `flowers`, applied from the command line."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    root = make_project(tmp_path_factory.mktemp("live"))
    assert apply(root) == 0
    running = serving(root)
    yield running.url
    running.stop()
