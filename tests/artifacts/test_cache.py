from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.artifacts.disks import files_no_larger_than

from tenure.artifacts.cache import RECENT_SECONDS, BlobCache
from tenure.core.digest import digest_bytes
from tenure.core.errors import ArtifactError


def keep(cache: BlobCache, data: bytes) -> str:
    digest = digest_bytes(data)
    cache.write(digest, [data])
    return digest


def files(cache: BlobCache) -> list[Path]:
    return [path for path in cache.root.rglob("*") if path.is_file()]


def used(cache: BlobCache, digest: str, ago: float) -> None:
    path = cache.find(digest)
    assert path is not None
    os.utime(path, (time.time() - ago,) * 2)


@pytest.fixture
def cache(tmp_path: Path) -> BlobCache:
    return BlobCache(tmp_path / "cache", 10_000)


def test_a_copy_is_read_back_and_cannot_be_written_to(cache: BlobCache) -> None:
    digest = keep(cache, b"a model")
    path = cache.find(digest)
    assert path is not None
    assert (cache.read(digest), path.read_bytes()) == (b"a model", b"a model")
    assert stat.S_IMODE(path.stat().st_mode) == 0o444


def test_looking_creates_nothing(cache: BlobCache) -> None:
    assert cache.read(digest_bytes(b"x")) is None
    assert cache.find(digest_bytes(b"x")) is None
    assert not cache.root.exists()


@pytest.mark.parametrize("look", ["read", "find"])
@pytest.mark.parametrize("damage", [b"", b"012345678x", b"0123456789+"])
def test_a_damaged_copy_is_dropped(cache: BlobCache, look: str, damage: bytes) -> None:
    digest = keep(cache, b"0123456789")
    path = cache.find(digest)
    assert path is not None
    path.chmod(0o644)
    path.write_bytes(damage)
    assert getattr(cache, look)(digest) is None
    assert files(cache) == []


def test_pieces_that_end_in_an_error_leave_nothing(cache: BlobCache) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"half"
        raise ArtifactError("An artifact is damaged")

    with pytest.raises(ArtifactError, match="damaged"):
        cache.write(digest_bytes(b"whole"), pieces())
    assert files(cache) == []


def test_what_was_used_longest_ago_makes_room(cache: BlobCache) -> None:
    digests = [keep(cache, bytes([number]) * 3_000) for number in range(3)]
    for ago, digest in zip((5_000, 9_000, 7_000), digests, strict=True):
        used(cache, digest, ago)
    assert cache.read(digests[1]) is not None  # a use, after which another is the oldest
    newest = keep(cache, b"n" * 3_000)
    assert [cache.find(digest) is not None for digest in (*digests, newest)] == [True, True, False, True]
    assert sum(path.stat().st_size for path in files(cache)) <= cache.limit


def test_a_copy_in_use_stays_although_there_is_no_room(cache: BlobCache) -> None:
    digests = [keep(cache, bytes([number]) * 6_000) for number in range(3)]
    assert all(cache.find(digest) for digest in digests)
    used(cache, digests[0], RECENT_SECONDS + 5)
    keep(cache, b"n" * 6_000)
    assert cache.find(digests[0]) is None
    assert all(cache.find(digest) for digest in digests[1:])


def test_the_folder_stays_bounded_over_many_writes(tmp_path: Path) -> None:
    cache = BlobCache(tmp_path / "cache", 20_000)
    for number in range(100):
        digest = keep(cache, number.to_bytes(4, "big") * 250)
        used(cache, digest, RECENT_SECONDS + 1_000 - number)
        assert sum(path.stat().st_size for path in files(cache)) <= cache.limit * 1.15
    assert cache.find(digest) is not None


def test_what_others_put_there_is_left_alone(cache: BlobCache) -> None:
    cache.root.mkdir()
    (cache.root / "README").write_text("x" * 20_000)
    digest = keep(cache, b"a" * 6_000)
    used(cache, digest, 9_000)
    keep(cache, b"b" * 6_000)
    assert (cache.root / "README").exists()
    assert cache.find(digest) is None


def test_what_a_killed_process_left_is_swept_a_day_later(cache: BlobCache) -> None:
    cache.root.mkdir()
    old, recent = cache.root / ".1-a.part", cache.root / ".2-b.part"
    old.write_bytes(b"half")
    recent.write_bytes(b"half")
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    keep(cache, b"x" * 4_000)
    assert not old.exists()
    assert recent.exists()


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = BlobCache(tmp_path / "file" / "cache", 1_000)
    with pytest.raises(ArtifactError, match="cannot be kept"):
        keep(cache, b"x")
    cache.keep(digest_bytes(b"x"), [b"x"])


def test_a_full_disk_is_said_and_leaves_nothing(cache: BlobCache) -> None:
    kept = keep(cache, b"kept")
    with files_no_larger_than(1_000), pytest.raises(ArtifactError, match="No space left") as caught:
        keep(cache, b"x" * 5_000)
    assert "may be deleted" in caught.value.hint
    assert files(cache) == [cache.find(kept)]
