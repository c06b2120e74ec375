"""The contract of an artifact store: immutable blobs named by the digest of their bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol


class ArtifactStore(Protocol):
    """Content-addressed blobs.

    A blob is visible under its digest only when it is complete and durable, and it never changes afterwards. Putting
    the same bytes again, also at the same time from another process, is harmless and repairs a damaged blob. Every
    read checks the digest: a wrong byte is an ArtifactDamaged, never a result. ArtifactMissing says that the store was
    asked and has no such blob; a store that cannot be reached or read raises another ArtifactError, since then
    nothing is known to be lost.
    """

    def put(self, data: bytes) -> str:
        """Store bytes and return their digest. Raises ArtifactError, leaving nothing behind, when there is no room."""

    def put_file(self, path: Path) -> str:
        """Store a copy of a file, read in pieces, and return its digest. Raises ArtifactError like `put`."""

    def get(self, digest: str) -> bytes:
        """The bytes of a blob. Raises ArtifactError when it is missing or damaged."""

    def local(self, digest: str) -> Path:
        """A verified file holding the blob, for readers that want a path. It must not be written to."""

    def has(self, digest: str) -> bool:
        """Whether a blob of that name is there (its content is checked when it is read)."""

    def size(self, digest: str) -> int:
        """The size of a blob in bytes. Raises ArtifactError when it is missing."""

    def digests(self) -> Iterator[tuple[str, int]]:
        """Every blob by its digest, with its size in bytes, in order of the digests. Contents are not checked."""

    def verify(self, digest: str) -> None:
        """Read a blob where it is kept, in pieces. Raises ArtifactError when it is missing or damaged."""
