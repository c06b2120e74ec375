"""Opening the recorded state of an environment, wherever its configuration says that it lies.

`config` is a member of `spec.project.StateConfig` as plain data: a plan that is remembered opens the state without
pydantic. A reference to a secret in it is resolved when a connection is made, and kept nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenure.state.encoding import FORMAT
from tenure.state.reading import SqlReader
from tenure.state.sqlite import SqliteFile

if TYPE_CHECKING:
    from tenure.state.database import Database
    from tenure.state.store import StateReader, StateStore

Tell = Callable[[str], None]
"""Takes a sentence for the user: the connection was lost, or is back."""


def quietly(sentence: str) -> None:
    """For somebody who does not want to know."""


def open_reader(root: Path, config: Mapping[str, Any], tell: Tell = quietly) -> StateReader:
    """The state of the project in `root`, for reading. Nothing is created, and SQLAlchemy is not imported."""
    return SqlReader(database_of(root, config, tell))


def open_store(root: Path, config: Mapping[str, Any], tell: Tell = quietly) -> StateStore:
    """The state of the project in `root`, for reading and writing. The first write creates it."""
    from tenure.state.sql import SqlStateStore

    return SqlStateStore(database_of(root, config, tell))


def database_of(
    root: Path, config: Mapping[str, Any], tell: Tell = quietly, *, oldest: int = FORMAT
) -> Database:
    """The database that a configuration names. Nothing is connected yet.

    Whoever upgrades a state says which older format may be written to.
    """
    return SqliteFile(root / config["path"], oldest)
