"""Folders as they get when nobody looks: pipes, devices, loops, links to nowhere, files nobody may read.

Every command answers, soon, with the name of what is wrong; nothing else suffers. What is wrong inside a YAML file is
in tests/spec; a plan file that is none in tests/engine/test_saved_plan; sources in tests/stages/data.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.engine.projects import make_project

import tenure
from tenure.cli.main import run
from tenure.core.files import read_regular
from tenure.engine.project import Project

NOBODY = 65534


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    """Nothing here may wait for what never comes."""

    def late(number: int, frame: object) -> None:
        raise TimeoutError("the command hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(150)  # many processes, on a machine that may be busy
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def listener(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(os.path.relpath(path))


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def nowhere(path: Path) -> None:
    path.symlink_to("nowhere")


ODD = [
    (pipe, "not a regular file"),
    (listener, "no such device or address"),
    (device, "not a regular file"),
    (folder, "is a directory"),
    (loop, "too many levels of symbolic links"),
    (nowhere, "no such file or directory"),
]


@pytest.mark.parametrize(("make", "reason"), ODD)
@pytest.mark.parametrize("place", ["specs/x.yaml", "conf/config.yaml", "conf/training/quick.yaml"])
def test_what_is_no_file_but_has_the_name_of_one(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], None],
    reason: str,
    place: str,
) -> None:
    root = make_project(tmp_path)
    monkeypatch.chdir(root)
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    make(root / place)
    if place.startswith("conf/training"):
        spec = root / "specs/flowers.yaml"
        spec.write_text("defaults: [{training: quick}]\n" + spec.read_text())
    for verb in ("validate", "plan"):
        code = run([verb])
        said = capsys.readouterr()
        if make is nowhere and place != "specs/x.yaml":
            continue  # the same as a file that is not there
        assert code == 1, verb
        assert place in said.out + said.err
        assert reason in said.out + said.err
        assert "defect" not in said.out + said.err
    assert not (root / ".tenure/dev/state.db").exists()


def test_loops_of_folders_are_not_walked(tmp_path: Path) -> None:
    root = make_project(tmp_path)
    (root / "specs/sub").mkdir()
    (root / "specs/sub/up").symlink_to("..")
    (root / "conf").mkdir()
    (root / "conf/again").symlink_to(".")
    assert run(["-C", str(root), "validate"]) == 0
    assert [model.model for model in Project(root).plan().models] == ["flowers"]


@pytest.mark.parametrize(
    "name", [b"a\nb.yaml", b"a\xff\xfe.yaml", b"\xe2\x80\xae.yaml", b" .yaml", b"'.yaml"]
)
def test_names_that_cannot_be_shown_as_they_are(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes], name: bytes
) -> None:
    root = make_project(tmp_path)
    (root / "specs/flowers.yaml").rename(root / "specs" / os.fsdecode(name))
    if name == b"a\xff\xfe.yaml":
        assert run(["-C", str(root), "plan"]) == 1
        assert b"a\\xff\\xfe.yaml" in capsysbinary.readouterr().err
        return
    assert run(["-C", str(root), "validate"]) == 0
    assert run(["-C", str(root), "plan"]) == 0
    assert run(["-C", str(root), "plan", "--json"]) == 0
    assert b"defect" not in capsysbinary.readouterr().err


def test_a_spec_that_vanishes_between_listing_and_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tenure.spec import read

    root = make_project(tmp_path)
    shutil.copy(root / "specs/flowers.yaml", root / "specs/gone.yaml")

    def late(path: Path) -> bytes:
        (root / "specs/gone.yaml").unlink(missing_ok=True)
        return read_regular(path)

    monkeypatch.setattr(read, "read_regular", late)
    assert run(["-C", str(root), "validate"]) == 1
    said = capsys.readouterr()
    assert "specs/gone.yaml" in said.out + said.err
    assert run(["-C", str(root), "validate"]) == 0


def test_a_source_that_is_a_pipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_project(tmp_path)
    (root / "data/flowers.csv").unlink()
    os.mkfifo(root / "data/flowers.csv")
    assert run(["-C", str(root), "plan"]) == 0
    assert run(["-C", str(root), "apply", "--auto-approve"]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "a source is no file" in said
    assert "specs/flowers.yaml:" in said


# ---- as somebody who may not ----------------------------------------------------------------------------------------


def as_nobody(root: Path, *words: str) -> tuple[int, str]:
    """A command as a user without any rights."""
    become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    done = subprocess.run(
        [*become, sys.executable, "-m", "tenure", "-C", str(root), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={"PYTHONPATH": str(Path(tenure.__file__).parents[1]), "HOME": "/", "PATH": os.environ["PATH"]},
    )
    return done.returncode, done.stdout + done.stderr


needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None,
    reason="only root can become somebody without rights, with setpriv (Debian: util-linux)",
)


@pytest.fixture
def open_to_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that everybody may enter; those of pytest are private."""
    path = Path("/var/tmp") / f"tenure-test-{os.getpid()}"
    path.mkdir(mode=0o755)
    yield path
    for each in path.rglob("*"):
        if each.is_dir():
            each.chmod(0o755)
    shutil.rmtree(path)


@needs_root
def test_files_and_folders_that_may_not_be_read(open_to_all: Path) -> None:
    root = make_project(open_to_all / "project")
    (root / "specs/x.yaml").write_text("kind: Model")
    (root / "specs/x.yaml").chmod(0)
    code, said = as_nobody(root, "validate")
    assert code == 1
    assert "specs/x.yaml: permission denied" in said
    (root / "specs/x.yaml").unlink()

    # A folder that is passed over would be a model that silently is not there.
    (root / "specs/hidden").mkdir(mode=0)
    code, said = as_nobody(root, "plan")
    assert code == 1
    assert "specs/hidden" in said
    assert "right to read it" in said


@needs_root
def test_a_project_that_may_only_be_read(open_to_all: Path) -> None:
    """Everything that only reads works; what writes says at once that it cannot, before any effect."""
    root = make_project(open_to_all / "project")
    project = Project(root, actor="ann")
    plan = project.plan()
    assert project.apply(plan).exit_code == 0
    project.close()
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    looking = ("validate", "plan", "show flowers", "history flowers", "card flowers", "audit verify")
    for words in (line.split() for line in looking):
        code, said = as_nobody(root, *words)
        assert code == 0, (words, said)
    (root / "specs/flowers.yaml").write_text(
        (root / "specs/flowers.yaml").read_text().replace("max_trials: 2", "max_trials: 3")
    )
    before[root / "specs/flowers.yaml"] = (root / "specs/flowers.yaml").read_bytes()
    for words in (["apply", "--auto-approve"], ["approve", "flowers@1", "--role", "risk", "--reason", "x"]):
        code, said = as_nobody(root, *words)
        assert code == 1, (words, said)
        assert "Traceback" not in said
        assert "may be written" in said or "Nobody asks" in said
        assert said.count("Error:") + said.count("state cannot be") >= 1
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
