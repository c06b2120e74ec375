"""Files on their way into a store: read in pieces, so that one larger than memory can be stored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from tenure.core.digest import PREFIX
from tenure.core.errors import ArtifactError

PIECE_BYTES = 1 << 20


def pieces_of(path: Path) -> Iterator[bytes]:
    """The content of a file. Raises ArtifactError when it cannot be read."""
    try:
        with path.open("rb") as stream:
            while piece := stream.read(PIECE_BYTES):
                yield piece
    except OSError as error:
        raise ArtifactError("A file cannot be stored", f"{path}: {error.strerror}.") from error


def described(path: Path) -> tuple[str, int]:
    """The digest and the size in bytes of a file. Raises ArtifactError when it cannot be read."""
    hasher = hashlib.sha256()
    size = 0
    for piece in pieces_of(path):
        hasher.update(piece)
        size += len(piece)
    return PREFIX + hasher.hexdigest(), size


def unchanged(path: Path, digest: str) -> Iterator[bytes]:
    """The content of a file once more. Raises ArtifactError after the last piece when it is not what it was."""
    hasher = hashlib.sha256()
    for piece in pieces_of(path):
        hasher.update(piece)
        yield piece
    if PREFIX + hasher.hexdigest() != digest:
        raise ArtifactError(
            "A file changed while it was stored",
            f"{path} is written to by somebody else.",
            "Repeat the command when the file is complete.",
        )
