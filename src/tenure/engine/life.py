"""What served when, who let it, and why: read off the records, the journal, the causes and the decisions of one model.

Pure but for `chronicle`, which reads all of it at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import msgspec

from tenure.engine import surgery
from tenure.engine.requests import known
from tenure.state import listing
from tenure.state.database import Rows
from tenure.state.record import Approval, Fact, ModelState, Record
from tenure.state.store import AuditEvent, JournalEntry

if TYPE_CHECKING:
    from tenure.engine.project import Project

VERSION = "governance/version"
APPROVAL = "governance/approval"

_ALL = 1_000_000

WHY = {
    "new": "it was the first",
    "new_version": "it was new, and nothing stood against it",
    "rollout": "its rollout went on",
    "request": "somebody asked for it",
    "rule": "its spec allows it",
    "config_changed": "its spec was edited",
    "data_changed": "its data changed",
    "date_passed": "a date had passed",
    "lifecycle": "its state in the spec changed",
    "stage_changed": "a stage of Tenure changed",
    "adopted": "it was adopted",
    "promoted": "it was promoted",
    "damaged": "its files were damaged",
}
"""Reasons of a step, as the end of a sentence that begins with what was done."""


class Approved(msgspec.Struct, frozen=True):
    """A person in a role who agreed to a version before it was released."""

    role: str
    by: str
    at: datetime
    reason: str


class Served(msgspec.Struct, frozen=True):
    """A version that takes a share of the traffic (percent), since when and why, and how it came to be.

    It has had this share since `share_since`, and some share since it was released: `since`, `by` and `because`.
    `made_at` and `made_because` are about the version itself.
    """

    version: int
    share: float
    share_since: datetime
    since: datetime
    by: str
    because: str
    made_at: datetime | None
    made_because: str
    approvals: tuple[Approved, ...]


class Shown(ModelState, frozen=True):
    """What is recorded about a model, and what of it serves."""

    served: tuple[Served, ...] = ()


@dataclass(frozen=True)
class Chronicle:
    """Everything recorded about one model, oldest first; `facts` are all there ever were."""

    state: ModelState
    records: tuple[Record, ...]
    journal: tuple[JournalEntry, ...]
    facts: Mapping[str, Fact]
    events: tuple[AuditEvent, ...]


def chronicle(project: Project, model: str) -> Chronicle:
    """The whole life of a model. Raises TenureError when nothing is recorded about it."""
    state = known(project.reader, model)

    def work(rows: Rows | None) -> tuple[dict[str, Fact], tuple[AuditEvent, ...]]:
        return ({}, ()) if rows is None else (listing.facts(rows, model), listing.events(rows, model))

    with surgery.opened(project) as database:
        facts, events = database.look(work)
    journal = tuple(reversed(project.reader.journal(model, limit=_ALL)))
    return Chronicle(state, project.reader.history(model), journal, facts, events)


def shown(life: Chronicle, state: ModelState, at: datetime | None = None) -> Shown:
    """A state of a model, now or as it was at a moment, with what of it served then."""
    values = {name: getattr(state, name) for name in ModelState.__struct_fields__}
    return Shown(**values, served=served(life, state, at))


def served(life: Chronicle, state: ModelState, at: datetime | None = None) -> tuple[Served, ...]:
    """What serves in a state of a model (as it was at a moment), the largest share first."""
    if state.tombstone is not None and (at is None or state.tombstone.at <= at):
        return ()
    past = [record for record in life.records if at is None or record.at <= at]
    endpoints = [record for record in past if _local(record) == surgery.ENDPOINT]
    found = [
        _served(life, past, endpoints, version, share)
        for version, share in surgery.shares(endpoints[-1] if endpoints else None).items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.share, -one.version)))


def because(life: Chronicle, record: Record) -> str:
    """Why a record was made: the causes that were settled by it, else the reason of its step."""
    sentences = [life.facts[cause].sentence for cause in record.causes if cause in life.facts]
    return " ".join(sentences) or WHY.get(_reason(life, record), "")


def _served(
    life: Chronicle, past: Sequence[Record], endpoints: Sequence[Record], version: int, share: float
) -> Served:
    """One version, with the endpoint that released it and the one that gave it this share; both held since."""
    served = list(takewhile(lambda record: version in surgery.shares(record), reversed(endpoints)))
    same = list(takewhile(lambda record: surgery.shares(record)[version] == share, served))
    released = served[-1]
    registered = [record for record in past if _local(record) == VERSION and record.ordinal == version]
    made = registered[0] if registered else None
    return Served(
        version=version,
        share=share,
        share_since=same[-1].at,
        since=released.at,
        by=released.by,
        because=because(life, released),
        made_at=made.at if made else None,
        made_because=_made_because(life, made) if made else "",
        approvals=tuple(_approvals(life, past, version)),
    )


def _made_because(life: Chronicle, made: Record) -> str:
    """Why a version came to be: the causes in its lineage, else the reason of the first step of its apply."""
    lineage: Any = made.value.get("lineage", {})
    sentences = [str(cause["sentence"]) for cause in lineage.get("causes", ())]
    steps = (
        entry.reason for entry in life.journal if entry.apply_id == made.apply_id and entry.outcome == "done"
    )
    return " ".join(sentences) or WHY.get(next(steps, ""), "")


def _approvals(life: Chronicle, past: Sequence[Record], version: int) -> Iterator[Approved]:
    """The decisions that count for a version, as its approval is recorded by then."""
    standing = [
        record for record in past if _local(record) == APPROVAL and record.value.get("number") == version
    ]
    if not standing:
        return
    for role, people in sorted(standing[-1].value.get("granted", {}).items()):
        for person in people:
            given = [
                one
                for one in life.state.approvals
                if (one.role, one.by, one.decision) == (role, person, "approve") and one.at <= standing[-1].at
            ]
            if given:
                yield Approved(role, person, given[-1].at, given[-1].reason)


def version_of(life: Chronicle, approval: Approval) -> int | None:
    """The version that a decision is about; None for one about a plan."""
    for record in life.records:
        if _local(record) == APPROVAL and record.value.get("subject") == approval.subject:
            number = record.value.get("number")
            return None if number is None else int(number)
    return None


def _reason(life: Chronicle, record: Record) -> str:
    steps = (
        entry.reason
        for entry in life.journal
        if (entry.apply_id, entry.address, entry.outcome) == (record.apply_id, record.address, "done")
    )
    return next(steps, "")


def _local(record: Record) -> str:
    return record.address.partition("/")[2]
