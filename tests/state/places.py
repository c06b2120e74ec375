"""Where the tests keep a state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from tests.state.servers import Server, in_schema

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


def keep_in(root: Path, server: Server) -> None:
    """Configure a project to keep its state on the server of the tests; the URL lies in a file outside of it."""
    secret = root.parent / f"{root.name}.url"
    secret.write_text(f"{server.url}\n")
    state = {**server.settings(), "url": f"${{file:{secret}}}"}
    del state["type"]
    path = root / "conf" / "config.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"defaults": [{"state": "postgres"}, "_self_"], "state": state}))
