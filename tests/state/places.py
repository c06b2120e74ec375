"""Where the tests keep a state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.state.servers import in_schema

from tenure.core.digest import digest_bytes

Place = tuple[Path, dict[str, Any]]
"""What `open_reader` and `open_store` need."""


def in_file(path: Path) -> Place:
    """A SQLite file."""
    return path.parent, {"type": "sqlite", "path": path.name}


def place_for(backend: str, folder: Path) -> Place:
    """The place of a backend that belongs to a folder of the test."""
    if backend == "sqlite":
        return in_file(folder / "dev" / "state.db")
    return folder, in_schema(f"t_{digest_bytes(str(folder).encode())[-24:]}")
