"""What happened to a model, as one line of time out of records, journal, causes, decisions and audit log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import msgspec

from tenure.core.units import format_seconds
from tenure.engine.life import Chronicle, version_of
from tenure.engine.surgery import ENDPOINT, shares
from tenure.render.page import Line, Styled, line
from tenure.render.wording import moment, number
from tenure.state.record import Record
from tenure.state.store import AuditEvent

STYLES = {
    "applied": "good",
    "failed": "bad",
    "blocked": "blocked",
    "interrupted": "caution",
    "cause": "caution",
}

FOLLOWING = ("new", "input_changed", "input_renewed", "new_version", "cause")
"""Reasons that follow from another step of the same apply, or are told by the cause itself."""

TOLD = ("approval.", "acknowledgement.", "fact.", "step.")
"""Events of the audit log that are told from what they are about."""

_ORDER = ("cause", "approved", "rejected", "acknowledged", "applied", "retired")
"""Of what has the same time, what came first."""


class Happening(msgspec.Struct, frozen=True):
    """Something that happened: an apply, a step that failed, a cause, a decision, work on the state, the end.

    `addresses` are the resources it was about, within the model; `serves` the shares of the traffic (percent) by
    version from then on, where they changed.
    """

    at: datetime
    kind: str
    by: str
    sentence: str
    steps: tuple[str, ...] = ()
    apply_id: str = ""
    addresses: tuple[str, ...] = ()
    serves: dict[int, float] | None = None


def happenings(life: Chronicle) -> tuple[Happening, ...]:
    """Everything recorded about a model, oldest first; the steps of one apply together."""
    found = [*_applies(life), *_not_done(life), *_causes(life), *_decisions(life), *_events(life.events)]
    if life.state.tombstone is not None:
        stone = life.state.tombstone
        successor = f"; {stone.successor} takes over" if stone.successor else ""
        found.append(Happening(stone.at, "retired", stone.by, f"retired for good{successor}"))
    order = {kind: position for position, kind in enumerate(_ORDER)}
    return tuple(sorted(found, key=lambda item: (item.at, order.get(item.kind, order["applied"]))))


def history_lines(model: str, entries: Sequence[Happening], *, steps: bool = False) -> list[Line]:
    """One line each; with `steps` those of every apply below it."""
    lines = [line(Styled(model, "title"))]
    for entry in entries:
        kind = Styled(f"{entry.kind:<14}", STYLES.get(entry.kind, "update"))
        lines.append(
            line(Styled(f"{moment(entry.at)}  ", "quiet"), kind, f"{entry.by}: {entry.sentence}", hang=26)
        )
        if steps:
            lines += [line(step, indent=26) for step in entry.steps]
    return lines


def serves_words(routes: Mapping[int, float]) -> str:
    """`version 2 serves`, `version 2 serves 10 %, version 1 90 %` or `nothing serves`."""
    if not routes:
        return "nothing serves"
    if len(routes) == 1:
        return f"version {next(iter(routes))} serves"
    (first, share), *others = routes.items()
    rest = "".join(f", version {version} {number(part)} %" for version, part in others)
    return f"version {first} serves {number(share)} %{rest}"


def _applies(life: Chronicle) -> Iterator[Happening]:
    entries = {(entry.apply_id, entry.address): entry for entry in life.journal}
    sentences = {key: fact.sentence for key, fact in life.facts.items()}
    before: dict[int, float] = {}
    for apply_id, group in groupby(life.records, key=lambda record: record.apply_id):
        made = list(group)
        steps = []
        reasons = [sentences[cause] for record in made for cause in record.causes if cause in sentences]
        for record in made:
            entry = entries.get((apply_id, record.address))
            why = entry.reason.replace("_", " ") if entry else "recorded"
            done = entry.action if entry else "made"
            steps.append(f"{_local(record)}: {done}, {why}, {format_seconds(record.seconds)}")
            if entry and entry.reason not in FOLLOWING:
                reasons.append(f"{_local(record)} {why}")
        after = _serves(made)
        changed = after is not None and after != before
        names = tuple(dict.fromkeys(_local(record) for record in made))
        yield Happening(
            at=made[-1].at,
            kind="applied",
            by=made[-1].by,
            sentence=_applied(made, after if changed else None, names, reasons),
            steps=tuple(steps),
            apply_id=apply_id,
            addresses=names,
            serves=after if changed else None,
        )
        before = before if after is None else after


def _applied(
    made: Sequence[Record], serves: Mapping[int, float] | None, names: Sequence[str], reasons: Sequence[str]
) -> str:
    versions = [record.ordinal for record in made if record.ordinal is not None]
    parts = [f"version {max(versions)}"] if versions else []
    if serves is not None:
        parts.append(serves_words(serves))
    because = f" ({'; '.join(dict.fromkeys(reasons))})" if reasons else ""
    listed = ", ".join(names)
    return f"{'; '.join(parts)}{because}: {listed}" if parts else f"{listed}{because}"


def _serves(made: Sequence[Record]) -> dict[int, float] | None:
    """What serves after an apply; None when it did not touch the endpoint."""
    endpoints = [record for record in made if _local(record) == ENDPOINT]
    return shares(endpoints[-1]) if endpoints else None


def _not_done(life: Chronicle) -> Iterator[Happening]:
    for entry in life.journal:
        if entry.outcome in ("failed", "blocked", "interrupted"):
            local = entry.address.partition("/")[2]
            said = f"{local}: {entry.detail or entry.action}"
            at = entry.ended_at or entry.begun_at
            yield Happening(at, entry.outcome, entry.by, said, apply_id=entry.apply_id, addresses=(local,))


def _causes(life: Chronicle) -> Iterator[Happening]:
    for fact in life.facts.values():
        asks = "" if fact.mode == "notify" else f" [asks for {fact.do}]"
        address = str(fact.evidence.get("address", "")).partition("/")[2]
        about = (address,) if address else ()
        yield Happening(fact.at, "cause", fact.by, f"{fact.sentence}{asks}", addresses=about)


def _decisions(life: Chronicle) -> Iterator[Happening]:
    for approval in life.state.approvals:
        kind = "approved" if approval.decision == "approve" else "rejected"
        version = version_of(life, approval)
        about = "a plan" if version is None else f"version {version}"
        said = f"{about} as {approval.role}: {approval.reason}"
        yield Happening(approval.at, kind, approval.by, said, addresses=("governance/approval",))
    for item in life.state.acknowledgements:
        said = f"{item.consumer}: {item.reason}"
        yield Happening(item.at, "acknowledged", item.by, said, addresses=("retirement/policy",))


def _events(events: Sequence[AuditEvent]) -> Iterator[Happening]:
    """Work on the state itself: a lease that was ended, labels that arrived, a model that got another name."""
    for event in events:
        if event.action.startswith(TOLD):
            continue
        data: Mapping[str, Any] = event.data
        told = ", ".join(
            f"{key} {value}" for key, value in data.items() if isinstance(value, str | int | float)
        )
        yield Happening(event.at, event.action.replace(".", " "), event.actor, told or "done")


def _local(record: Record) -> str:
    return record.address.partition("/")[2]
