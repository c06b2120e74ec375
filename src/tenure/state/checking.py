"""Whether a state holds together: every value reads, every reference leads somewhere, the log says the same.

Pure reading, a page at a time, table by table. What is found are values; what they mean to a person and what can be
done is for whoever shows them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from tenure.core.decoding import JsonDecoder
from tenure.core.digest import digest_bytes
from tenure.core.errors import StateError
from tenure.state import chain, encoding, listing
from tenure.state.database import Rows
from tenure.state.encoding import FORMAT, instant
from tenure.state.exporting import AUDIT_COLUMNS, audit_event, paged
from tenure.state.store import AuditEvent, AuditHead
from tenure.state.vouching import Vouching

Kind = Literal[
    "format",
    "database",
    "unreadable",
    "misplaced",
    "reference",
    "head",
    "step",
    "lease",
    "audit",
    "unvouched",
]


class Flaw(msgspec.Struct, frozen=True):
    """Something that is not as it has to be. `subject` is a model, an address, or a row of a table."""

    kind: Kind
    subject: str
    text: str
    model: str = ""


def flaws(rows: Rows, *, file: bool) -> Iterator[Flaw]:
    """Everything that is wrong with a state, check after check. `file`: it is a SQLite file, which may be broken."""
    with Vouching() as vouching:
        checks = (
            _format(rows),
            _pages(rows) if file else (),
            _documents(rows),
            _records(rows, vouching),
            heads(rows),
            _rest(rows),
            _steps(rows),
            _leases(rows),
            _audit(rows, vouching),
        )
        for check in checks:
            try:
                yield from check
            except sqlite3.Error as error:
                yield Flaw("database", "state", f"A part of it cannot be read: {error}.")


def _format(rows: Rows) -> Iterator[Flaw]:
    ((found,),) = rows("SELECT format FROM meta", {})
    if found < FORMAT:
        yield Flaw("format", "state", f"It has format {found}; this version writes {FORMAT}.")


def _pages(rows: Rows) -> Iterator[Flaw]:
    """What SQLite says about its own file. Other databases look after their pages themselves."""
    for (text,) in rows("SELECT integrity_check FROM pragma_integrity_check", {}):
        if text != "ok":
            yield Flaw("database", "state", str(text))


def _documents(rows: Rows) -> Iterator[Flaw]:
    for number, digest, body in paged(
        rows, "SELECT id, digest, body FROM documents WHERE id > :after ORDER BY id", 0
    ):
        if digest_bytes(body.encode() if isinstance(body, str) else bytes(body)) != digest:
            yield Flaw("unreadable", f"document {number}", f"It is not what its digest {digest} says.")


def _records(rows: Rows, vouching: Vouching) -> Iterator[Flaw]:
    models: dict[str, int] = dict(rows("SELECT model, serial FROM models", {}))
    documents = {number for (number,) in rows("SELECT id FROM documents", {})}
    causes = {fact for (fact,) in rows("SELECT id FROM facts", {})}
    columns = "id, model, local, ordinal, config, effects, body"
    for row in paged(rows, f"SELECT {columns} FROM records WHERE id > :after ORDER BY id", 0):
        number, model, local, ordinal, config, effects, body = row
        subject = f"{model}/{local}"
        if model not in models:
            yield Flaw("reference", subject, f"Record {number} belongs to a model that is not there.", model)
        if lost := sorted({config, effects} - documents):
            yield Flaw(
                "reference",
                subject,
                f"Record {number} refers to document {lost[0]}, which is not there.",
                model,
            )
        try:
            record = encoding.RECORD.decode(body)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            yield Flaw("unreadable", subject, f"Record {number} cannot be read: {error}.", model)
            continue
        if (record.address, record.ordinal or 0) != (subject, ordinal):
            yield Flaw("misplaced", subject, f"Record {number} is one of {record.address}.", model)
        if record.serial > models.get(model, record.serial):
            text = f"Record {number} has serial {record.serial}; the model is at {models[model]}."
            yield Flaw("misplaced", subject, text, model)
        if unknown := [cause for cause in record.causes if cause not in causes]:
            yield Flaw(
                "reference",
                subject,
                f"Record {number} names the cause {unknown[0]}, which is not there.",
                model,
            )
        vouching.add(model, local, record, f"{subject}, record {number}")


def heads(rows: Rows) -> Iterator[Flaw]:
    """Heads that do not point at the last record of their address, or of their version."""
    there = {(model, local, ordinal): record for model, local, ordinal, record in
             rows("SELECT model, local, ordinal, record FROM heads", {})}  # fmt: skip
    due = heads_due(rows)
    for place in sorted(there.keys() | due.keys()):
        model, local, ordinal = place
        named = f"{model}/{local}" + (f", version {ordinal}" if ordinal else "")
        if place not in due:
            yield Flaw("head", named, "It points at a record although there is none.", model)
        elif place not in there:
            yield Flaw("head", named, f"Nothing points at its last record, {due[place]}.", model)
        elif there[place] != due[place]:
            text = f"It points at record {there[place]}; the last one is {due[place]}."
            yield Flaw("head", named, text, model)


def heads_due(rows: Rows, model: str | None = None) -> dict[tuple[str, str, int], int]:
    """The record every head should point at: the last of an address (ordinal 0), and of each of its versions."""
    where, of = ("", {}) if model is None else ("WHERE model = :model", {"model": model})
    found: dict[tuple[str, str, int], int] = {}
    for name, local, ordinal, record in rows(
        f"SELECT model, local, ordinal, MAX(id) FROM records {where} GROUP BY model, local, ordinal", of
    ):
        if ordinal:
            found[name, local, ordinal] = record
        found[name, local, 0] = max(record, found.get((name, local, 0), 0))
    return found


def _rest(rows: Rows) -> Iterator[Flaw]:
    """Facts, decisions, verdicts, tombstones, trials: each reads, and stands where it says that it belongs."""
    models = {model for (model,) in rows("SELECT model FROM models", {})}
    for table, decoder, columns, order in _TABLES:
        for row in _whole(rows, table, columns, order):
            model, body = row[0], row[-1]
            named = f"{table} of {model}"
            if model not in models:
                yield Flaw("reference", named, "The model is not there.", model)
            try:
                value = decoder.decode(body)
            except (msgspec.MsgspecError, ValueError, RecursionError) as error:
                yield Flaw("unreadable", named, f"A row cannot be read: {error}.", model)
                continue
            if tuple(row[:-1]) != _columns_of(value, columns):
                yield Flaw(
                    "misplaced", named, f"A row is one of {value.model}, or of another time or name.", model
                )
    for search, number, body in _whole(rows, "trials", ("search", "number"), "search, number"):
        try:
            encoding.TRIAL.decode(body)
        except (msgspec.MsgspecError, TypeError, RecursionError) as error:
            yield Flaw("unreadable", f"trial {number} of {search}", f"It cannot be read: {error}.")


def _steps(rows: Rows) -> Iterator[Flaw]:
    held = {one.model: one for one in listing.holdings(rows)}
    for number, model, address, action, apply_id in rows(
        "SELECT id, model, address, action, apply_id FROM journal WHERE ended_at IS NULL ORDER BY id", {}
    ):
        if model in held and held[model].alive:
            continue
        yield Flaw(
            "step", address, f"Step {number} ({action}) of apply {apply_id} was begun and never ended.", model
        )


def _leases(rows: Rows) -> Iterator[Flaw]:
    for holding in listing.holdings(rows):
        if not holding.alive:
            text = f"It is held by {holding.holder} since {holding.since:%Y-%m-%d %H:%M:%S} UTC, who is gone."
            yield Flaw("lease", holding.model, text, holding.model)


def _audit(rows: Rows, vouching: Vouching) -> Iterator[Flaw]:
    ((lineage, seq, last),) = rows("SELECT lineage, audit_seq, audit_hash FROM meta", {})
    wrong: list[Flaw] = []

    def events() -> Iterator[AuditEvent]:
        for row in paged(rows, f"SELECT {AUDIT_COLUMNS} FROM audit WHERE seq > :after ORDER BY seq", -1):
            event = audit_event(row)
            if other := vouching.hear(event):
                wrong.append(Flaw("unvouched", other, f"Event {event.seq} of the audit log says otherwise."))
            yield event

    try:
        problems = chain.verify(events(), AuditHead(lineage, seq, last))
    except (StateError, ValueError) as error:
        yield Flaw("audit", "audit log", str(error))
        return
    yield from (Flaw("audit", f"event {problem.seq}", problem.text) for problem in problems)
    yield from wrong
    for subject in vouching.left():
        yield Flaw("unvouched", subject, "The audit log does not mention it.")


def is_address(text: str) -> bool:
    """Whether this names a resource: model, stage and noun."""
    return len(parts := text.split("/")) == 3 and all(parts)


_TABLES: tuple[tuple[str, JsonDecoder[Any], tuple[str, ...], str], ...] = (
    ("facts", encoding.FACT, ("model", "id", "key", "at", "settled_at"), "id"),
    ("approvals", encoding.APPROVAL, ("model", "at"), "id"),
    ("acknowledgements", encoding.ACKNOWLEDGEMENT, ("model", "at"), "id"),
    (
        "observations",
        encoding.OBSERVATION,
        ("model", "signal", "window_start", "at"),
        "model, signal, window_start",
    ),
    ("tombstones", encoding.TOMBSTONE, ("model", "at"), "model"),
)
"""The tables whose columns repeat fields of the value in their `body`, so that they can be searched."""


def _whole(rows: Rows, table: str, columns: tuple[str, ...], order: str) -> Iterator[tuple[Any, ...]]:
    """All rows of a table in an order of its own, a page at a time."""
    position = 0
    listed = ", ".join((*columns, "body"))
    while True:
        page = rows(
            f"SELECT {listed} FROM {table} ORDER BY {order} LIMIT :page OFFSET :position",
            {"page": 1_000, "position": position},
        )
        yield from page
        position += len(page)
        if len(page) < 1_000:
            return


def _columns_of(value: Any, names: tuple[str, ...]) -> tuple[Any, ...]:
    found = (getattr(value, name) for name in names)
    return tuple(instant(item) if hasattr(item, "astimezone") else item for item in found)
