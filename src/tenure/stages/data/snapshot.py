"""The snapshot: sources read, joined, filtered, cleaned, checked and split; Parquet with a digest and a profile."""

from __future__ import annotations

from collections import Counter
from datetime import UTC
from typing import TYPE_CHECKING, Any

import msgspec

from tenure.core.digest import digest
from tenure.core.drafts import scratch
from tenure.core.errors import Interrupted, StageBlocked, StageError
from tenure.core.events import Note, StepProgress
from tenure.core.units import format_instant
from tenure.ml.snapshot import PART
from tenure.stages.base import Output
from tenure.stages.data import filtering, joins
from tenure.stages.data.lookup import require
from tenure.stages.data.splits import Datetime, Hash, Random, Stratified
from tenure.stages.data.splits.shares import Rows

if TYPE_CHECKING:
    import pyarrow as pa

    from tenure.ml.task import Target
    from tenure.stages.base import StageContext
    from tenure.stages.data.section import Data


def take(data: Data, address: str, context: StageContext) -> Output:
    """Make the snapshot. Raises StageError for data that cannot be used, StageBlocked for data that may not be."""
    from tenure.ml.columns import content_digest, profile

    notes: list[str] = []
    tables, sources = _read(data, address, context, notes)
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
    if table.num_rows == 0:
        raise StageError(
            "the data have no rows", "no row of the sources fulfils the joins", path=("data", "join")
        )
    if data.filter is not None:
        table = filtering.apply(table, data.filter)
    table = _selected(table, data)
    table = _with_times(table, data)
    table, facts["cleaning"] = _cleaned(table, data)
    facts["checks"] = _checked(table, data)
    target = _target(table, data)
    empty = [name for name in table.column_names if table[name].null_count == table.num_rows]
    notes += [f"column {name} has no value in any row" for name in empty]
    table, facts["split"], facts["split_type"] = _divided(table, data, target, notes)
    contents = table.drop_columns([PART])
    columns = profile(contents)
    for note in notes:
        context.emit(Note(address, note))
    meaning = {"target": data.target_column, "task": target.task, "classes": list(target.classes)}
    value = meaning | {
        "rows": table.num_rows,
        "columns": [{"name": c.name, "type": c.type, "nullable": c.nullable} for c in columns.columns],
        "timestamp": data.timestamp_column,
        "time_range": _time_range(table, data.timestamp_column),
        "sources": sources,
        "notes": notes,
        **facts,
    }
    return Output(
        digest=digest([content_digest(table), meaning, data.timestamp_column]),
        value=value,
        artifacts={
            "snapshot": _stored(table, context),
            "profile": context.artifacts.put(msgspec.json.encode(columns)),
        },
        sentence=f"{table.num_rows:,} rows: "
        + ", ".join(f"{rows:,} for {part}" for part, rows in facts["split"].items()),
    )


def _read(
    data: Data, address: str, context: StageContext, notes: list[str]
) -> tuple[dict[str, pa.Table], dict[str, dict[str, Any]]]:
    """Each source in canonical types, and the fingerprint of what was read."""
    from tenure.ml.columns import canonical, content_digest, logical_type

    tables, fingerprints = {}, {}
    for position, (name, source) in enumerate(data.sources.items()):
        if context.stopping():
            raise Interrupted("stopped before all sources were read")
        context.emit(StepProgress(address, position, len(data.sources), f"reading {name}"))
        where = ("data", "sources", name)
        before = source.fingerprint(context.project, None)
        table = source.load(context.project, where)
        if not before.get("missing") and source.fingerprint(context.project, before) != before:
            raise StageError(
                "a source changed while it was read",
                f"source {name!r} was written to",
                "run the command again",
                path=where,
            )
        if PART in table.column_names:
            raise StageError(
                "a reserved column name",
                f"source {name!r} has a column {PART!r}, which the snapshot uses for the parts of the split",
                "rename it in the source",
                path=where,
            )
        if table.num_rows == 0:
            raise StageError(
                "a source has no rows",
                f"source {name!r} has {table.num_columns} column(s) and not a single row",
                "check what was to write it, or the condition of its query",
                path=where,
            )
        if data.columns:
            unused = [
                c.name for c in table.schema if c.name not in data.columns and logical_type(c.type) is None
            ]
            table = table.drop_columns(unused)
        tables[name], infinities = canonical(table)
        notes += [
            f"{count} infinite value(s) of {name}.{column} are treated as missing"
            for column, count in infinities.items()
        ]
        notes += _decimal_commas(name, source.type, tables[name])
        if before.get("digest") is None:
            before = before | {"digest": content_digest(tables[name]), "rows": table.num_rows}
        fingerprints[name] = before
    return tables, fingerprints


