"""Where the tests keep a state."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def in_file(path: Path) -> tuple[Path, dict[str, Any]]:
    """What `open_reader` and `open_store` need for a SQLite file."""
    return path.parent, {"type": "sqlite", "path": path.name}
