"""The snapshot: sources read, joined, filtered, cleaned, checked and split; Parquet with a digest and a profile."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

import msgspec

from tenure.core.digest import digest
from tenure.core.errors import Interrupted, StageBlocked, StageError
from tenure.core.events import Note, StepProgress
from tenure.core.units import format_instant
from tenure.ml.snapshot import PART
from tenure.stages.base import Output
from tenure.stages.data import filtering, joins, storing
from tenure.stages.data.engine import Engine, opened
from tenure.stages.data.loading import no_model_can_use
from tenure.stages.data.lookup import require
from tenure.stages.data.profiling import profile
from tenure.stages.data.splits import Datetime, Hash, Random, Stratified
from tenure.stages.data.splits.shares import Rows

if TYPE_CHECKING:
    from tenure.ml.task import Target
    from tenure.stages.base import StageContext
    from tenure.stages.data.engine import Table
    from tenure.stages.data.section import Data


def take(data: Data, address: str, context: StageContext) -> Output:
    """Make the snapshot. Raises StageError for data that cannot be used, StageBlocked for data that may not be."""
    with opened() as engine:
        return _taken(data, address, context, engine)


def _taken(data: Data, address: str, context: StageContext, engine: Engine) -> Output:
    notes: list[str] = []
    tables, sources = _read(data, address, context, engine, notes)
    facts: dict[str, Any] = {}
    if data.join:
        table, facts["joins"] = joins.join_all(tables, data.join)
        notes += [
            f"{fact['rows'] - fact['matched']} of {fact['rows']} rows have no match in {fact['right']}"
            for fact, join in zip(facts["joins"], data.join, strict=True)
            if join.how == "left" and fact["matched"] < fact["rows"]
        ]
    else:
        (table,) = tables.values()
    if table.rows == 0:
        raise StageError(
            "the data have no rows", "no row of the sources fulfils the joins", path=("data", "join")
        )
    if data.filter is not None:
        table = filtering.apply(table, data.filter)
    engine.drop_all_but(table)
    table = _selected(table, data)
    table = _with_times(table, data)
    table, facts["cleaning"] = _cleaned(table, data)
    facts["checks"] = _checked(table, data)
    target = _target(table, data)
    engine.drop_all_but(table)
    table, facts["split"], facts["split_type"] = _divided(table, data, target, notes)
    engine.drop_all_but(table)
    file = engine.folder / "snapshot.parquet"
    stored = storing.write(table, file)
    columns = profile(table.select([name for name in table.names if name != PART]), stored.moments)
    notes += [f"column {c.name} has no value in any row" for c in columns.columns if c.nulls == table.rows]
    for note in notes:
        context.emit(Note(address, note))
    meaning = {"target": data.target_column, "task": target.task, "classes": list(target.classes)}
    value = meaning | {
        "rows": table.rows,
        "columns": [{"name": c.name, "type": c.type, "nullable": c.nullable} for c in columns.columns],
        "timestamp": data.timestamp_column,
        "time_range": _time_range(table, data.timestamp_column),
        "sources": sources,
        "notes": notes,
        **facts,
    }
    return Output(
        digest=digest([stored.digest, meaning, data.timestamp_column]),
        value=value,
        artifacts={
            "snapshot": context.artifacts.put_file(file),
            "profile": context.artifacts.put(msgspec.json.encode(columns)),
        },
        sentence=f"{table.rows:,} rows: "
        + ", ".join(f"{rows:,} for {part}" for part, rows in facts["split"].items()),
    )


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
        notes += _decimal_commas(name, source.type, table)
        if before.get("digest") is None:
            before = before | {"digest": storing.content(table), "rows": table.rows}
        fingerprints[name] = before
    return tables, fingerprints


def _decimal_commas(name: str, kind: str, table: Table) -> list[str]:
    """Numbers written as `3,14` are read as text unless the spec says so: worth a word, since nothing else would."""
    from tenure.stages.data.text_table import decimal_commas

    columns = decimal_commas(table) if kind == "csv" else []
    if not columns:
        return []
    listed = ", ".join(columns)
    return [
        f"{listed} of {name} looks like numbers with a decimal comma, read as text; set decimal: ',' for the source"
    ]


def _selected(table: Table, data: Data) -> Table:
    """The columns asked for, with those the model cannot do without, in the order of the source."""
    require(table, data.target_column, ("data", "target_column"))
    if data.timestamp_column is not None:
        require(table, data.timestamp_column, ("data", "timestamp_column"))
    if not data.columns:
        return table
    for position, name in enumerate(data.columns):
        require(table, name, ("data", "columns", position))
    needed = {*data.columns, data.target_column, data.timestamp_column}
    if isinstance(data.split, Datetime | Hash):
        needed.add(data.split.column)
    return table.select([name for name in table.names if name in needed])


def _with_times(table: Table, data: Data) -> Table:
    """The table with its column of event times as timestamps; text is read as ISO 8601, as databases often hold it."""
    name = data.timestamp_column
    if name is None or table.column(name).type == "timestamp":
        return table
    column = table.column(name)
    example = None
    if column.type == "string":
        reading = f"make_timestamp(epoch_us(try_cast({column.sql} AS TIMESTAMPTZ)))"
        unread = table.query(column.sql, f"WHERE {column.sql} IS NOT NULL AND {reading} IS NULL LIMIT 1")
        if not unread:
            return table.replace(name, "timestamp", reading)
        example = unread[0][0]
    raise StageError(
        "the timestamp column holds no times",
        f"column {name!r} has type {column.type}" + (f" with values such as {example!r}" if example else ""),
        "write times as ISO 8601, or set timestamp_format of the csv source",
        path=("data", "timestamp_column"),
    )


def _cleaned(table: Table, data: Data) -> tuple[Table, list[dict[str, Any]]]:
    counts: list[dict[str, Any]] = []
    if table.query(f"count({table.column(data.target_column).sql})")[0][0] == 0:
        _target(table, data)
    for position, step in enumerate(data.cleaning):
        before = table.rows
        table, cells = step.clean(table, data.target_column, ("data", "cleaning", position))
        column = getattr(step, "column", None)
        counts.append(
            {"type": step.type, "rows": before - table.rows, "cells": cells}
            | ({"column": column} if column else {})
        )
    return table, counts


def _checked(table: Table, data: Data) -> list[dict[str, Any]]:
    """What each check found. Raises StageBlocked listing every failed check of severity error."""
    results, failed = [], []
    for position, check in enumerate(data.checks):
        finding = check.check(table, ("data", "checks", position))
        results.append(
            {
                "type": check.type,
                "severity": check.severity,
                "passed": finding.violations == 0,
                "sentence": finding.sentence,
                "violations": finding.violations,
                "examples": list(finding.examples),
            }
        )
        if finding.violations and check.severity == "error":
            examples = ", ".join(str(example) for example in finding.examples)
            failed.append(
                (position, f"{check.type}: {finding.sentence}: {finding.violations} violation(s): {examples}")
            )
    if failed:
        raise StageBlocked(
            f"{len(failed)} data check(s) failed",
            "\n".join(sentence for _, sentence in failed),
            "correct the source, drop the rows with data.filter or data.cleaning, or set severity: warn",
            path=("data", "checks", failed[0][0]),
        )
    return results


def _target(table: Table, data: Data) -> Target:
    from tenure.ml.task import MOST_CLASSES, infer_distinct

    column = table.column(data.target_column)
    ((known, count),) = table.query(f"count({column.sql}), count(DISTINCT {column.sql})")
    distinct = table.arrow(
        [column.name], f"WHERE {column.sql} IS NOT NULL GROUP BY {column.sql} LIMIT {MOST_CLASSES + 1}"
    )
    target = infer_distinct(
        distinct.column(0).combine_chunks(),
        count,
        known,
        name=data.target_column,
        declared=data.task,
        positive_class=data.positive_class,
    )
    if known < table.rows:
        raise StageError(
            "the target has missing values",
            f"{table.rows - known} of {table.rows} rows have no value in target column {data.target_column!r}",
            "add to data.cleaning: - {type: drop_null_target}",
            path=("data", "target_column"),
        )
    return target


def _divided(table: Table, data: Data, target: Target, notes: list[str]) -> tuple[Table, dict[str, int], str]:
    """The table with the part of each row, rows per part, and the type of split."""
    split = data.split
    if split is None:
        if data.timestamp_column is not None:
            split = Datetime(type="datetime")
        else:
            split = Random(type="random") if target.task == "regression" else Stratified(type="stratified")
    table = split.assign(Rows(table, data.target_column, target, data.timestamp_column))
    part = table.column(PART).sql
    counts = dict(table.query(f"{part}, count(*)", "GROUP BY ALL"))
    if gap := counts.pop("gap", 0):
        notes.append(f"{gap} row(s) in the gap between the parts are left out")
        table = table.filter(f"{part} <> 'gap'")
    return table, {p: counts[p] for p in ("train", "validation", "test") if p in counts}, split.type


def _time_range(table: Table, column: str | None) -> list[str] | None:
    if column is None:
        return None
    times = table.column(column).sql
    ends = table.query(f"min({times}), max({times})")[0]
    return None if None in ends else [format_instant(end.replace(tzinfo=UTC)) for end in ends]