def _decimal_commas(name: str, kind: str, table: pa.Table) -> list[str]:
    """Numbers written as `3,14` are read as text unless the spec says so: worth a word, since nothing else would."""
    from tenure.stages.data.text_table import decimal_commas

    columns = decimal_commas(table) if kind == "csv" else []
    if not columns:
        return []
    listed = ", ".join(columns)
    return [
        f"{listed} of {name} looks like numbers with a decimal comma, read as text; set decimal: ',' for the source"
    ]


def _selected(table: pa.Table, data: Data) -> pa.Table:
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
    return table.select([name for name in table.column_names if name in needed])


def _with_times(table: pa.Table, data: Data) -> pa.Table:
    """The table with its column of event times as timestamps; text is read as ISO 8601, as databases often hold it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    name = data.timestamp_column
    if name is None or pa.types.is_timestamp(table[name].type):
        return table
    where = ("data", "timestamp_column")
    example = None
    if pa.types.is_string(table[name].type):
        from tenure.ml.expression import Derived, evaluate

        texts = pa.table({"text": table[name]})
        reading = "make_timestamp(epoch_us(try_cast(text AS TIMESTAMPTZ)))"
        times = evaluate(texts, [Derived("time", reading, "timestamp")]).column("time")
        unread = table[name].filter(pc.and_(table[name].is_valid(), times.is_null()))
        if len(unread) == 0:
            return table.set_column(table.schema.get_field_index(name), name, times)
        example = unread[0].as_py()
    raise StageError(
        "the timestamp column holds no times",
        f"column {name!r} has type {table[name].type}"
        + (f" with values such as {example!r}" if example else ""),
        "write times as ISO 8601, or set timestamp_format of the csv source",
        path=where,
    )


def _cleaned(table: pa.Table, data: Data) -> tuple[pa.Table, list[dict[str, Any]]]:
    counts: list[dict[str, Any]] = []
    target = table[data.target_column]
    if target.null_count == table.num_rows:
        _target(table, data)
    for position, step in enumerate(data.cleaning):
        before = table.num_rows
        table, cells = step.clean(table, data.target_column, ("data", "cleaning", position))
        column = getattr(step, "column", None)
        counts.append(
            {"type": step.type, "rows": before - table.num_rows, "cells": cells}
            | ({"column": column} if column else {})
        )
    return table, counts


def _checked(table: pa.Table, data: Data) -> list[dict[str, Any]]:
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


def _target(table: pa.Table, data: Data) -> Target:
    from tenure.ml.task import infer

    column = table[data.target_column]
    target = infer(column, name=data.target_column, declared=data.task, positive_class=data.positive_class)
    if column.null_count:
        raise StageError(
            "the target has missing values",
            f"{column.null_count} of {table.num_rows} rows have no value in target column {data.target_column!r}",
            "add to data.cleaning: - {type: drop_null_target}",
            path=("data", "target_column"),
        )
    return target


def _divided(
    table: pa.Table, data: Data, target: Target, notes: list[str]
) -> tuple[pa.Table, dict[str, int], str]:
    """The table with the part of each row, rows per part, and the type of split."""
    import pyarrow as pa

    split = data.split
    if split is None:
        if data.timestamp_column is not None:
            split = Datetime(type="datetime")
        else:
            split = Random(type="random") if target.task == "regression" else Stratified(type="stratified")
    labels = split.assign(Rows(table, data.target_column, target, data.timestamp_column))
    parts = pa.array(labels.tolist(), pa.string())
    counts = Counter(labels.tolist())
    table = table.append_column(PART, parts)
    if gap := counts.pop("gap", 0):
        notes.append(f"{gap} row(s) in the gap between the parts are left out")
        table = table.filter(pa.array((labels != "gap").tolist()))
    return table, {part: counts[part] for part in ("train", "validation", "test") if counts[part]}, split.type


def _time_range(table: pa.Table, column: str | None) -> list[str] | None:
    import pyarrow.compute as pc

    if column is None or table[column].null_count == table.num_rows:
        return None
    ends = pc.min_max(table[column])
    return [format_instant(ends[end].as_py().replace(tzinfo=UTC)) for end in ("min", "max")]


def _stored(table: pa.Table, context: StageContext) -> str:
    """The digest of the Parquet file: the same bytes for the same rows."""
    import pyarrow.parquet as pq

    with scratch() as folder:
        file = folder / "snapshot.parquet"
        try:
            pq.write_table(table.combine_chunks(), file, compression="zstd", row_group_size=1 << 17)
        except OSError as error:
            raise StageError(
                "the snapshot cannot be written", str(error), "make room in the folder for temporary files"
            ) from error
        return context.artifacts.put_file(file)
