"""Reading the state: SELECTs to values, for any database that can run them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from tenure.core.address import Address
from tenure.core.decoding import JsonDecoder
from tenure.core.errors import StateError
from tenure.state import encoding
from tenure.state.database import Readable, Rows, Value
from tenure.state.encoding import decode, instant
from tenure.state.record import Fact, ModelState, Record, Tombstone
from tenure.state.store import AuditEvent, AuditHead, JournalEntry, Revision, Trial

SETTLED = 50
"""How many settled facts of a model are read besides the open ones."""

WINDOWS = 30
"""How many of the latest windows of each signal are read."""

_PAGE = 1_000
_MOST_NAMED = 20_000
"""Above this many names, reading everything is cheaper than naming them."""


class SqlReader:
    """A `StateReader` over a database."""

    def __init__(self, database: Readable) -> None:
        self._database = database
        self.close = database.close

    def read(self, model: str) -> ModelState | None:
        """One model as recorded now."""
        return self.read_many([model]).get(model)

    def read_many(self, models: Iterable[str] | None = None) -> dict[str, ModelState]:
        """Several models, by name and in the order of their names, in a constant number of queries."""
        wanted = None if models is None else sorted(set(models))
        if wanted == []:
            return {}
        if wanted is not None and len(wanted) > _MOST_NAMED:
            chosen = set(wanted)
            return {name: state for name, state in self.read_many().items() if name in chosen}

        def work(rows: Rows | None) -> dict[str, ModelState]:
            with encoding.collector_paused():
                return {} if rows is None else _present(_Selection(rows, wanted))

        return self._database.look(work)

    def at(self, model: str, moment: datetime) -> ModelState | None:
        """One model as it was recorded at a moment.

        Windows that were observed again since then show their later verdict.
        """
        return self._database.look(
            lambda rows: None if rows is None else _past(_Selection(rows, [model], moment), model)
        )

    def history(self, model: str, address: str | None = None) -> tuple[Record, ...]:
        """All records of a model, or of one of its addresses (`stage/noun`, or with the model's name before it)."""
        local = None if address is None else address.removeprefix(f"{model}/")

        def work(rows: Rows | None) -> tuple[Record, ...]:
            if rows is None:
                return ()
            chosen = _Selection(rows, [model])
            if local is None:
                return tuple(_records(chosen, f"SELECT id FROM records {chosen.where()}").values())
            where = f"{chosen.where()} AND local = :local"
            return tuple(_records(chosen, f"SELECT id FROM records {where}", local=local).values())

        return self._database.look(work)

    def journal(self, model: str | None = None, limit: int = 200) -> tuple[JournalEntry, ...]:
        """Journal entries, newest first."""
        where = "" if model is None else "WHERE model = :model"
        found = self._rows(
            f"SELECT {JOURNAL_COLUMNS} FROM journal {where} ORDER BY id DESC LIMIT :limit",
            {"limit": limit} | ({} if model is None else {"model": model}),
        )
        return tuple(journal_entry(row) for row in found)

    def audit(self, since: int = 0) -> Iterator[AuditEvent]:
        """The audit chain from sequence number `since` on, a page at a time."""
        while True:
            page = self._rows(
                "SELECT seq, at, actor, action, subject, data, previous, hash FROM audit "
                "WHERE seq >= :since ORDER BY seq LIMIT :page",
                {"since": since, "page": _PAGE},
            )
            for seq, at, actor, action, subject, data, previous, digest in page:
                facts = decode(encoding.CONFIG, data, f"audit event {seq}")
                yield AuditEvent(seq, _moment(at), actor, action, subject, facts, previous, digest)
            if len(page) < _PAGE:
                return
            since = page[-1][0] + 1

    def audit_head(self) -> AuditHead | None:
        """The end of the audit chain as recorded beside it; None before the first event."""
        found = self._rows("SELECT lineage, audit_seq, audit_hash FROM meta")
        return AuditHead(*found[0]) if found else None

    def tombstone(self, model: str) -> Tombstone | None:
        """The tombstone of a retired name, or None."""
        found = self._rows("SELECT body FROM tombstones WHERE model = :model", {"model": model})
        return decode(encoding.TOMBSTONE, found[0][0], f"the tombstone of {model}") if found else None

    def revisions(self) -> dict[str, Revision]:
        """The revision of every model, by name."""
        found = self._rows(
            "SELECT models.model, revision, tombstones.model IS NOT NULL FROM models "
            "LEFT JOIN tombstones ON tombstones.model = models.model ORDER BY models.model"
        )
        return {model: Revision(name, bool(retired)) for model, name, retired in found}

    def routes_serial(self) -> int:
        """How many records were ever committed, over all models."""
        found = self._rows("SELECT changes FROM meta")
        return int(found[0][0]) if found else 0

    def trials(self, search: str) -> tuple[Trial, ...]:
        """The finished trials of a search, by number."""
        found = self._rows(
            "SELECT body FROM trials WHERE search = :search ORDER BY number", {"search": search}
        )
        return tuple(encoding.TRIAL.decode(body) for (body,) in found)

    def _rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """All rows of one SELECT; none when nothing was ever recorded."""
        return self._database.look(lambda rows: [] if rows is None else rows(sql, parameters or {}))


JOURNAL_COLUMNS = (
    'id, model, apply_id, address, action, reason, fingerprint, begun_at, "by", ended_at, outcome, detail'
)


def journal_entry(row: tuple[Any, ...]) -> JournalEntry:
    """A journal entry from a row of `JOURNAL_COLUMNS`."""
    number, model, apply_id, address, action, reason, fingerprint, begun_at, by, ended_at, outcome, detail = (
        row
    )
    return JournalEntry(
        id=number,
        model=model,
        apply_id=apply_id,
        address=address,
        action=action,
        reason=reason,
        fingerprint=fingerprint,
        begun_at=_moment(begun_at),
        by=by,
        ended_at=None if ended_at is None else _moment(ended_at),
        outcome=outcome,
        detail=detail,
    )


class _Selection:
    """Queries restricted to some models (None: all) and to what was recorded until a moment (None: now)."""

    def __init__(self, rows: Rows, models: list[str] | None, moment: datetime | None = None) -> None:
        self._rows = rows
        self.moment = moment
        self._parameters: dict[str, Any] = {
            f"m{position}": name for position, name in enumerate(models or ())
        }
        self._named = (
            None if models is None else f"model IN ({', '.join(f':{key}' for key in self._parameters)})"
        )
        if moment is not None:
            self._parameters["moment"] = instant(moment)

    def where(self, *, dated: bool = True) -> str:
        """A WHERE clause for a table with a column `model` and, when `dated`, a column `at`."""
        conditions = [] if self._named is None else [self._named]
        if dated and self.moment is not None:
            conditions.append("at <= :moment")
        return f"WHERE {' AND '.join(conditions)}" if conditions else ""

    def rows(self, sql: str, **more: Any) -> list[tuple[Any, ...]]:
        """Run a query whose text contains `where()`."""
        return self._rows(sql, {**self._parameters, **more})

    def grouped(self, decoder: JsonDecoder[Value], sql: str, **more: Any) -> dict[str, list[Value]]:
        """Decode rows of (model, body) into a list per model."""
        groups: defaultdict[str, list[Value]] = defaultdict(list)
        for model, body in self.rows(sql, **more):
            groups[model].append(decode(decoder, body, f"a row of {model}"))
        return groups


def _present(chosen: _Selection) -> dict[str, ModelState]:
    names = chosen.rows(f"SELECT model, lineage, serial FROM models {chosen.where()} ORDER BY model")
    found = _records(chosen, f"SELECT record FROM heads {chosen.where()}")
    states = {
        model: ModelState(model=model, lineage=lineage, serial=serial) for model, lineage, serial in names
    }
    for model, local, ordinal, record in chosen.rows(
        f"SELECT model, local, ordinal, record FROM heads {chosen.where()} ORDER BY model, local, ordinal"
    ):
        if record not in found or model not in states:
            raise _incomplete(f"{model}/{local}", f"record {record}")
        if ordinal:
            states[model].versions[ordinal] = found[record]
        else:
            states[model].records[local] = found[record]
    return _with_the_rest(chosen, states)


def _past(chosen: _Selection, model: str) -> ModelState | None:
    names = chosen.rows(f"SELECT lineage FROM models {chosen.where(dated=False)}")
    if not names:
        return None
    latest = f"SELECT MAX(id) FROM records {chosen.where()}"
    current = _records(chosen, f"{latest} GROUP BY local").values()
    numbered = _records(chosen, f"{latest} AND ordinal > 0 GROUP BY local, ordinal").values()
    state = ModelState(
        model=model,
        lineage=names[0][0],
        serial=max((record.serial for record in current), default=0),
        records={Address(record.address).local: record for record in current},
        versions={record.ordinal: record for record in numbered if record.ordinal is not None},
    )
    empty = msgspec.structs.replace(state, serial=0)
    state = _with_the_rest(chosen, {model: state})[model]
    return None if state == empty and not state.records else state


def _records(chosen: _Selection, ids: str, **more: Any) -> dict[int, Record]:
    """Records by their ids, which a SELECT chooses, oldest first. Equal configurations are one shared value."""
    rows = chosen.rows(
        f"SELECT id, config, effects, body FROM records WHERE id IN ({ids}) ORDER BY id", **more
    )
    configs, effects = (
        {
            key: decode(decoder, body, f"document {key}")
            for key, body in chosen.rows(
                f"SELECT id, body FROM documents WHERE id IN (SELECT {column} FROM records WHERE id IN ({ids}))",
                **more,
            )
        }
        for column, decoder in (("config", encoding.CONFIG), ("effects", encoding.EFFECTS))
    )
    found = {}
    for key, config, effect, body in rows:
        record = decode(encoding.RECORD, body, f"record {key}")
        if config not in configs or effect not in effects:
            raise _incomplete(record.address, f"document {config} or {effect}")
        # Nobody has seen this value yet; building it anew with its two documents would double the time.
        msgspec.structs.force_setattr(record, "config", configs[config])
        msgspec.structs.force_setattr(record, "effects", effects[effect])
        found[key] = record
    return found


def _with_the_rest(chosen: _Selection, states: dict[str, ModelState]) -> dict[str, ModelState]:
    """The same states with facts, decisions, observations and tombstones."""
    where = chosen.where()
    facts = chosen.grouped(
        encoding.FACT,
        "SELECT model, body FROM (SELECT model, body, at, id, settled_at, ROW_NUMBER() OVER "
        f"(PARTITION BY model, settled_at IS NULL ORDER BY settled_at DESC, at DESC) AS age FROM facts {where}) AS f "
        "WHERE settled_at IS NULL OR age <= :settled ORDER BY at, id",
        settled=SETTLED,
    )
    approvals = chosen.grouped(encoding.APPROVAL, f"SELECT model, body FROM approvals {where} ORDER BY id")
    acknowledgements = chosen.grouped(
        encoding.ACKNOWLEDGEMENT, f"SELECT model, body FROM acknowledgements {where} ORDER BY id"
    )
    observations = chosen.grouped(
        encoding.OBSERVATION,
        f"WITH seen AS (SELECT * FROM observations {where}), "
        "cut AS (SELECT model, signal, (SELECT window_start FROM seen WHERE seen.model = s.model "
        "AND seen.signal = s.signal ORDER BY window_start DESC LIMIT 1 OFFSET :windows - 1) AS first "
        "FROM (SELECT DISTINCT model, signal FROM seen) AS s) "
        "SELECT seen.model, seen.body FROM cut JOIN seen ON seen.model = cut.model AND seen.signal = cut.signal "
        "AND seen.window_start >= COALESCE(cut.first, '') ORDER BY seen.model, seen.signal, seen.window_start",
        windows=WINDOWS,
    )
    tombstones = chosen.grouped(encoding.TOMBSTONE, f"SELECT model, body FROM tombstones {where}")
    return {
        model: msgspec.structs.replace(
            state,
            facts=tuple(_as_of(fact, chosen.moment) for fact in facts.get(model, ())),
            approvals=tuple(approvals.get(model, ())),
            acknowledgements=tuple(acknowledgements.get(model, ())),
            observations=tuple(observations.get(model, ())),
            tombstone=next(iter(tombstones.get(model, ())), None),
        )
        for model, state in states.items()
    }


def _as_of(fact: Fact, moment: datetime | None) -> Fact:
    """A fact as it stood at a moment: what was settled later was still open."""
    if moment is None or fact.settled_at is None or fact.settled_at <= moment:
        return fact
    return msgspec.structs.replace(fact, settled_at=None, settled_by=None)


def _incomplete(address: str, what: str) -> StateError:
    return StateError(
        "The recorded state is damaged",
        f"{address} refers to {what}, which is not there.",
        "See what is wrong and what can be repaired: tenure state doctor",
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
