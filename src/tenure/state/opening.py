"""Opening the recorded state of an environment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tenure.state.reading import SqlReader
from tenure.state.sqlite import SqliteFile

if TYPE_CHECKING:
    from tenure.state.store import StateReader, StateStore


def open_reader(path: Path) -> StateReader:
    """The state in a SQLite file, for reading. Nothing is created, and SQLAlchemy is not imported."""
    file = SqliteFile(path)
    return SqlReader(file.snapshot, file.close)


def open_store(path: Path) -> StateStore:
    """The state in a SQLite file, for reading and writing. The first write creates it."""
    from tenure.state.sql import SqlStateStore

    return SqlStateStore(path)
