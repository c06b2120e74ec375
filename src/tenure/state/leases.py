"""Leases: who may change a model now. The only part of the state that looks at the real clock."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa

from tenure.core.errors import StateError, StateLocked, StateStale, StateTooNew
from tenure.state.encoding import FORMAT
from tenure.state.store import Lease
from tenure.state.tables import leases, meta

Write = Callable[[Callable[[sa.Connection], None]], None]
"""Does some writing in one transaction."""

HELD_COLUMNS = "model, holder, since, expires"
"""What every format knows of a lease."""


def this_process(user: str) -> str:
    """A holder text for this process: `user@host:pid:nonce`. The nonce begins with a mark of the machine."""
    return f"{user}@{socket.gethostname()}:{os.getpid()}:{_machine()}-{uuid4().hex[:8]}"


def take(connection: sa.Connection, model: str, holder: str, seconds: float) -> Lease:
    """Take the lease of a model.

    Raises StateLocked while somebody else's is alive, and StateTooNew when a later version has upgraded the state since
    this process began.
    """
    found = connection.execute(sa.select(meta.c.format)).scalar_one()
    if found > FORMAT:
        raise StateTooNew(
            "The state was upgraded by a later version of Tenure",
            f"It has format {found} by now; this version understands {FORMAT}. Nothing was changed.",
            "Install that version, or a later one.",
        )
    now = present(connection)
    row = connection.execute(sa.select(leases).where(leases.c.model == model).with_for_update()).one_or_none()
    if row is not None and row.holder is not None and alive(row.holder, row.expires, now):
        named = f", lease {row.id}" if row.id else ""
        way_out = f"\nIf it hangs: tenure state unlock {model} {row.id} --reason WHY" if row.id else ""
        raise StateLocked(
            "The model is in use",
            f"{model} is held by {row.holder} since {clock(row.since)}{named}.",
            "Wait until that run ends, then repeat the command. If it was killed, its hold ends by itself"
            f" at {clock(row.expires)}.{way_out}",
        )
    token = 1 if row is None else row.token + 1
    lease = Lease(model=model, holder=holder, token=token, id=uuid4().hex[:8])
    values = {"token": token, "holder": holder, "since": now, "expires": now + seconds, "id": lease.id}
    if row is None:
        connection.execute(leases.insert().values(model=model, **values))
    else:
        connection.execute(leases.update().where(leases.c.model == model).values(**values))
    return lease


def check(connection: sa.Connection, lease: Lease) -> None:
    """Refuse a writer whose lease was taken over or given back: its view of the model may be old."""
    row = connection.execute(
        sa.select(leases).where(leases.c.model == lease.model).with_for_update()
    ).one_or_none()
    if row is None or row.token != lease.token or row.holder != lease.holder:
        other = "nobody" if row is None or row.holder is None else row.holder
        raise StateStale(
            "The hold on the model was lost",
            f"{lease.model} is now held by {other}; this run's turn ({lease.token}) is over. Nothing was written.",
            "Repeat the command: it continues from what is recorded.",
        )


def release(connection: sa.Connection, lease: Lease) -> None:
    """Give a lease back, unless it was already taken over."""
    connection.execute(leases.update().where(_ours(lease)).values(holder=None, expires=0.0))


def end(connection: sa.Connection, model: str, lease_id: str) -> str:
    """End whoever's lease of a model this is, and return its holder, whose next write will fail.

    Raises StateStale unless the lease that is held now has this id: another run may have taken the model meanwhile. One
    that was taken before leases had ids has the empty one.
    """
    row = connection.execute(sa.select(leases).where(leases.c.model == model).with_for_update()).one_or_none()
    if row is None or row.holder is None:
        raise StateStale(
            "Nobody holds the model",
            f"There is no lease of {model} to end. Nothing was changed.",
            "See who holds what: tenure state list --locks",
        )
    if row.id != lease_id:
        raise StateStale(
            "Another lease is held",
            f"{model} is held by {row.holder} since {clock(row.since)}, lease {row.id or '(without id)'};"
            f" {lease_id!r} is not that one. Nothing was changed.",
            "See who holds what: tenure state list --locks",
        )
    values = {"holder": None, "expires": 0.0, "token": row.token + 1, "id": ""}
    connection.execute(leases.update().where(leases.c.model == model).values(**values))
    return str(row.holder)


def refuse_if_held(connection: sa.Connection, doing: str) -> None:
    """Raise StateLocked while a lease of any model is alive: `doing` needs the state for itself.

    Until the transaction ends nobody takes one either.
    """
    if connection.dialect.name == "postgresql":  # SQLite has one writer at a time as it is
        connection.execute(sa.text("LOCK TABLE leases IN EXCLUSIVE MODE"))
        # Nothing is asked of the server while a copy is written or a file is read; it must not take that for absence.
        connection.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout TO 0"))
    now = present(connection)
    for row in connection.execute(sa.text(f"SELECT {HELD_COLUMNS} FROM leases ORDER BY model")):
        model, holder, since, expires = row
        if holder is not None and alive(holder, expires, now):
            raise StateLocked(
                "The state is in use",
                f"{doing} needs the state for itself, and {model} is held by {holder} since {clock(since)}."
                " Nothing was changed.",
                f"Wait until that run ends, then repeat the command. If it was killed, its hold ends by itself"
                f" at {clock(expires)}.",
            )


class Heartbeat:
    """Renews every lease of this process at half of its life, from one thread that ends with the last lease."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._held: dict[Lease, float] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def add(self, lease: Lease, seconds: float) -> None:
        """Keep a lease alive from now on."""
        with self._changed:
            self._held[lease] = seconds
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tenure-leases", daemon=True)
                self._thread.start()

    def remove(self, lease: Lease) -> None:
        """Stop renewing a lease."""
        with self._changed:
            self._held.pop(lease, None)
            self._changed.notify()

    def join(self) -> None:
        """Wait for the thread to end, if no lease is held any more."""
        with self._changed:
            thread = None if self._held else self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        due = 0.0
        while True:
            with self._changed:
                if not self._held:
                    self._thread = None
                    return
                interval = min(self._held.values()) / 2
                if due == 0.0 or due > time.monotonic() + interval:
                    due = time.monotonic() + interval
                wait = due - time.monotonic()
                if wait > 0:
                    self._changed.wait(wait)
                    continue
                held = dict(self._held)
            # A beat that fails is tried again soon; whether the lease is lost is decided where it is used.
            due = time.monotonic() + interval / 4
            with suppress(StateError):
                self._write(partial(_renew, held=held))
                due = 0.0


