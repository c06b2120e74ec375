"""What happened to a model, as one line of time out of records, journal, causes and decisions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby

import msgspec

from tenure.core.units import format_seconds
from tenure.render.page import Line, Styled, line
from tenure.render.wording import moment
from tenure.state.record import ModelState, Record
from tenure.state.store import JournalEntry

STYLES = {
    "applied": "good",
    "failed": "bad",
    "blocked": "blocked",
    "interrupted": "caution",
    "cause": "caution",
}

FOLLOWING = ("new", "input_changed", "input_renewed", "new_version", "cause")
"""Reasons that follow from another step of the same apply, or are told by the cause itself."""


class Happening(msgspec.Struct, frozen=True):
    """Something that happened: an apply, a step that did not go through, a cause, a decision, the end."""

    at: datetime
    kind: str
    by: str
    sentence: str
    steps: tuple[str, ...] = ()
    apply_id: str = ""


def happenings(
    state: ModelState, records: Sequence[Record], journal: Iterable[JournalEntry]
) -> tuple[Happening, ...]:
    """Everything recorded about a model, oldest first; the steps of one apply together."""
    found = [*_applies(state, records, journal), *_not_done(journal), *_causes(state), *_decisions(state)]
    if state.tombstone is not None:
        stone = state.tombstone
        successor = f"; {stone.successor} takes over" if stone.successor else ""
        found.append(Happening(stone.at, "retired", stone.by, f"retired for good{successor}"))
    return tuple(
        sorted(found, key=lambda item: (item.at, item.kind in ("applied", "retired"), item.kind == "retired"))
    )


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


def _applies(
    state: ModelState, records: Sequence[Record], journal: Iterable[JournalEntry]
) -> Iterator[Happening]:
    entries = {(entry.apply_id, entry.address): entry for entry in journal}
    sentences = {fact.id: fact.sentence for fact in state.facts}
    for apply_id, group in groupby(records, key=lambda record: record.apply_id):
        made = list(group)
        steps = []
        reasons = [sentences[cause] for record in made for cause in record.causes if cause in sentences]
        for record in made:
            entry = entries.get((apply_id, record.address))
            local = record.address.split("/", 1)[-1]
            why = entry.reason.replace("_", " ") if entry else "recorded"
            steps.append(
                f"{local}: {entry.action if entry else 'made'}, {why}, {format_seconds(record.seconds)}"
            )
            if entry and entry.reason not in FOLLOWING:
                reasons.append(f"{local} {why}")
        versions = [record.ordinal for record in made if record.ordinal is not None]
        names = ", ".join(dict.fromkeys(record.address.split("/", 1)[-1] for record in made))
        because = f" ({'; '.join(dict.fromkeys(reasons))})" if reasons else ""
        said = f"version {max(versions)}{because}: {names}" if versions else f"{names}{because}"
        yield Happening(made[-1].at, "applied", made[-1].by, said, tuple(steps), apply_id)


def _not_done(journal: Iterable[JournalEntry]) -> Iterator[Happening]:
    for entry in journal:
        if entry.outcome in ("failed", "blocked", "interrupted"):
            said = f"{entry.address.split('/', 1)[-1]}: {entry.detail or entry.action}"
            at = entry.ended_at or entry.begun_at
            yield Happening(at, entry.outcome, entry.by, said, apply_id=entry.apply_id)


def _causes(state: ModelState) -> Iterator[Happening]:
    for fact in state.facts:
        asks = "" if fact.mode == "notify" else f" [asks for {fact.do}]"
        yield Happening(fact.at, "cause", fact.by, f"{fact.sentence}{asks}")


def _decisions(state: ModelState) -> Iterator[Happening]:
    for approval in state.approvals:
        kind = "approved" if approval.decision == "approve" else "rejected"
        yield Happening(approval.at, kind, approval.by, f"as {approval.role}: {approval.reason}")
    for item in state.acknowledgements:
        yield Happening(item.at, "acknowledged", item.by, f"{item.consumer}: {item.reason}")
