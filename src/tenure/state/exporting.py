"""The whole state as JSON lines: sorted, the same bytes for the same content whatever database it lies in.

The first line says what it is, then come documents, trials, each model with its records, the journal and the audit log;
the last line has the number of lines and the SHA-256 of all bytes before it, so that a file that was cut off or edited
does not pass. Leases are no part of it, nor are the numbers a database gives its rows, nor the revisions of models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any, BinaryIO

import msgspec

from tenure.core.errors import StateError
from tenure.state.database import Rows
from tenure.state.encoding import CONFIG, decode
from tenure.state.reading import JOURNAL_COLUMNS, journal_entry
from tenure.state.store import AuditEvent, AuditHead, JournalEntry

EXPORT_VERSION = 1
"""The version of the file, apart from the format of the state in it."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]

_PAGE = 500


class _Line(msgspec.Struct, frozen=True, tag_field="kind", tag=str.lower, forbid_unknown_fields=True):
    """One line of an export; `kind` tells which."""


class State(_Line, frozen=True):
    """The first line: which state this is. `audit` is the end that its audit log has."""

    export: Count
    format: Count
    hash_version: Count
    tool: str
    lineage: str
    changes: Count
    audit: AuditHead


class Document(_Line, frozen=True):
    """A configuration, or the effects of one, under the digest of its bytes."""

    digest: str
    body: msgspec.Raw


class Trial(_Line, frozen=True):
    """A finished trial; MessagePack in base64, since scores may be what JSON cannot say."""

    search: str
    number: Count
    body: bytes


class Model(_Line, frozen=True):
    """A model; what belongs to it follows."""

    model: str
    lineage: str
    serial: Count


class Record(_Line, frozen=True):
    """A record, numbered within its model from 1, oldest first. `at` is when it was recorded."""

    number: Count
    at: str
    config: str
    effects: str
    body: msgspec.Raw


class Head(_Line, frozen=True):
    """Which record counts now (ordinal 0), or was the last of a version."""

    local: str
    ordinal: Count
    record: Count


class Fact(_Line, frozen=True):
    """A cause."""

    body: msgspec.Raw


class Approval(_Line, frozen=True):
    """A decision."""

    body: msgspec.Raw


class Acknowledgement(_Line, frozen=True):
    """What a consumer confirmed."""

    body: msgspec.Raw


class Observation(_Line, frozen=True):
    """A verdict."""

    body: msgspec.Raw


class Tombstone(_Line, frozen=True):
    """The end of a model."""

    body: msgspec.Raw


class Journal(_Line, frozen=True):
    """A step of an apply."""

    entry: JournalEntry


class Audit(_Line, frozen=True):
    """A link of the audit log."""

    event: AuditEvent


class End(_Line, frozen=True):
    """The last line."""

    lines: Count
    sha256: str


Line = (
    State | Document | Trial | Model | Record | Head | Fact | Approval | Acknowledgement | Observation
    | Tombstone | Journal | Audit | End
)  # fmt: skip

_ENCODER = msgspec.json.Encoder(order="deterministic")


def write_export(rows: Rows, stream: BinaryIO) -> End:
    """Write everything that `rows` shows, a piece at a time, and return the last line. Raises StateError."""
    return _write(_lines(rows), stream)


def write_model(rows: Rows, model: str, stream: BinaryIO) -> End:
    """Write everything recorded about one model, to be read by people and programs; it is no state to import."""
    return _write(_lines_of(rows, model), stream)


def _write(lines: Iterator[Line], stream: BinaryIO) -> End:
    hasher, count = hashlib.sha256(), 0
    for line in lines:
        text = _ENCODER.encode(line) + b"\n"
        hasher.update(text)
        stream.write(text)
        count += 1
    end = End(lines=count, sha256=hasher.hexdigest())
    stream.write(_ENCODER.encode(end) + b"\n")
    return end


def _lines(rows: Rows) -> Iterator[Line]:
    ((number, lineage, changes, seq, last),) = rows(
        "SELECT format, lineage, changes, audit_seq, audit_hash FROM meta", {}
    )
    hash_version, tool = 1, ""
    if number > 1:
        ((hash_version, tool),) = rows("SELECT hash_version, tool FROM meta", {})
    yield State(EXPORT_VERSION, number, hash_version, tool, lineage, changes, AuditHead(lineage, seq, last))
    for digest, body in paged(
        rows, "SELECT digest, body FROM documents WHERE digest > :after ORDER BY digest", ""
    ):
        yield Document(digest, _raw(body))
    yield from _trials(rows)
    # Databases disagree about the order of texts, so it is decided here.
    for model, line, serial in sorted(rows("SELECT model, lineage, serial FROM models", {})):
        yield Model(model, line, serial)
        yield from _belongings(rows, model)
    for row in paged(rows, f"SELECT {JOURNAL_COLUMNS} FROM journal WHERE id > :after ORDER BY id", 0):
        yield Journal(journal_entry(row))
    for row in paged(rows, f"SELECT {AUDIT_COLUMNS} FROM audit WHERE seq > :after ORDER BY seq", 0):
        yield Audit(audit_event(row))


