"""What the state holds about one model: records of resources, facts, approvals, acknowledgements, observations."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from tenure.core.effect import Effect
from tenure.graph.resource import Sort


class Record(msgspec.Struct, frozen=True):
    """One resource as it was last realised. Records are never changed; a new one supersedes the old.

    `digest` names the output: dependents are renewed only when it differs. `value` holds small facts about an
    artifact (rows, scores, parameters) or the whole value of a binding (a routing table). `artifacts` maps names to
    blob digests. `inputs` holds the output digest of each need at the time. `ordinal` counts versions where a
    resource keeps its history by number. `origin` says where an output came from that was not made here.
    """

    address: str
    sort: Sort
    fingerprint: str
    content: str
    metadata: str
    config: dict[str, Any]
    effects: dict[str, Effect]
    digest: str
    value: dict[str, Any]
    artifacts: dict[str, str]
    inputs: dict[str, str]
    at: datetime
    by: str
    apply_id: str
    serial: int
    seconds: float = 0.0
    causes: tuple[str, ...] = ()
    ordinal: int | None = None
    origin: str | None = None


class Fact(msgspec.Struct, frozen=True):
    """A recorded cause: a verdict confirmed by k of n windows, a matched criterion, a person's request.

    `do` says what it asks for (`retrain`, `rollback`, `serve`, `deprecate`, `notify`), `mode` how far it may go
    without a person. `key` identifies the incident, so that the same one is not recorded twice while it is open.
    Applying it settles it.
    """

    id: str
    model: str
    kind: str
    key: str
    do: str
    mode: Literal["notify", "propose", "auto"]
    sentence: str
    evidence: dict[str, Any]
    at: datetime
    by: str
    settled_at: datetime | None = None
    settled_by: str | None = None


class Approval(msgspec.Struct, frozen=True):
    """A decision of a person in a role about one subject: the digest of a plan or of a version."""

    model: str
    subject: str
    role: str
    decision: Literal["approve", "reject"]
    reason: str
    by: str
    at: datetime


class Acknowledgement(msgspec.Struct, frozen=True):
    """A consumer of the model knows that it will be retired."""

    model: str
    consumer: str
    by: str
    reason: str
    at: datetime


class Observation(msgspec.Struct, frozen=True):
    """One signal of one model over one window of event time (UTC, half-open), with its verdict and evidence."""

    model: str
    signal: str
    window_start: datetime
    window_end: datetime
    verdict: Literal["ok", "warn", "critical", "insufficient_data"]
    value: float | None
    evidence: dict[str, Any]
    subject: str
    at: datetime


class Tombstone(msgspec.Struct, frozen=True):
    """A retired model: its name is never reused. A `moved` one goes on under the name of its successor."""

    model: str
    lineage: str
    at: datetime
    by: str
    successor: str | None
    archive: str | None
    moved: bool = False


class ModelState(msgspec.Struct, frozen=True):
    """Everything recorded about one model, as plans and applies read it.

    `records` is keyed by local address (`training/model`). `versions` keeps the latest record of every numbered
    version by its number. `facts` are all open ones and the 50 settled last, oldest first. `approvals` and
    `acknowledgements` are in the order they were given. `observations` are the latest 30 windows of each signal, in
    the order of their time.
    """

    model: str
    lineage: str
    serial: int
    records: dict[str, Record] = {}
    versions: dict[int, Record] = {}
    facts: tuple[Fact, ...] = ()
    approvals: tuple[Approval, ...] = ()
    acknowledgements: tuple[Acknowledgement, ...] = ()
    observations: tuple[Observation, ...] = ()
    tombstone: Tombstone | None = None
