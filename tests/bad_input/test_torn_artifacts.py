"""A live model whose files were lost, cut off or changed: every command finds out by the digest, says what to do, and
never uses them. How they are made again is in tests/engine/test_damage.
"""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.bad_input.conftest import apply, serving
from tests.engine.projects import make_project, write_flowers, write_spec
from tests.engine.test_damage import HARMS, blob, delete, flip

from tenure.cli.main import run
from tenure.engine.project import Project

PREDICTOR = ("predictor.json", "preprocessor.msgpack", "estimator.skops")


@pytest.fixture(scope="session")
def _released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_project(tmp_path_factory.mktemp("torn"))
    assert apply(root) == 0
    return root


@pytest.fixture
def released(_released: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(_released, tmp_path / "project"))


def file_of(root: Path, local: str, artifact: str) -> Path:
    project = Project(root)
    found = blob(project, project.state("flowers").records[local].artifacts[artifact])
    project.close()
    return found


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("name", PREDICTOR)
def test_nothing_is_predicted_with_a_file_that_is_not_the_one_recorded(
    released: Path, capsys: pytest.CaptureFixture[str], harm: Callable[[Path], None], name: str
) -> None:
    write_flowers(released / "new.csv", rows=5)
    harm(file_of(released, "governance/version", name))
    words = [
        "predict",
        "flowers",
        "--input",
        str(released / "new.csv"),
        "--output",
        str(released / "out.csv"),
    ]
    assert run([*words, "-C", str(released)]) == 1
    said = capsys.readouterr().err
    assert ("An artifact is missing" if harm is delete else "An artifact is damaged") in said
    assert "tenure state doctor" in said
    assert not (released / "out.csv").exists()
    assert not list(released.rglob("predictions/flowers/*"))
    # Looking and planning read no blobs, and go on.
    assert run(["plan", "-C", str(released)]) == 0
    assert run(["show", "flowers", "-C", str(released)]) == 0


@pytest.mark.parametrize("harm", [delete, flip])
def test_a_card_that_was_changed_is_not_printed(
    released: Path, capsys: pytest.CaptureFixture[str], harm: Callable[[Path], None]
) -> None:
    harm(file_of(released, "governance/version", "card"))
    assert run(["card", "flowers", "-C", str(released)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "tenure state doctor" in said.err


def answer(url: str) -> tuple[int, bytes]:
    body = json.dumps({"rows": [{"petal": 4.2, "sepal": 6.0, "colour": "red"}]}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.mark.parametrize("harm", [delete, flip])
def test_a_server_does_not_serve_it_and_serves_once_it_is_whole(
    released: Path, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    path = file_of(released, "governance/version", "estimator.skops")
    shutil.copy(path, tmp_path / "backup")
    harm(path)
    running = serving(released)
    try:
        code, said = answer(f"{running.url}/models/flowers/predict")
        assert code >= 500, said
        assert b"prediction" not in said.split(b"detail")[0]
    finally:
        running.stop()
    path.unlink(missing_ok=True)
    shutil.copy(tmp_path / "backup", path)
    running = serving(released)
    try:
        assert answer(f"{running.url}/models/flowers/predict")[0] == 200
    finally:
        running.stop()


def test_what_is_being_served_goes_on_when_its_files_are_lost(released: Path) -> None:
    running = serving(released)
    try:
        assert answer(f"{running.url}/models/flowers/predict")[0] == 200
        shutil.rmtree(released / ".tenure/dev/artifacts")
        assert answer(f"{running.url}/models/flowers/predict")[0] == 200
    finally:
        running.stop()


@pytest.mark.parametrize("harm", HARMS)
def test_a_step_that_needs_it_fails_alone_and_the_live_version_stays(
    released: Path, capsys: pytest.CaptureFixture[str], harm: Callable[[Path], None]
) -> None:
    before = Project(released).state("flowers").records["deployment/endpoint"]
    harm(file_of(released, "data/snapshot", "snapshot"))
    write_spec(released, {"training": {"seed": 9}})
    assert apply(released) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "training/search" in said
    assert "tenure state doctor" in said
    project = Project(released)
    assert project.state("flowers").records["deployment/endpoint"] == before
    assert {entry.outcome for entry in project.reader.journal("flowers", 1)} == {"failed"}


def test_the_doctor_makes_it_whole(released: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the message to a live model again, by the commands that are named."""
    flip(file_of(released, "training/model", "estimator.skops"))
    assert run(["state", "doctor", "-C", str(released)]) == 1
    run(["state", "doctor", "--repair", "-C", str(released)])
    capsys.readouterr()
    assert run(["plan", "-C", str(released)]) == 0
    assert "rebuild: its file" in " ".join(capsys.readouterr().out.split())
    assert apply(released) == 0
    assert run(["state", "doctor", "-C", str(released)]) == 0
    write_flowers(released / "new.csv", rows=5)
    words = [
        "predict",
        "flowers",
        "--input",
        str(released / "new.csv"),
        "--output",
        str(released / "out.csv"),
    ]
    assert run([*words, "-C", str(released)]) == 0
