"""Reading an export back: everything is verified before the first write, and everything is written at once.

A file is read twice, a line at a time: once to verify it, once to write it; the second reading has to come to the
same checksum. What an honest export looks like is checked to the letter (kinds, order, references, digests, the chain
of the audit log, what the log says about each record), so that nothing gets in by hand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

import msgspec

from tenure.core.address import Address
from tenure.core.decoding import JsonDecoder, json_decoder
from tenure.core.digest import HASH_VERSION, digest_bytes
from tenure.core.errors import StateError, StateTooNew, StateTooOld
from tenure.state import chain, encoding, exporting
from tenure.state.checking import is_address
from tenure.state.encoding import FORMAT, OLDEST_READABLE, instant
from tenure.state.exporting import EXPORT_VERSION, Line
from tenure.state.store import AuditEvent
from tenure.state.vouching import Vouching

Value = TypeVar("Value")

LONGEST_LINE = 64 << 20
"""Bytes. No record comes near; a file without line breaks must not fill the memory."""

_LARGEST = 2**63 - 1
_LINE = json_decoder(cast("type[Line]", Line))


class Contents(msgspec.Struct, frozen=True):
    """What a verified export holds. `unvouched` counts records that its audit log does not mention."""

    state: exporting.State
    end: exporting.End
    models: int
    records: int
    events: int
    unvouched: int


def verify(path: Path) -> Contents:
    """Read a whole export and check everything in it. Raises StateError, naming the line, for anything wrong."""
    with _opened(path) as stream, Vouching() as vouching:
        return _Reading(path, stream, vouching).take()


def lines(path: Path, end: exporting.End) -> Iterator[Line]:
    """The lines of a verified export once more, without its last. Raises StateError when the file has changed since."""
    with _opened(path) as stream:
        hasher = hashlib.sha256()
        for number in range(1, end.lines + 1):
            text = stream.readline(LONGEST_LINE)
            hasher.update(text)
            yield _decoded(path, number, text)
        if hasher.hexdigest() != end.sha256:
            raise _refused(path, 0, "it changed while it was read")


class _Reading:
    """One pass over an export, in the order its lines must have."""

    def __init__(self, path: Path, stream: BinaryIO, vouching: Vouching) -> None:
        self.path, self.stream, self.vouching = path, stream, vouching
        self.hasher = hashlib.sha256()
        self.number = self.in_hand = 0
        self.documents: set[bytes] = set()
        self.facts: set[str] = set()
        self.models = self.records = 0
        self.ahead: Line = self._next()

    # ---- the file as a whole -------------------------------------------------------------------------------------

    def take(self) -> Contents:
        state = self._one(exporting.State, "it is not an export of a Tenure state")
        self._known(state)
        self._documents()
        self._trials()
        self._models()
        self._journal()
        events = self._audit(state)
        read, total = self.hasher.hexdigest(), self.number - 1
        end = self.ahead
        self.in_hand = self.number
        if not isinstance(end, exporting.End):
            raise self._wrong(f"a line of kind {type(end).__name__.lower()} stands where none is due")
        if end.lines != total or end.sha256 != read:
            raise self._wrong("the checksum in the last line is not that of the lines before it")
        if self.stream.read(1):
            raise self._wrong("something follows the last line")
        unvouched = sum(1 for _ in self.vouching.left())
        return Contents(state, end, self.models, self.records, events, unvouched)

    def _known(self, state: exporting.State) -> None:
        if state.export > EXPORT_VERSION or state.format > FORMAT or state.hash_version > HASH_VERSION:
            raise StateTooNew(
                "The export was written by a later version of Tenure",
                f"{self.path} is version {state.export} with a state of format {state.format};"
                f" this version understands {EXPORT_VERSION} and {FORMAT}. Nothing was changed.",
                "Install the version that wrote it, or a later one.",
            )
        if (state.export, state.hash_version) != (
            EXPORT_VERSION,
            HASH_VERSION,
        ) or state.format < OLDEST_READABLE:
            raise StateTooOld(
                "The export has an older format",
                f"{self.path} has a state of format {state.format}; this version reads {OLDEST_READABLE} to {FORMAT}.",
                "Upgrade the state it came from with tenure state upgrade, and export that again.",
            )
        if state.audit.log != state.lineage:
            raise self._wrong("its audit log belongs to another state")

    def _documents(self) -> None:
        last = ""
        for line in self._all(exporting.Document):
            self._ascending(line.digest > last, "documents")
            last = line.digest
            if digest_bytes(bytes(line.body)) != line.digest:
                raise self._wrong("the document does not match its digest")
            self._value(encoding.CONFIG, line.body)
            self.documents.add(_packed(line.digest))

    def _trials(self) -> None:
        last = ("", -1)
        for line in self._all(exporting.Trial):
            self._ascending((line.search, line.number) > last, "trials")
            last = (line.search, line.number)
            try:
                number = encoding.TRIAL.decode(line.body).number
            except (msgspec.MsgspecError, RecursionError) as error:
                raise self._wrong(f"the trial cannot be read ({error})") from error
            if number != line.number:
                raise self._wrong("the trial has another number")

    def _journal(self) -> None:
        last = 0
        for line in self._all(exporting.Journal):
            self._ascending(last < line.entry.id <= _LARGEST, "journal entries")
            last = line.entry.id

    def _audit(self, state: exporting.State) -> int:
        count = 0

        def events() -> Iterator[AuditEvent]:
            nonlocal count
            for line in self._all(exporting.Audit):
                count += 1
                if other := self.vouching.hear(line.event):
                    raise self._wrong(f"a record of {other} is not what the audit log says was recorded")
                yield line.event

        problems = chain.verify(events(), state.audit)
        if state.audit.seq > count:
            problems.append(chain.Problem(count, f"The log ends with event {count} of {state.audit.seq}."))
        if problems:
            raise self._wrong(f"its audit log does not hold. {problems[0].text}")
        return count

    # ---- one model -----------------------------------------------------------------------------------------------

    def _models(self) -> None:
        last = ""
        for line in self._all(exporting.Model):
            self._ascending(line.model > last, "models")
            last = line.model
            self.models += 1
            self._belongings(line)

    def _belongings(self, model: exporting.Model) -> None:
        places: list[tuple[str, int]] = []
        for line in self._all(exporting.Record):
            self._ascending(line.number == len(places) + 1, "records")
            places.append(self._record(model, line))
        self.records += len(places)
        last = ("", -1)
        for head in self._all(exporting.Head):
            self._ascending((head.local, head.ordinal) > last, "heads")
            last = (head.local, head.ordinal)
            found = places[head.record - 1] if 0 < head.record <= len(places) else ("", 0)
            if found[0] != head.local or head.ordinal not in (0, found[1]):
                raise self._wrong("the head points at a record of something else")
        self._facts(model)
        for approval in self._all(exporting.Approval):
            self._of(model, self._value(encoding.APPROVAL, approval.body).model)
        for acknowledgement in self._all(exporting.Acknowledgement):
            self._of(model, self._value(encoding.ACKNOWLEDGEMENT, acknowledgement.body).model)
        window = ("", "")
        for observation in self._all(exporting.Observation):
            verdict = self._value(encoding.OBSERVATION, observation.body)
            self._of(model, verdict.model)
            start = self._instant(verdict.window_start)
            self._ascending((verdict.signal, start) > window, "observations")
            window = (verdict.signal, start)
        for number, tombstone in enumerate(self._all(exporting.Tombstone)):
            self._of(model, self._value(encoding.TOMBSTONE, tombstone.body).model)
            self._ascending(number == 0, "tombstones")

    def _record(self, model: exporting.Model, line: exporting.Record) -> tuple[str, int]:
        made = self._value(encoding.RECORD, line.body)
        if not is_address(made.address):
            raise self._wrong(f"{made.address!r} is no address")
        address = Address(made.address)
        self._of(model, address.model)
        for digest in (line.config, line.effects):
            if _packed(digest) not in self.documents:
                raise self._wrong("the record refers to a document that is not in the file")
        if made.serial > model.serial or not 0 <= (made.ordinal or 0) <= _LARGEST:
            raise self._wrong("the record has a number that its model has not reached")
        if self._instant(line.at) != line.at:
            raise self._wrong(f"{line.at!r} is no time of a record")
        self.vouching.add(address.model, address.local, made, made.address)
        return address.local, made.ordinal or 0

    def _facts(self, model: exporting.Model) -> None:
        open_ones: set[str] = set()
        last = ("", "")
        for line in self._all(exporting.Fact):
            fact = self._value(encoding.FACT, line.body)
            self._of(model, fact.model)
            at = self._instant(fact.at)
            self._ascending((at, fact.id) > last, "facts")
            last = (at, fact.id)
            if fact.id in self.facts or (fact.settled_at is None and fact.key in open_ones):
                raise self._wrong("the same fact stands there twice")
            self.facts.add(fact.id)
            if fact.settled_at is None:
                open_ones.add(fact.key)

    # ---- one line ------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        self.in_hand = self.number
        self.ahead = self._next()

    def _next(self) -> Line:
        text = self.stream.readline(LONGEST_LINE)
        self.number += 1
        line = _decoded(self.path, self.number, text)
        if not isinstance(line, exporting.End):
            self.hasher.update(text)
        return line

    def _one(self, kind: Callable[..., Value], otherwise: str) -> Value:
        line: Any = self.ahead
        if not isinstance(line, kind):  # type: ignore[arg-type]
            raise self._wrong(otherwise)
        self._advance()
        return line  # type: ignore[no-any-return]

    def _all(self, kind: type[Value]) -> Iterator[Value]:
        """The lines of a kind that follow one another."""
        while isinstance(self.ahead, kind):
            line = self.ahead
            self._advance()
            yield line

    def _value(self, decoder: JsonDecoder[Value], body: msgspec.Raw) -> Value:
        try:
            return decoder.decode(body)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise self._wrong(f"what it holds cannot be read ({error})") from error

    def _instant(self, moment: datetime | str) -> str:
        try:
            return instant(datetime.fromisoformat(moment) if isinstance(moment, str) else moment)
        except (ValueError, OverflowError) as error:
            raise self._wrong(f"{moment!r} is no time") from error

    def _of(self, model: exporting.Model, name: str) -> None:
        if name != model.model:
            raise self._wrong(f"it belongs to {name!r} but stands below {model.model!r}")

    def _ascending(self, holds: bool, what: str) -> None:
        if not holds:
            raise self._wrong(f"{what} are doubled, missing or out of order")

    def _wrong(self, what: str) -> StateError:
        return _refused(self.path, self.in_hand, what)


def _decoded(path: Path, number: int, text: bytes) -> Line:
    if not text:
        raise _refused(path, number, "it ends before its last line: it was cut off")
    if not text.endswith(b"\n"):
        why = "the line is longer than any export has" if len(text) == LONGEST_LINE else "it was cut off"
        raise _refused(path, number, why)
    try:
        line: Line = _LINE.decode(text)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise _refused(path, number, f"the line cannot be read ({error})") from error
    return line


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise StateError(
            "The export cannot be read", f"{path}: {error.strerror}.", "Name another file."
        ) from error


def _refused(path: Path, number: int, what: str) -> StateError:
    place = f"{path}:{number}" if number else str(path)
    return StateError(
        "The export is refused",
        f"{place}: {what.rstrip('.')}. Nothing was written.",
        "Write it anew with: tenure state export --output FILE",
    )


def _packed(digest: str) -> bytes:
    return hashlib.blake2b(digest.encode(), digest_size=16).digest()
