"""Opening the artifact store that the project's configuration names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tenure.core.units import parse_size
from tenure.spec.artifacts import LocalArtifacts, S3Artifacts

if TYPE_CHECKING:
    from tenure.artifacts.store import ArtifactStore


def open_artifacts(root: Path, config: LocalArtifacts | S3Artifacts, cache: Path) -> ArtifactStore:
    """The store of a project in the folder `root`; copies of blobs that lie elsewhere are kept below `cache`.

    Creates nothing and asks no server. Raises ArtifactError when a library or a secret that it needs is missing.
    """
    match config:
        case LocalArtifacts():
            from tenure.artifacts.folder import FolderArtifactStore

            return FolderArtifactStore(root / config.path)
        case S3Artifacts():
            from tenure.artifacts.cache import BlobCache
            from tenure.artifacts.s3 import S3ArtifactStore

            return S3ArtifactStore(config, BlobCache(cache / "artifacts", parse_size(config.cache_size)))
