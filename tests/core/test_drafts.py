"""What a killed run left behind goes away; what somebody may still be writing stays."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest

from tenure.core.drafts import ABANDONED_SECONDS, scratch, scratch_in, sweep


def aged(path: Path, seconds: float) -> Path:
    then = time.time() - seconds
    os.utime(path, (then, then), follow_symlinks=False)
    return path


def test_only_old_drafts_go(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    folder = tmp_path / "folder"
    folder.mkdir()
    old, young, other = (folder / name for name in (".a.part", ".b.part", "c.parquet"))
    for path in (old, young, other):
        path.touch()
    tree, link = folder / ".d.part", folder / ".e.part"
    tree.mkdir()
    (tree / "x").touch()
    link.symlink_to(outside)
    for path in (old, other, tree, link):
        aged(path, ABANDONED_SECONDS + 60)
    aged(young, ABANDONED_SECONDS - 60)
    sweep(folder, ".*.part")
    assert {path.name for path in folder.iterdir()} == {".b.part", "c.parquet"}
    assert (outside / "precious").exists()
    sweep(tmp_path / "nowhere", "*")


def test_scratch_removes_itself_and_what_a_killed_run_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left = tmp_path / f"tenure-{os.getuid()}-killed"
    left.mkdir()
    (left / "snapshot.parquet").touch()
    aged(left, ABANDONED_SECONDS + 60)
    with scratch() as folder:
        assert folder.is_dir()
        assert folder.parent == tmp_path
        (folder / "x").touch()
        with scratch() as other:
            assert other != folder
        assert (folder / "x").exists()
    assert list(tmp_path.iterdir()) == []


def test_scratch_in_a_place_removes_itself_and_what_a_killed_run_left_of_its_kind(tmp_path: Path) -> None:
    place = tmp_path / "cache"
    left, other = place / "folds-killed", place / "parts-killed"
    for path in (left, other):
        path.mkdir(parents=True)
        aged(path, ABANDONED_SECONDS + 60)
    with scratch_in(place, "folds") as folder:
        assert folder.parent == place
        (folder / "x").touch()
    assert list(place.iterdir()) == [other]
    with scratch_in(None, "folds") as elsewhere:
        assert elsewhere.is_dir()
        assert place not in elsewhere.parents
