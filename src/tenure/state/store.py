"""The contract of a state backend.

Concurrency, which every backend keeps:
* A write happens under a `Lease` of its model. A lease has a holder, an expiry that a heartbeat pushes forward, and a
  fencing token that only grows; a write with an older token than the newest one handed out is refused (`StateStale`).
* Each write compares and swaps the model's serial: the caller says which serial it saw, and `StateStale` is raised
  when another one is there. The serial grows by one with each committed step.
* `begin` is durable before an effect, `finish` is durable before the effect is called done. A journal entry without an
  outcome belongs to a run that was killed: the next holder of the lease closes it as interrupted and repeats the step.
* A lease whose holder is a dead process of this machine counts as expired.
Readers never wait for writers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from tenure.state.record import Acknowledgement, Approval, Fact, ModelState, Observation, Record, Tombstone


class Trial(msgspec.Struct, frozen=True):
    """One trial of a search: parameters, the score of each fold, how it ended.

    `noise` is the standard error of its score where there is one fold only; `learned` what each fold found out, and
    `fold_seconds` how long it took; `curve` the loss on the first fold after so many rounds. `started` is when, in
    seconds after the search began. A `cached` one was known from an earlier search.
    """

    number: int
    algorithm: str
    params: dict[str, Any]
    scores: tuple[float, ...]
    score: float | None
    status: Literal["done", "failed", "stopped"]
    seconds: float
    note: str = ""
    noise: float | None = None
    learned: tuple[dict[str, float], ...] = ()
    fold_seconds: tuple[float, ...] = ()
    curve: dict[int, float] = {}
    started: float = 0.0
    cached: bool = False


class TrialStore(Protocol):
    """Durable trials, keyed by the fingerprint of the search they belong to."""

    def trials(self, search: str) -> tuple[Trial, ...]:
        """The finished trials of a search, by number."""

    def add_trial(self, search: str, trial: Trial) -> None:
        """Record a finished trial durably. Adding the same number again changes nothing."""


class Lease(msgspec.Struct, frozen=True):
    """The right to change one model until it expires. `id` names this taking of it, for whoever has to end it."""

    model: str
    holder: str
    token: int
    id: str = ""


class JournalEntry(msgspec.Struct, frozen=True):
    """One step of one apply: its durable intent and, once it has ended, its outcome."""

    id: int
    model: str
    apply_id: str
    address: str
    action: str
    reason: str
    fingerprint: str
    begun_at: datetime
    by: str
    ended_at: datetime | None = None
    outcome: Literal["done", "skipped", "failed", "blocked", "interrupted"] | None = None
    detail: str = ""


class AuditEvent(msgspec.Struct, frozen=True):
    """One link of the tamper-evident chain; `hash` covers everything else including the previous hash."""

    seq: int
    at: datetime
    actor: str
    action: str
    subject: str
    data: dict[str, Any]
    previous: str
    hash: str


class AuditHead(msgspec.Struct, frozen=True):
    """The end of an audit log: its name, the number and the hash of its last event (0 and the genesis when empty).

    Kept elsewhere it is a checkpoint: it shows later that the log was neither cut off nor rewritten.
    """

    log: str
    seq: int
    hash: str


class Revision(NamedTuple):
    """A name for everything recorded about a model: equal names mean equal content. `retired`: it has a tombstone."""

    name: str
    retired: bool


class StateReader(Protocol):
    """What planning may do with the state: read."""

    def read(self, model: str) -> ModelState | None:
        """One model, or None when nothing was ever recorded about it."""

    def read_many(self, models: Iterable[str] | None = None) -> dict[str, ModelState]:
        """Several models (None: all) in a constant number of queries."""

    def at(self, model: str, moment: datetime) -> ModelState | None:
        """One model as it was recorded at a moment: what was live then."""

    def history(self, model: str, address: str | None = None) -> tuple[Record, ...]:
        """All records of a model, oldest first."""

    def journal(self, model: str | None = None, limit: int = 200) -> tuple[JournalEntry, ...]:
        """Journal entries, newest first."""

    def audit(self, since: int = 0) -> Iterator[AuditEvent]:
        """The audit chain in order, from a sequence number on."""

    def audit_head(self) -> AuditHead | None:
        """The end of the audit chain, kept beside it; None before anything was recorded."""

    def tombstone(self, model: str) -> Tombstone | None:
        """The tombstone of a retired name, or None."""

    def revisions(self) -> dict[str, Revision]:
        """Every model with the revision of what is recorded about it, in one query that reads nothing else."""

    def routes_serial(self) -> int:
        """Grows whenever any record changes: servers poll it."""

    def close(self) -> None:
        """Give files and connections back. A later call opens them again."""


class StateStore(StateReader, TrialStore, Protocol):
    """What applying may do with the state."""

    def lease(self, model: str, holder: str, seconds: float = 60.0) -> AbstractContextManager[Lease]:
        """Hold a model; a heartbeat renews the lease at half of its life. Raises StateLocked, naming the holder."""

    def begin(
        self,
        lease: Lease,
        *,
        apply_id: str,
        address: str,
        action: str,
        reason: str,
        fingerprint: str,
        at: datetime,
        by: str,
    ) -> int:
        """Write the intent of a step durably; returns the journal id."""

    def finish(
        self,
        lease: Lease,
        entry: int,
        *,
        outcome: Literal["done", "skipped", "failed", "blocked", "interrupted"],
        at: datetime,
        record: Record | None = None,
        serial: int | None = None,
        settle: Iterable[str] = (),
        detail: str = "",
        audit: Mapping[str, Any] | None = None,
        tombstone: Tombstone | None = None,
    ) -> int:
        """End a step: outcome, new record, settled facts and audit event in one transaction.

        Returns the model's serial afterwards. With `record`, `serial` is the serial the caller saw (0 for a new model).
        """

    def close_interrupted(self, lease: Lease, at: datetime) -> tuple[JournalEntry, ...]:
        """Mark the open journal entries of killed runs as interrupted and return them."""

    def rename(self, old: Lease, new: Lease, *, serial: int, at: datetime, by: str) -> int:
        """Give everything recorded about a model another name, and return its serial afterwards.

        The old name keeps a tombstone that names the new one. `serial` is the one the caller saw.
        """

    def forget(self, lease: Lease, *, serial: int, at: datetime, by: str, reason: str, archive: str) -> None:
        """Remove everything recorded about a model but the audit log and its tombstone.

        `archive` is the digest of the copy the caller has kept. `serial` is the one the caller saw.
        """

    def add_fact(self, fact: Fact) -> bool:
        """Record a cause unless an open one has the same model and key; says whether it was new."""

    def settle_facts(self, model: str, ids: Iterable[str], *, at: datetime, by: str) -> None:
        """Close causes without a step, e.g. when their signal cleared."""

    def add_approval(self, approval: Approval) -> None:
        """Record a decision; the latest one of a role about a subject counts."""

    def add_acknowledgement(self, acknowledgement: Acknowledgement) -> None:
        """Record that a consumer knows."""

    def add_observations(self, observations: Iterable[Observation]) -> None:
        """Record verdicts; a window that is observed again replaces its earlier verdict."""

    def append_audit(
        self, *, at: datetime, actor: str, action: str, subject: str, data: Mapping[str, Any]
    ) -> AuditEvent:
        """Add a link to the audit chain for something that is no step of an apply."""