def _renew(connection: sa.Connection, held: Mapping[Lease, float]) -> None:
    now = present(connection)
    for lease, seconds in held.items():
        connection.execute(leases.update().where(_ours(lease)).values(expires=now + seconds))


def _ours(lease: Lease) -> sa.ColumnElement[bool]:
    return sa.and_(
        leases.c.model == lease.model, leases.c.token == lease.token, leases.c.holder == lease.holder
    )


def present(connection: sa.Connection) -> float:
    """Seconds since the epoch by the one clock that all holders share: the server's, where there is a server."""
    if connection.dialect.name == "postgresql":
        return float(connection.execute(sa.text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
    return time.time()


def alive(holder: str, expires: float, now: float) -> bool:
    """Whether a lease still binds at `now` (seconds since the epoch): neither expired nor left by a dead process."""
    return expires > now and not _dead(holder)


def _dead(holder: str) -> bool:
    """Whether the holder is a process of this machine that no longer runs; False when it cannot be known."""
    _, _, place = holder.rpartition("@")
    host, _, rest = place.partition(":")
    pid, _, nonce = rest.partition(":")
    if host != socket.gethostname() or not pid.isdigit() or nonce.split("-")[0] != _machine():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return _zombie(int(pid))


def _zombie(pid: int) -> bool:
    """Whether a process has ended and only its parent has not asked how: it answers to signals, and does nothing."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    # The name of the program stands in brackets and may hold anything, brackets included.
    return status.rpartition(")")[2].split()[:1] in (["Z"], ["X"])


@cache
def _machine() -> str:
    """Eight digits for this boot and process namespace: only there does a process number mean the same process.

    Two containers may share a host name and a volume, and a number may be used again after a restart.
    """
    parts = []
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text())
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:8]


def clock(seconds: float) -> str:
    """Seconds since the epoch for people."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
