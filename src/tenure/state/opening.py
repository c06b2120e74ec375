"""Opening the recorded state of an environment, wherever its configuration says that it lies.

`config` is a member of `spec.project.StateConfig` as plain data: a plan that is remembered opens the state without
pydantic. A reference to a secret in it is resolved when a connection is made, and kept nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenure.core.errors import StateError
from tenure.core.units import parse_duration
from tenure.state.encoding import FORMAT
from tenure.state.reading import SqlReader
from tenure.state.retrying import Tell
from tenure.state.sqlite import SqliteFile

if TYPE_CHECKING:
    from tenure.state.database import Database
    from tenure.state.store import StateReader, StateStore


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
    """The database that a configuration names. Nothing is connected yet. Raises StateError without its library.

    Whoever upgrades a state says which older format may be written to.
    """
    if config["type"] == "sqlite":
        return SqliteFile(root / config["path"], oldest)
    try:
        from tenure.state.postgres import PostgresSchema
    except ImportError as error:
        raise StateError(
            "PostgreSQL needs a library that is not installed",
            f"The state is configured to lie in PostgreSQL, and psycopg cannot be imported: {error}.",
            'Install it: pip install "tenure[postgres]"',
        ) from error
    seconds = parse_duration(config["timeout"]).approximate_seconds
    return PostgresSchema(config["url"], config["schema"], seconds, tell, oldest)
