"""What the state needs of a database, and what every database is asked before it is used.

A backend is one file: how to connect, what its errors mean, and these two ways in. Everything else about the state is
written once, for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from tenure.core.errors import StateError, StateTooNew, StateTooOld
from tenure.state.encoding import FORMAT, OLDEST_READABLE

if TYPE_CHECKING:
    import sqlalchemy as sa

Value = TypeVar("Value")

Rows = Callable[[str, Mapping[str, Any]], list[tuple[Any, ...]]]
"""Runs one SELECT with named parameters (`:name`) and returns all rows."""

RESTORE = "Restore it from a backup. To start over, move it away: the state is then empty."


class Readable(Protocol):
    """What can be looked at.

    Work is handed in as a function because it may have to be done again: it reads and writes through what it is given
    and changes nothing else. Whatever goes wrong with the database becomes a StateError.
    """

    def look(self, work: Callable[[Rows | None], Value]) -> Value:
        """Do some reading on one consistent view, which waits for no writer. None when nothing was ever recorded."""

    def close(self) -> None:
        """Give files and connections back; a later call opens them again."""


class Database(Readable, Protocol):
    """Where the tables are. Safe to share between threads."""

    def write(self, work: Callable[[sa.Connection], Value], *, persistent: bool = True) -> Value:
        """Do some writing in one transaction that has been committed, once, when this returns.

        The first one creates what is missing. With `persistent=False` a connection that fails is not waited for.
        """


def check_format(tables: set[str], rows: Rows, place: str, oldest: int = OLDEST_READABLE) -> bool:
    """Whether the database with these tables holds a state that this version understands; False when it is empty.

    `place` is what messages call it, `oldest` the format that is needed at least: reading does with an older one than
    writing. Raises StateTooNew for a later format, StateTooOld for an earlier one, and StateError for somebody else's
    tables.
    """
    if not tables:
        return False
    if not {"meta", "records", "audit"} <= tables:
        raise StateError(
            "Not a state of Tenure",
            f"{place} holds tables of something else.",
            "Keep the state in another place.",
        )
    found = rows("SELECT format FROM meta", {})
    if not found:
        raise StateError("The recorded state is damaged", f"{place} has no format version.", RESTORE)
    if found[0][0] > FORMAT:
        raise StateTooNew(
            "The state was written by a later version of Tenure",
            f"{place} has format {found[0][0]}; this version understands {FORMAT}. Nothing was read or changed.",
            "Install the version that wrote it, or a later one.",
        )
    if found[0][0] < oldest:
        raise StateTooOld(
            "The state has an older format",
            f"{place} has format {found[0][0]}; this version writes {FORMAT}. Nothing was changed.",
            "Upgrade it, which keeps a copy: tenure state upgrade",
        )
    return True
