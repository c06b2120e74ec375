"""The snapshot: sources read, joined, filtered, cleaned, checked and split; Parquet with a digest and a profile."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

import msgspec

from tenure.core.digest import digest
from tenure.core.errors import ArtifactError, Interrupted, StageError
from tenure.core.events import Note, StepProgress
from tenure.core.units import format_instant
from tenure.ml.snapshot import PART
from tenure.spec.base import config_of
from tenure.stages.base import Output
from tenure.stages.data import contract, storing
from tenure.stages.data.engine import Engine, opened
from tenure.stages.data.leaks import leakage
from tenure.stages.data.loading import no_model_can_use
from tenure.stages.data.preparing import main_source, prepare
from tenure.stages.data.profiling import profile
from tenure.stages.data.statistics import decode, encode, statistics
from tenure.stages.data.text_values import notes_on

if TYPE_CHECKING:
    from tenure.ml.columns import ColumnProfile
    from tenure.stages.base import StageContext
    from tenure.stages.data.contract import Contract
    from tenure.stages.data.engine import Table
    from tenure.stages.data.section import Data
    from tenure.stages.data.statistics import Hidden, Statistics


def take(data: Data, address: str, context: StageContext) -> Output:
    """Make the snapshot. Raises StageError for data that cannot be used, StageBlocked for data that may not be."""
    with opened(context.stopping) as engine:
        return _taken(data, address, context, engine)


def _taken(data: Data, address: str, context: StageContext, engine: Engine) -> Output:
    notes: list[str] = []
    tables, sources = _read(data, address, context, engine, notes)
    before = None if context.previous is None else context.previous.value
    prepared = prepare(tables, data, context.now, None if before is None else before["rows"])
    table, target, facts = prepared.table, prepared.target, prepared.facts
    notes += prepared.notes
    file = engine.folder / "snapshot.parquet"
    stored = storing.write(table, file)
    # From here on the rows are read from the file: what they were made with makes room.
    table = engine.over_file(file, table.columns, table.rows)
    engine.drop_all_but(table)
    columns = profile(
        table.select([name for name in table.names if name != PART]), stored.moments, stored.runs
    )
    unique = [column.name for column in columns.columns if column.distinct == table.rows]
    facts["leakage"] = leakage(table, facts["split_type"], data.entities, data.timestamp_column, unique)
    notes += [f"column {c.name} has no value in any row" for c in columns.columns if c.nulls == table.rows]
    described = [_described(column, table.rows, data.contract) for column in columns.columns]
    if before is not None and _is_same(data, context) and data.changed_columns == "block":
        contract.refuse_other_columns(before["columns"], described, address)
    for note in notes:
        context.emit(Note(address, note))
    written = data.sources[main_source(data)].written
    meaning = {"target": data.target_column, "task": target.task, "classes": list(target.classes)}
    value = meaning | {
        "rows": table.rows,
        "columns": described,
        "timestamp": data.timestamp_column,
        "entities": list(data.entities),
        "time_range": _time_range(table, data.timestamp_column),
        "sources": sources,
        "written": None if written is None else msgspec.to_builtins(written),
        "notes": notes,
        **facts,
    }
    own = digest([stored.digest, meaning, data.timestamp_column])
    shown = statistics(
        table, columns, data.target_column, target, _hidden(data.contract), own, _before(context)
    )
    return Output(
        digest=own,
        value=value,
        artifacts={
            "snapshot": context.artifacts.put_file(file),
            "profile": context.artifacts.put(msgspec.json.encode(columns)),
            "statistics": context.artifacts.put(encode(shown)),
        },
        sentence=f"{table.rows:,} rows: "
        + ", ".join(f"{rows:,} for {part}" for part, rows in facts["split"].items()),
    )


def _before(context: StageContext) -> tuple[str, Statistics] | None:
    """The snapshot before and its statistics, where they are still there: the report shows what has moved."""
    record = context.previous
    if record is None or "statistics" not in record.artifacts:
        return None
    try:
        found = decode(context.artifacts.get(record.artifacts["statistics"]))
    except ArtifactError:
        return None
    return None if found is None else (record.digest, found)


def _hidden(agreed: Contract) -> dict[str, Hidden]:
    """Columns whose values the report does not show, and why."""
    return {
        name: "personal" if column.pii else "sensitive"
        for name, column in agreed.columns.items()
        if name in agreed.hidden
    }


def _described(column: ColumnProfile, rows: int, agreed: Contract) -> dict[str, Any]:
    """A column for the value of the snapshot: `empty` when it has no value, `sensitive` and `pii` as agreed."""
    empty = {"empty": True} if column.nulls == rows else {}
    described = {"name": column.name, "type": column.type, "nullable": column.nullable}
    return described | empty | contract.marks(agreed, column.name)


def _is_same(data: Data, context: StageContext) -> bool:
    """Whether the last snapshot was made by the same section, so that what differs comes from the sources."""
    return context.previous is not None and context.previous.config.get("data") == config_of(data)


def _read(
    data: Data, address: str, context: StageContext, engine: Engine, notes: list[str]
) -> tuple[dict[str, Table], dict[str, dict[str, Any]]]:
    """Each source in canonical types, and the fingerprint of what was read."""
    tables, fingerprints = {}, {}
    for position, (name, source) in enumerate(data.sources.items()):
        if context.stopping():
            raise Interrupted("stopped before all sources were read")
        context.emit(StepProgress(address, position, len(data.sources), f"reading {name}"))
        where = ("data", "sources", name)
        before = source.fingerprint(context.project, None)
        loaded = source.load(context.project, where, engine)
        table = loaded.table
        if not before.get("missing") and source.fingerprint(context.project, before) != before:
            raise StageError(
                "a source changed while it was read",
                f"source {name!r} was written to",
                "run the command again",
                path=where,
            )
        if PART in {*table.names, *loaded.unusable}:
            raise StageError(
                "a reserved column name",
                f"source {name!r} has a column {PART!r}, which the snapshot uses for the parts of the split",
                "rename it in the source",
                path=where,
            )
        if table.rows == 0:
            raise StageError(
                "a source has no rows",
                f"source {name!r} has {len(table.columns)} column(s) and not a single row",
                "check what was to write it, or the condition of its query",
                path=where,
            )
        unusable = {c: kind for c, kind in loaded.unusable.items() if not data.columns or c in data.columns}
        if unusable:
            raise no_model_can_use(unusable)
        tables[name] = table
        notes += [
            f"{count} infinite value(s) of {name}.{column} are treated as missing"
            for column, count in loaded.infinities.items()
        ]
        if source.type == "csv":
            notes += [f"{note} ({name})" for note in notes_on(table)]
        if before.get("digest") is None:
            before = before | {"digest": storing.content(table), "rows": table.rows}
        fingerprints[name] = before
    return tables, fingerprints


def _time_range(table: Table, column: str | None) -> list[str] | None:
    if column is None:
        return None
    times = table.column(column).sql
    ends = table.query(f"min({times}), max({times})")[0]
    return None if None in ends else [format_instant(end.replace(tzinfo=UTC)) for end in ends]
