"""The tamper-evident chain: every event carries the hash of the one before it.

`hash = sha256(0x00 || canonical JSON of the event without its hash)`; the 0x00 marks a leaf as in RFC 6962. The first
event follows the digest of the log's own name, so that events of one log cannot be passed off as another's.

What it can and cannot show: any event changed, removed, inserted, doubled or moved breaks a link. Cutting off the end,
or rewriting the whole log, leaves an intact chain; it shows only against a head kept elsewhere. The state keeps its own
head beside the log, and `checkpoint` gives one to keep out of reach of whoever may write the state.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from tenure.core.decoding import json_decoder
from tenure.core.digest import PREFIX, canonical
from tenure.state.store import AuditEvent, AuditHead


class Problem(msgspec.Struct, frozen=True):
    """Where the chain does not hold, and how."""

    seq: int
    text: str


def genesis(log: str) -> str:
    """What the first event of a log names as the previous hash."""
    return PREFIX + hashlib.sha256(b"\x00tenure audit log " + log.encode()).hexdigest()


def event_hash(event: AuditEvent) -> str:
    """The hash of an event over everything but its `hash`."""
    return PREFIX + hashlib.sha256(b"\x00" + canonical(_body(event))).hexdigest()


def link(
    head: AuditHead, *, at: datetime, actor: str, action: str, subject: str, data: Mapping[str, Any]
) -> AuditEvent:
    """The event that follows `head`. `data` becomes plain JSON: dates are text, NaN is null."""
    plain = json_decoder(dict[str, Any]).decode(msgspec.json.encode(dict(data)))
    event = AuditEvent(head.seq + 1, at, actor, action, subject, plain, head.hash, "")
    return msgspec.structs.replace(event, hash=event_hash(event))


def verify(
    events: Iterable[AuditEvent], head: AuditHead | None = None, checkpoints: Iterable[AuditHead] = ()
) -> list[Problem]:
    """Everything that is wrong with a whole log, in order; empty when it holds.

    `head` is the end the log should have; `checkpoints` are ends it had at some time. Both also fix its name, without
    which the first event cannot be tied to this log.
    """
    kept = list(checkpoints) + ([] if head is None else [head])
    problems = []
    names = {mark.log for mark in kept}
    if len(names) > 1:
        problems.append(Problem(0, "The checkpoints belong to different logs."))
    marks = {(mark.seq, mark.hash) for mark in kept if mark.seq}
    expected, previous, last = 1, genesis(next(iter(names))) if len(names) == 1 else None, 0
    for event in events:
        if event.seq != expected:
            problems.append(Problem(event.seq, _out_of_order(event.seq, expected)))
        if event.hash != event_hash(event):
            problems.append(Problem(event.seq, "The event was changed: its content does not match its hash."))
        if previous is not None and event.previous != previous:
            problems.append(Problem(event.seq, "The event does not follow the one before it."))
        marks.discard((event.seq, event.hash))
        previous, last, expected = event.hash, event.seq, event.seq + 1
    problems += [
        Problem(seq, f"Event {seq} of a checkpoint is not in the log: it was cut off or rewritten.")
        for seq, _ in sorted(marks)
    ]
    if head is not None and last > head.seq:
        problems.append(Problem(last, f"The log goes on after its recorded end, event {head.seq}."))
    return problems


def export(events: Iterable[AuditEvent]) -> Iterator[bytes]:
    """The log as NDJSON, one event per line; each line is the canonical JSON of the event."""
    for event in events:
        yield canonical({**_body(event), "hash": event.hash}) + b"\n"


def parse(lines: Iterable[bytes]) -> Iterator[AuditEvent]:
    """Events of an exported log. Raises msgspec.ValidationError for a line that is none."""
    decoder = json_decoder(AuditEvent)
    for line in lines:
        if line.strip():
            yield decoder.decode(line)


def _body(event: AuditEvent) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.to_builtins(event)
    del body["hash"]
    return body


def _out_of_order(seq: int, expected: int) -> str:
    if seq < expected:
        return f"Event {seq} stands where {expected} is due: it is doubled or was moved."
    return f"Event {seq} stands where {expected} is due: events are missing or were moved."
