"""Holding records against the audit log: each step that made one left an event that says what it made.

A record is found by the step that made it: apply, serial, address. One apply may make such a record in several models,
and a model may have got another name since, so that the name decides only where nothing else does.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from tenure.state.encoding import encode
from tenure.state.record import Record
from tenure.state.store import AuditEvent

TELLS = "step.done"
"""The event of a step that made something."""


class Vouching:
    """The records of a state, each until an event of its audit log has vouched for it; on disk when they are many."""

    def __init__(self) -> None:
        self._made = sqlite3.connect("")
        self._made.execute("CREATE TABLE made (step BLOB, model TEXT, said BLOB, subject TEXT)")
        self._indexed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._made.close()

    def add(self, model: str, local: str, record: Record, subject: str) -> None:
        """A record that is there; `subject` is what people call it. All come before the first event."""
        said = _hashed([record.digest, record.fingerprint, record.artifacts, record.ordinal])
        step = _hashed([record.apply_id, record.serial, local])
        self._made.execute("INSERT INTO made VALUES (?, ?, ?, ?)", (step, model, said, subject))

    def hear(self, event: AuditEvent) -> str:
        """Let an event vouch for the record it is about. Returns that record when the two differ, else nothing."""
        data = event.data
        if event.action != TELLS or "digest" not in data or "serial" not in data:
            return ""
        if not self._indexed:
            self._made.execute("CREATE INDEX by_model ON made (step, model)")
            self._made.execute("CREATE INDEX by_content ON made (step, said)")
            self._indexed = True
        model, _, local = event.subject.partition("/")
        step = _hashed([data.get("apply"), data["serial"], local])
        said = _hashed([data["digest"], data.get("fingerprint"), data.get("artifacts"), data.get("ordinal")])
        for column, value in (("model", model), ("said", said)):
            found = self._made.execute(
                f"SELECT rowid, said, subject FROM made WHERE step = ? AND {column} = ?", (step, value)
            ).fetchone()
            if found is not None:
                self._made.execute("DELETE FROM made WHERE rowid = ?", (found[0],))
                return "" if found[1] == said else str(found[2])
        return ""

    def left(self) -> Iterator[str]:
        """The records that no event has spoken of."""
        for (subject,) in self._made.execute("SELECT subject FROM made ORDER BY subject"):
            yield subject


def _hashed(value: Any) -> bytes:
    return hashlib.blake2b(encode(value), digest_size=16).digest()
