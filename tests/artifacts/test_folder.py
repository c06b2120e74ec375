"""The folder store on a hostile disk: damage, no space, killed writers."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest
from tests.artifacts.disks import files_no_larger_than

from tenure.artifacts.folder import FolderArtifactStore
from tenure.core.errors import ArtifactError


@pytest.fixture
def store(tmp_path: Path) -> FolderArtifactStore:
    return FolderArtifactStore(tmp_path / "artifacts")


def files(store: FolderArtifactStore) -> list[Path]:
    return [path for path in store.root.rglob("*") if path.is_file()] if store.root.exists() else []


def test_reading_creates_nothing(store: FolderArtifactStore) -> None:
    assert not store.has("sha256:" + "0" * 64)
    assert not store.root.exists()


def test_blobs_are_read_only(store: FolderArtifactStore) -> None:
    path = store.local(store.put(b"fixed"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o444


@pytest.mark.parametrize("position", [0, 5, 9])
def test_one_flipped_bit_is_found(store: FolderArtifactStore, position: int) -> None:
    digest = store.put(b"0123456789")
    path = store.local(digest)
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(data))
    for read in (store.get, store.local):
        with pytest.raises(ArtifactError, match="damaged") as caught:
            read(digest)
        assert digest in caught.value.detail
        assert str(path) in caught.value.detail
        assert caught.value.hint


def test_making_a_damaged_blob_again_repairs_it(store: FolderArtifactStore, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"0123456789")
    digest = store.put(b"0123456789")
    for put in (lambda: store.put(b"0123456789"), lambda: store.put_file(source)):
        path = store.local(digest)
        path.chmod(0o644)
        path.write_bytes(b"01234")
        assert put() == digest
        assert store.get(digest) == b"0123456789"


def test_a_full_disk_is_a_clear_error_and_leaves_nothing(store: FolderArtifactStore, tmp_path: Path) -> None:
    kept = store.put(b"kept")
    source = tmp_path / "source"
    source.write_bytes(b"y" * 200_000)
    with files_no_larger_than(65_536):
        with pytest.raises(ArtifactError, match="No space left") as caught:
            store.put(b"x" * 200_000)
        with pytest.raises(ArtifactError, match="No space left"):
            store.put_file(source)
    assert "Free space" in caught.value.hint
    assert files(store) == [store.local(kept)]
    assert store.get(store.put(b"x" * 200_000)) == b"x" * 200_000


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ArtifactError, match="cannot be stored") as caught:
        FolderArtifactStore(tmp_path / "file" / "artifacts").put(b"x")
    assert str(tmp_path / "file" / "artifacts") in caught.value.detail


def test_what_a_killed_writer_left_is_swept_a_day_later(store: FolderArtifactStore) -> None:
    store.put(b"one")
    old, recent = store.root / ".1-a.part", store.root / ".2-b.part"
    old.write_bytes(b"half")
    recent.write_bytes(b"half")
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    store.put(b"two")
    assert not old.exists()
    assert recent.exists()


def test_only_blobs_are_listed(store: FolderArtifactStore) -> None:
    digest = store.put(b"one")
    (store.root / ".2-b.part").write_bytes(b"half")
    (store.root / "README").write_text("what a person put here")
    (store.local(digest).parent / "note.txt").write_text("and here")
    (store.root / "zz").mkdir()
    (store.root / "zz" / ("a" * 64)).write_bytes(b"misplaced")
    assert list(store.digests()) == [(digest, 3)]


def test_verifying_finds_damage(store: FolderArtifactStore) -> None:
    digest = store.put(b"0123456789")
    store.local(digest).chmod(0o644)
    store.local(digest).write_bytes(b"0123456780")
    with pytest.raises(ArtifactError, match="damaged"):
        store.verify(digest)
