"""A disk with no room left, or one that may only be read, for real: small disks in memory, read-only mounts, a limit on
the size of files. The failures of single writes are in tests/engine/test_failures, those under the prediction log in
tests/server/test_prediction_log.
"""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.bad_input.conftest import apply
from tests.bad_input.test_data import GOOD
from tests.engine.projects import make_project, write_flowers, write_spec

from tenure.cli.main import run
from tenure.engine.project import Project
from tenure.state.chain import verify


@pytest.mark.parametrize("room", [8_000, 200_000])
def test_an_apply_without_room_says_so_and_the_next_one_finishes_it(
    project: Callable[..., Path], room: int
) -> None:
    root = project(GOOD)
    limited = subprocess.run(
        [sys.executable, "-m", "tenure", "-C", str(root), "apply", "--auto-approve"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
    )
    said = " ".join((limited.stdout + limited.stderr).split())
    assert limited.returncode == 1
    assert "Check the free space" in said
    assert "tenure apply m -C" in said
    assert "Traceback" not in said

    assert apply(root) == 0
    after = Project(root)
    assert set(after.state("m").versions) == {1}
    assert not after.plan().changed


def mounted(*words: str) -> None:
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"disks cannot be mounted here: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 20 MB that a test may make smaller, with a project on it."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted("-t", "tmpfs", "-o", "size=20m", "tmpfs", str(place))
    try:
        yield make_project(place / "project")
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def left(root: Path, size: str) -> None:
    """So large is the disk from now on."""
    mounted("-o", f"remount,size={size}", str(root.parent))


def filled(root: Path) -> Path:
    """Use up every byte; returns what takes the room."""
    rubbish = root.parent / "rubbish"
    with rubbish.open("wb", buffering=0) as stream, suppress(OSError):
        while True:
            stream.write(b"x" * 4096)
    assert os.statvfs(root).f_bavail == 0
    return rubbish


def command(root: Path, *words: str) -> tuple[int, str]:
    """A command in a process of its own, as a scheduler starts it."""
    done = subprocess.run(
        [sys.executable, "-m", "tenure", "-C", str(root), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("size", ["64k", "300k", "700k"])
def test_a_disk_that_fills_up_during_an_apply(disk: Path, size: str) -> None:
    left(disk, size)
    code, said = command(disk, "apply", "--auto-approve")
    assert code == 1, said
    assert "Traceback" not in said
    assert "space" in said
    assert not [path for path in disk.rglob("*") if path.name.endswith((".part", ".tmp", ".partial"))]

    left(disk, "20m")
    assert apply(disk) == 0
    after = Project(disk)
    assert set(after.state("flowers").versions) == {1}
    assert verify(after.reader.audit(), after.reader.audit_head()) == []
    assert not after.plan().changed


def test_a_disk_that_is_full_can_be_looked_at(disk: Path) -> None:
    """Reading works, writing says so, nothing is lost, and no half of anything is left."""
    assert apply(disk) == 0
    write_flowers(disk / "new.csv", rows=2000)
    write_spec(disk, {"training": {"seed": 9}})
    before = Project(disk).reader.audit_head()
    rubbish = filled(disk)
    for words in ("validate", "plan", "show flowers", "history flowers", "card flowers", "audit verify"):
        code, said = command(disk, *words.split())
        assert code == 0, (words, said)
    for words in (
        "apply --auto-approve",
        f"predict flowers --input {disk}/new.csv --output {disk}/out.csv",
        f"plan --out {disk}/plan.json",
    ):
        code, said = command(disk, *words.split())
        assert code == 1, (words, said)
        assert "space" in said.lower(), (words, said)
        assert "Traceback" not in said
    assert not (disk / "out.csv").exists()
    assert not (disk / "plan.json").exists()
    assert not [path for path in disk.rglob("*") if path.name.endswith((".part", ".tmp", ".partial"))]
    rubbish.unlink()
    reader = Project(disk).reader
    assert verify(reader.audit(), reader.audit_head()) == []
    head = reader.audit_head()
    assert before is not None
    assert head is not None
    assert head.seq >= before.seq
    assert apply(disk) == 0


def test_a_project_on_a_disk_that_may_only_be_read(tmp_path: Path, disk: Path) -> None:
    assert apply(disk) == 0
    shutil.rmtree(disk / ".tenure/dev/cache", ignore_errors=True)
    write_flowers(disk / "new.csv", rows=20)
    before = {path: path.read_bytes() for path in disk.rglob("*") if path.is_file()}
    mounted("-o", "remount,ro", str(disk.parent))
    for words in ("validate", "plan", "show flowers", "history flowers", "card flowers", "audit verify"):
        code, said = command(disk, *words.split())
        assert code == 0, (words, said)
    for words in (
        "retrain flowers --reason x",
        "observe",
        f"predict flowers --input {disk}/new.csv --output {tmp_path}/out.csv",
    ):
        code, said = command(disk, *words.split())
        assert "Traceback" not in said
        assert "defect" not in said
        assert code == (0 if words == "observe" else 1), (words, said)
    mounted("-o", "remount,rw", str(disk.parent))
    write_spec(disk, {"training": {"seed": 9}})
    mounted("-o", "remount,ro", str(disk.parent))
    code, said = command(disk, "apply", "--auto-approve")
    assert code == 1
    assert "The state cannot be" in said
    assert "Go on with" in said
    assert "created" not in said
    mounted("-o", "remount,rw", str(disk.parent))
    write_spec(disk)
    assert {path: path.read_bytes() for path in before} == before
    assert apply(disk) == 0


def test_a_disk_that_cannot_keep_what_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync that fails: nobody knows what is on the disk, so the step is not done."""
    root = make_project(tmp_path / "project")

    def failing(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        assert apply(root) == 1
    project = Project(root)
    state = project.reader.read("flowers")
    assert state is None or "data/snapshot" not in state.records
    assert list(project.artifacts.digests()) == [] or state is None
    assert apply(root) == 0
    assert run(["-C", str(root), "state", "doctor"]) == 0
