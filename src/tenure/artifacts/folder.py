"""Blobs in a local folder: one read-only file per blob, named by digest, in 256 sub-folders."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from tenure.artifacts.naming import digest_at, place_of
from tenure.artifacts.pieces import pieces_of
from tenure.core.digest import PREFIX, digest_bytes, digest_file
from tenure.core.errors import ArtifactDamaged, ArtifactError, ArtifactMissing

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_PART = ".part"
_ABANDONED_SECONDS = 24 * 3600.0
"""A partial file this old belongs to a run that was killed while it wrote."""


class FolderArtifactStore:
    """An `ArtifactStore` in a folder, which is created by the first `put`.

    A blob is written under a temporary name in the same folder, synced, and renamed; then the folder itself is
    synced. A crash at any point leaves either no blob or the whole blob.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, data: bytes) -> str:
        """Store bytes and return their digest (see `ArtifactStore.put`)."""
        name = digest_bytes(data)
        if not self._intact(name):
            self._write([data])
        return name

    def put_file(self, path: Path) -> str:
        """Store a copy of a file and return its digest (see `ArtifactStore.put_file`)."""
        return self._write(pieces_of(path))

    def get(self, digest: str) -> bytes:
        """The verified bytes of a blob."""
        path = self._path(digest)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise _unreadable(digest, path, error) from error
        if digest_bytes(data) != digest:
            raise _damaged(digest, path)
        return data

    def local(self, digest: str) -> Path:
        """The path of a blob after its content was checked."""
        path = self._path(digest)
        try:
            found = digest_file(path)
        except OSError as error:
            raise _unreadable(digest, path, error) from error
        if found != digest:
            raise _damaged(digest, path)
        return path

    def has(self, digest: str) -> bool:
        """Whether a file of that name exists."""
        return self._path(digest).is_file()

    def size(self, digest: str) -> int:
        """Bytes of the blob."""
        path = self._path(digest)
        try:
            return path.stat().st_size
        except OSError as error:
            raise _unreadable(digest, path, error) from error

    def digests(self) -> Iterator[tuple[str, int]]:
        """Every blob of the folder (see `ArtifactStore.digests`); other files are passed over."""
        try:
            for folder in sorted(self.root.iterdir()) if self.root.is_dir() else ():
                for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                    digest = digest_at(f"{folder.name}/{path.name}")
                    if digest is not None and path.is_file():
                        yield digest, path.stat().st_size
        except OSError as error:
            raise ArtifactError(
                "The artifacts cannot be listed",
                f"{error.filename}: {error.strerror}.",
                "Check the permissions of the folder.",
            ) from error

    def verify(self, digest: str) -> None:
        """Read a blob in pieces and check it (see `ArtifactStore.verify`)."""
        self.local(digest)

    def _path(self, digest: str) -> Path:
        return self.root / place_of(digest)

    def _intact(self, digest: str) -> bool:
        path = self._path(digest)
        return path.is_file() and digest_file(path) == digest

    def _write(self, pieces: Iterable[bytes]) -> str:
        """Write pieces to a temporary file while hashing them, then give it its name."""
        hasher = hashlib.sha256()
        with _explained(self.root):
            fresh = not self.root.is_dir()
            self.root.mkdir(parents=True, exist_ok=True)
            if fresh:
                _sync_folder(self.root.parent)
            self._sweep()
        part = self.root / f".{os.getpid()}-{uuid4().hex}{_PART}"
        try:
            with _explained(self.root):
                with part.open("xb") as stream:
                    for piece in pieces:
                        hasher.update(piece)
                        stream.write(piece)
                    stream.flush()
                    os.fchmod(stream.fileno(), 0o444)
                    os.fsync(stream.fileno())
                digest = PREFIX + hasher.hexdigest()
                path = self._path(digest)
                if not self._intact(digest):
                    path.parent.mkdir(exist_ok=True)
                    part.replace(path)
                    _sync_folder(path.parent)
                    _sync_folder(self.root)
            return digest
        finally:
            # Gone already when the rename succeeded; in every other case nothing half-written may stay.
            with suppress(OSError):
                part.unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove what killed runs left half-written."""
        for part in self.root.glob(f".*{_PART}"):
            with suppress(OSError):
                if time.time() - part.stat().st_mtime > _ABANDONED_SECONDS:
                    part.unlink()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _explained(root: Path) -> Iterator[None]:
    """Turn what the operating system says about writing into what a person can do about it."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise ArtifactError(
                "No space left for an artifact",
                f"{root}: {error.strerror}. Nothing was recorded and no partial file was kept.",
                "Free space on that disk, then repeat the command: finished steps are not repeated.",
            ) from error
        raise ArtifactError(
            "An artifact cannot be stored",
            f"{root}: {error.strerror}.",
            "Check that the folder exists and may be written to, then repeat the command.",
        ) from error


_WAY_OUT = "Restore the artifact folder from a backup, or see what can be rebuilt: tenure state doctor"


def _damaged(digest: str, path: Path) -> ArtifactDamaged:
    return ArtifactDamaged(
        "An artifact is damaged",
        f"{path} does not contain what its name {digest} promises: the file was changed or the disk is failing.",
        _WAY_OUT,
    )


def _unreadable(digest: str, path: Path, error: OSError) -> ArtifactError:
    if isinstance(error, FileNotFoundError):
        return ArtifactMissing(
            "An artifact is missing", f"{digest} should be in {path}, which does not exist.", _WAY_OUT
        )
    if error.errno == errno.EIO:
        return ArtifactDamaged(
            "An artifact is damaged", f"{path}: {error.strerror}. The disk is failing.", _WAY_OUT
        )
    return ArtifactError(
        "An artifact cannot be read", f"{path}: {error.strerror}.", "Check the permissions of the file."
    )