def _lines_of(rows: Rows, model: str) -> Iterator[Line]:
    of = {"model": model}
    for digest, body in paged(
        rows,
        "SELECT digest, body FROM documents WHERE digest > :after AND (id IN (SELECT config FROM records "
        "WHERE model = :model) OR id IN (SELECT effects FROM records WHERE model = :model)) ORDER BY digest",
        "",
        of,
    ):
        yield Document(digest, _raw(body))
    for name, line, serial in rows("SELECT model, lineage, serial FROM models WHERE model = :model", of):
        yield Model(name, line, serial)
        yield from _belongings(rows, name)
    journal = f"SELECT {JOURNAL_COLUMNS} FROM journal WHERE model = :model AND id > :after ORDER BY id"
    for row in paged(rows, journal, 0, of):
        yield Journal(journal_entry(row))


def _trials(rows: Rows) -> Iterator[Trial]:
    after: tuple[str, int] = ("", -1)
    while True:
        page = rows(
            "SELECT search, number, body FROM trials WHERE (search, number) > (:search, :number) "
            "ORDER BY search, number LIMIT :page",
            {"search": after[0], "number": after[1], "page": _PAGE},
        )
        for search, number, body in page:
            yield Trial(search, number, bytes(body))
            after = (search, number)
        if len(page) < _PAGE:
            return


def _belongings(rows: Rows, model: str) -> Iterator[Line]:
    """Everything recorded about one model."""
    of = {"model": model}
    numbers: dict[int, int] = {}
    records = (
        "SELECT records.id, records.at, configs.digest, effects.digest, records.body FROM records "
        "JOIN documents AS configs ON configs.id = records.config "
        "JOIN documents AS effects ON effects.id = records.effects "
        "WHERE records.model = :model AND records.id > :after ORDER BY records.id"
    )
    for key, at, config, effects, body in paged(rows, records, 0, of):
        numbers[key] = len(numbers) + 1
        yield Record(numbers[key], at, config, effects, _raw(body))
    for local, ordinal, record in sorted(
        rows("SELECT local, ordinal, record FROM heads WHERE model = :model", of)
    ):
        if record not in numbers:
            raise StateError(
                "The recorded state is damaged",
                f"{model}/{local} points at a record that is not there.",
                "See what is wrong and what can be repaired: tenure state doctor",
            )
        yield Head(local, ordinal, numbers[record])
    for _, _, body in sorted(rows("SELECT at, id, body FROM facts WHERE model = :model", of)):
        yield Fact(_raw(body))
    for (body,) in rows("SELECT body FROM approvals WHERE model = :model ORDER BY id", of):
        yield Approval(_raw(body))
    for (body,) in rows("SELECT body FROM acknowledgements WHERE model = :model ORDER BY id", of):
        yield Acknowledgement(_raw(body))
    for _, _, body in sorted(
        rows("SELECT signal, window_start, body FROM observations WHERE model = :model", of)
    ):
        yield Observation(_raw(body))
    for (body,) in rows("SELECT body FROM tombstones WHERE model = :model", of):
        yield Tombstone(_raw(body))


AUDIT_COLUMNS = "seq, at, actor, action, subject, data, previous, hash"


def audit_event(row: tuple[Any, ...]) -> AuditEvent:
    """An event from a row of `AUDIT_COLUMNS`."""
    seq, at, actor, action, subject, data, previous, digest = row
    facts = decode(CONFIG, data, f"audit event {seq}")
    return AuditEvent(seq, datetime.fromisoformat(at), actor, action, subject, facts, previous, digest)


def paged(
    rows: Rows, sql: str, after: int | str, parameters: Mapping[str, Any] = MappingProxyType({})
) -> Iterator[tuple[Any, ...]]:
    """All rows of a SELECT, a page at a time. Its first column is the one that `:after` is compared with."""
    while True:
        page = rows(f"{sql} LIMIT :page", {**parameters, "after": after, "page": _PAGE})
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1][0]


def _raw(body: bytes) -> msgspec.Raw:
    """A recorded value as it stands, on one line."""
    text = bytes(body)
    return msgspec.Raw(msgspec.json.format(text, indent=-1) if b"\n" in text else text)
