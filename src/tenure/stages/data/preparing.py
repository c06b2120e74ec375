"""From the sources as read to the rows of a snapshot: joined, filtered, cleaned, matured, checked and divided.

Each step counts what it did, for the value of the snapshot and for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from tenure.core.errors import StageBlocked, StageError
from tenure.ml.snapshot import PART
from tenure.stages.data import contract, filtering, joining, maturity
from tenure.stages.data.checks import References
from tenure.stages.data.checks.rule import Finding, Looked
from tenure.stages.data.lookup import Where, require
from tenure.stages.data.splits import Datetime, Random, Stratified
from tenure.stages.data.splits.shares import Rows
from tenure.stages.data.times import read_times

if TYPE_CHECKING:
    from datetime import datetime

    from tenure.ml.task import Target
    from tenure.stages.data.checks import Check
    from tenure.stages.data.engine import Table
    from tenure.stages.data.section import Data
    from tenure.stages.data.splits import Split


class Prepared(NamedTuple):
    """The rows with the part of each in column `PART`, what the target asks for, and what was counted on the way."""

    table: Table
    target: Target
    facts: dict[str, Any]
    notes: list[str]


def prepare(tables: Mapping[str, Table], data: Data, now: datetime, previous_rows: int | None) -> Prepared:
    """The rows of a snapshot. `previous_rows` is how many the last one had.

    Raises StageError for data that cannot be used, StageBlocked for data that may not be.
    """
    facts: dict[str, Any] = {}
    notes: list[str] = []
    table = _joined(tables, data, facts, notes)
    asked = {check.source: tables[check.source] for check in data.checks if isinstance(check, References)}
    table.engine.drop_all_but(table, *asked.values())
    table = _with_times(_selected(table, data), data, strictly=False)
    table, facts["cleaning"] = _cleaned(table, data)
    table = _with_times(table, data, strictly=True)
    if data.label is not None and data.timestamp_column is not None:
        table, facts["label"] = maturity.mature(table, data.timestamp_column, data.label, now)
        if immature := facts["label"]["immature"]:
            notes.append(f"{immature} row(s) are too young to have a label and are left out")
    contract.enforce(table, data.contract)
    looked = Looked(
        table,
        now,
        keys=data.entities or ((data.timestamp_column,) if data.timestamp_column else ()),
        hidden=data.contract.hidden,
        sources=asked,
        previous_rows=previous_rows,
        timestamp_column=data.timestamp_column,
    )
    facts["checks"] = _checked(looked, data, notes)
    target = _target(table, data)
    table.engine.drop_all_but(table)
    split = data.split or _usual_split(data, target)
    table = _divided(table, data, target, split, facts, notes)
    table.engine.drop_all_but(table)
    return Prepared(table, target, facts, notes)


def main_source(data: Data) -> str:
    """The source whose rows the model is about; others are joined to it."""
    return data.join[0].left if data.join else next(iter(data.sources))


def _joined(tables: Mapping[str, Table], data: Data, facts: dict[str, Any], notes: list[str]) -> Table:
    """The rows the model is about, with the columns of all sources.

    A condition over columns of the first source alone is applied before the joins: they neither change nor repeat
    its rows, so the result is the same, and less is joined.
    """
    first = main_source(data)
    table = tables[first]
    early = data.filter is not None and filtering.reads_only(table, data.filter)
    if data.filter is not None and early:
        table = filtering.apply(table, data.filter)
    if data.join:
        table, facts["joins"] = joining.join_all({**tables, first: table}, data.join, data.sources)
        notes += joining.sentences(facts["joins"])
    if data.filter is not None and not early:
        table = filtering.apply(table, data.filter)
    return table


def _selected(table: Table, data: Data) -> Table:
    """The columns asked for, with those that other fields name, in the order of the source."""
    for name, where in _needed(data):
        require(table, name, where)
    if not data.columns:
        return table
    for position, name in enumerate(data.columns):
        require(table, name, ("data", "columns", position))
    needed = {*data.columns, *(name for name, _ in _needed(data))}
    return table.select([name for name in table.names if name in needed])


def _needed(data: Data) -> list[tuple[str, Where]]:
    """The columns that fields of the section name, and where."""
    found: list[tuple[str, Where]] = [(data.target_column, ("data", "target_column"))]
    if data.timestamp_column is not None:
        found.append((data.timestamp_column, ("data", "timestamp_column")))
    found += [(name, ("data", "entities", position)) for position, name in enumerate(data.entities)]
    if data.split is not None:
        found += [(name, ("data", "split", "column")) for name in data.split.columns]
    return found


def _with_times(table: Table, data: Data, *, strictly: bool) -> Table:
    """The table with its column of event times as timestamps; text is read as ISO 8601, as databases often hold it.

    Other text is left to the cleaning steps, or `strictly` refused.
    """
    name = data.timestamp_column
    if name is None or name not in table.names or table.column(name).type == "timestamp":
        return table
    read = read_times(table, name)
    if not strictly or read.table.column(name).type == "timestamp":
        return read.table
    kind, example = table.column(name).type, read.unreadable
    raise StageError(
        "the timestamp column holds no times",
        f"column {name!r} has type {kind}" + (f" with values such as {example!r}" if example else ""),
        "write times as ISO 8601, set timestamp_format of the csv source, or add parse_datetime to data.cleaning",
        path=("data", "timestamp_column"),
    )


def _cleaned(table: Table, data: Data) -> tuple[Table, list[dict[str, Any]]]:
    counts: list[dict[str, Any]] = []
    if table.query(f"count({table.column(data.target_column).sql})")[0][0] == 0:
        _target(table, data)
    for position, step in enumerate(data.cleaning):
        where: Where = ("data", "cleaning", position)
        rows, names = table.rows, table.names
        table, cells = step.clean(table, data.target_column, where)
        for name, _ in _needed(data):
            if name in names and name not in table.names:
                raise StageError(
                    "a column is needed later",
                    f"{name!r} is gone after this step, and another field of data names it",
                    "leave the column as it is, or name another one there",
                    path=where,
                )
        if table.rows == 0:
            raise StageError(
                "no row is left",
                f"the step {step.type} drops the last of {rows} row(s)",
                "check the step and what it is about",
                path=where,
            )
        touched = getattr(step, "column", None) or ", ".join(getattr(step, "columns", ()))
        counts.append(
            {"type": step.type, "rows": rows - table.rows, "cells": cells}
            | ({"column": touched} if touched else {})
        )
    return table, counts


def _checked(looked: Looked, data: Data, notes: list[str]) -> list[dict[str, Any]]:
    """What each check found. Raises StageBlocked listing every failed check of severity error."""
    results, failed = [], []
    for position, check in enumerate(data.checks):
        finding = check.check(looked, ("data", "checks", position))
        results.append(
            {
                "type": check.type,
                "severity": check.severity,
                "passed": finding.passed,
                "sentence": finding.sentence,
                "violations": finding.violations,
                "examples": list(finding.examples),
                "rows": list(finding.rows),
            }
        )
        if not finding.passed and check.severity == "error":
            failed.append((position, _said(check, finding)))
        elif not finding.passed:
            notes.append(_said(check, finding))
    if failed:
        raise StageBlocked(
            f"{len(failed)} data check(s) failed",
            "\n".join(sentence for _, sentence in failed),
            "correct the source, drop the rows with data.filter or data.cleaning, or set severity: warn",
            path=("data", "checks", failed[0][0]),
        )
    return results


def _said(check: Check, finding: Finding) -> str:
    examples = ", ".join(str(example) for example in finding.examples)
    said = f"{check.type}: {finding.sentence}: {finding.violations} violation(s)"
    if finding.allowed:
        said += f", {finding.allowed} allowed"
    if examples:
        said += f": {examples}"
    return said + (f" (rows: {'; '.join(finding.rows)})" if finding.rows else "")


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


def _usual_split(data: Data, target: Target) -> Split:
    if data.timestamp_column is not None:
        return Datetime(type="datetime")
    return Random(type="random") if target.task == "regression" else Stratified(type="stratified")


def _divided(
    table: Table, data: Data, target: Target, split: Split, facts: dict[str, Any], notes: list[str]
) -> Table:
    """The table with the part of each row; rows per part and the type of split go to `facts`."""
    maturity_of_labels = None if data.label is None else data.label.delay
    table = split.assign(
        Rows(table, data.target_column, target, data.timestamp_column, data.entities, maturity_of_labels)
    )
    part = table.column(PART).sql
    counts = dict(table.query(f"{part}, count(*)", "GROUP BY ALL"))
    if left_out := counts.pop("gap", 0):
        reason = "of no part" if split.type == "fixed" else "in the gap between the parts"
        notes.append(f"{left_out} row(s) {reason} are left out")
        table = table.filter(f"{part} <> 'gap'")
    facts["split"] = {name: counts[name] for name in ("train", "validation", "test") if name in counts}
    facts["split_type"] = split.type
    if target.classes:
        notes += _unseen_classes(table, data.target_column)
    return table


def _unseen_classes(table: Table, target_column: str) -> list[str]:
    """Classes of the test part that the training part has not, as a sentence."""
    part, column = table.column(PART).sql, table.column(target_column).sql
    rows = table.query(
        f"{column}::VARCHAR, count(*) FILTER ({part} = 'test')",
        f"GROUP BY {column} HAVING count(*) FILTER ({part} = 'train') = 0 AND count(*) FILTER ({part} = 'test') > 0 "
        "ORDER BY 1 LIMIT 6",
    )
    if not rows:
        return []
    listed = ", ".join(name for name, _ in rows[:5]) + (", ..." if len(rows) > 5 else "")
    return [f"the training part has no row of class {listed}, which the test part has"]
