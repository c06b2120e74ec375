"""What PostgreSQL says, with what can be done about it: by the program (try again) or by a person.

The codes are from the appendix "PostgreSQL Error Codes" of its manual.
"""

from __future__ import annotations

import psycopg

from tenure.core.errors import StateError, StateLocked
from tenure.state.database import RESTORE
from tenure.state.retrying import Conflict, Lost

_CONFLICT = {
    "40001",  # serialization_failure
    "40P01",  # deadlock_detected
    "23505",  # unique_violation: somebody else inserted the same row first
}
_LOST = {
    "57P01",  # admin_shutdown, also of one session
    "57P02",  # crash_shutdown
    "57P03",  # cannot_connect_now: starting or stopping
    "57P05",  # idle_session_timeout
    "25P03",  # idle_in_transaction_session_timeout
    "25P04",  # transaction_timeout
    "25006",  # read_only_sql_transaction: the server has become a standby
    "53300",  # too_many_connections
}
_PASSING = ("the database system is", "too many", "connection slots")


def explain(error: psycopg.Error, place: str) -> Lost | Conflict | StateError:
    """An error of a connection that was there. `place` is what messages call the database."""
    code, reason = error.sqlstate or "", reason_of(error)
    match code:
        case _ if code in _CONFLICT:
            return Conflict(reason)
        case _ if code in _LOST or code.startswith("08"):
            return Lost(reason)
        case "" if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            return Lost(reason)
        case "55P03":
            return StateLocked(
                "The state is busy",
                f"Another process has been writing to {place} for more than 30 s.",
                "Wait until it ends, then repeat the command.",
            )
        case "42501":
            return StateError(
                "The state is not open to this user",
                f"{place}: {reason}.",
                "Let the user of the URL create schemas (GRANT CREATE ON DATABASE ... TO ...), or create this one for"
                " it (CREATE SCHEMA ... AUTHORIZATION ...). To read, USAGE on the schema and SELECT on its tables are"
                " enough.",
            )
        case "53100" | "53200" | "58030":
            return StateError(
                "The state cannot be written",
                f"{place}: {reason}. What was recorded before is safe; the last step was not recorded.",
                "Check the free space and the health of the server, then repeat the command.",
            )
        case "XX001" | "XX002":
            return StateError("The recorded state is damaged", f"{place}: {reason}.", RESTORE)
        case _:
            return StateError("The state cannot be used", f"{place}: {reason}.")


def never_connected(error: psycopg.Error, place: str, url: str) -> Lost | StateError:
    """An error of a first connection: what the server refuses now, it will refuse again."""
    reason = reason_of(error)
    if "FATAL" in reason and not any(word in reason for word in _PASSING):
        return StateError(
            "The state cannot be opened",
            f"{place}: {reason}.",
            f"Check the URL that state.url refers to ({url}): user, password and database.",
        )
    return Lost(reason)


def reason_of(error: psycopg.Error) -> str:
    """The first line of what the server or the driver says, without a full stop. It never holds a password."""
    lines = str(error).strip().splitlines()
    return lines[0].removeprefix("connection failed: ").strip().rstrip(".") if lines else type(error).__name__
