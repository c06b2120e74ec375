"""Copies of blobs in a local folder, for a store that keeps them elsewhere: checked on every use, bounded in size."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from tenure.artifacts.naming import digest_at, place_of
from tenure.core.digest import digest_bytes, digest_file
from tenure.core.errors import ArtifactError

RECENT_SECONDS = 600.0
"""A copy used this recently is never evicted: somebody who was given its path may be about to open it."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_PART = ".part"
_ABANDONED_SECONDS = 24 * 3600.0


class BlobCache:
    """A read-through cache of blobs that may be deleted at any time.

    A copy is written under a temporary name and renamed. It is not synced: what a crash tore is found by its digest
    and fetched again. When the copies exceed `limit` bytes, those used longest ago make room. Several processes may
    share the folder.
    """

    def __init__(self, root: Path, limit: int) -> None:
        self.root = root
        self.limit = limit
        self._unseen = 0
        """Bytes that may still be written before the folder is looked through again."""

    def read(self, digest: str) -> bytes | None:
        """The bytes of a copy; None when there is none. A damaged copy is dropped and counts as none."""
        path = self.root / place_of(digest)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        return data if self._usable(path, digest_bytes(data) == digest) else None

    def find(self, digest: str) -> Path | None:
        """The path of a copy after its content was checked; None when there is none."""
        path = self.root / place_of(digest)
        try:
            intact = digest_file(path) == digest
        except OSError:
            return None
        return path if self._usable(path, intact) else None

    def write(self, digest: str, pieces: Iterable[bytes]) -> Path:
        """Keep a copy and return its path. `pieces` have to raise when they are not what the digest promises.

        Raises ArtifactError when the copy cannot be written; no partial file is left then.
        """
        path = self.root / place_of(digest)
        part = self.root / f".{os.getpid()}-{uuid4().hex}{_PART}"
        size = 0
        try:
            try:
                self.root.mkdir(parents=True, exist_ok=True)
                with part.open("xb") as stream:
                    for piece in pieces:
                        size += stream.write(piece)
                    os.fchmod(stream.fileno(), 0o444)
                path.parent.mkdir(exist_ok=True)
                part.replace(path)
            finally:
                # Gone already when the rename succeeded.
                with suppress(OSError):
                    part.unlink(missing_ok=True)
        except OSError as error:
            full = error.errno in _FULL
            raise ArtifactError(
                "No space left for the copy of an artifact"
                if full
                else "The copy of an artifact cannot be kept",
                f"{self.root}: {error.strerror}.",
                "Free space on that disk; this folder may be deleted as a whole. Then repeat the command."
                if full
                else "Check that the folder may be written to, then repeat the command.",
            ) from error
        self._unseen -= size
        if self._unseen <= 0:
            self._make_room()
        return path

    def keep(self, digest: str, pieces: Iterable[bytes]) -> None:
        """Keep a copy if that is possible: nothing depends on it."""
        with suppress(ArtifactError):
            self.write(digest, pieces)

    def _usable(self, path: Path, intact: bool) -> bool:
        """Note the use of an intact copy; drop a damaged one."""
        with suppress(OSError):
            if intact:
                os.utime(path)
            else:
                path.unlink()
        return intact

    def _make_room(self) -> None:
        """Evict the copies used longest ago until the rest fit, and remove what killed processes left behind."""
        now = time.time()
        copies = sorted(self._copies(now))
        total = sum(size for _, size, _ in copies)
        for used, size, path in copies:
            if total <= self.limit or now - used < RECENT_SECONDS:
                break
            with suppress(OSError):
                path.unlink()
                total -= size
        # Looking through a large folder takes time, so it is done once in a while; other processes write here as well.
        self._unseen = max(min(self.limit - total, self.limit // 16), 0)

    def _copies(self, now: float) -> Iterator[tuple[float, int, Path]]:
        """When each copy was last used, its size and its path."""
        for path in self.root.rglob("*"):
            with suppress(OSError):
                status = path.stat()
                if digest_at(path.relative_to(self.root).as_posix()) is not None:
                    yield status.st_mtime, status.st_size, path
                elif path.name.endswith(_PART) and now - status.st_mtime > _ABANDONED_SECONDS:
                    path.unlink()
