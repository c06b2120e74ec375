"""Leakage between the parts of a split: what a model may have seen in training of the rows it is judged on."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from tenure.ml.snapshot import PART

if TYPE_CHECKING:
    from tenure.stages.data.engine import Table

MOST_DUPLICATES = 0.01
"""Share of the test rows that may be copies of training rows before it blocks."""

_BY_CHANCE = ("random", "stratified")


def leakage(
    table: Table,
    split_type: str,
    entities: Sequence[str],
    timestamp: str | None,
    unique: Collection[str] = (),
) -> list[dict[str, Any]]:
    """What crosses from training to test: `{kind, sentence, rows, blocks}`, `rows` being rows of the test part.

    `unique` names columns that have another value in every row, which spares looking for rows that are the same.
    `blocks` says that a model made from these rows would look better than it is; what to do about it is up to the
    stage that makes the model.
    """
    found = [
        None if unique else _duplicates(table),
        None if set(entities) & set(unique) else _entities(table, split_type, entities),
        _later(table, split_type, timestamp),
    ]
    return [item for item in found if item is not None]


def _duplicates(table: Table) -> dict[str, Any] | None:
    """Rows of the test part that are the same as one of the training part, in every column."""
    columns = [column.sql for column in table.columns if column.name != PART]
    key = f"hash({', '.join(columns)})"
    rows, tested = _shared(table, key)
    if not rows:
        return None
    share = rows / tested
    expected = _expected_by_chance(table)
    blocks = share > MOST_DUPLICATES and expected < MOST_DUPLICATES
    sentence = f"{rows} of {tested} rows of the test part ({share:.1%}) are in the training part too, target included"
    if share > MOST_DUPLICATES and not blocks:
        sentence += ": the columns have so few values that rows agree by chance"
    return {"kind": "duplicate_rows", "sentence": sentence, "rows": rows, "blocks": blocks}


def _shared(table: Table, key: str) -> tuple[int, int]:
    """How many rows of the test part have a key (SQL, null for none) of the training part, and how many it has."""
    part = table.column(PART).sql
    ((rows, tested),) = table.engine.query(
        f"SELECT (SELECT count(*) FROM (SELECT {key} AS h FROM {table.view} WHERE {part} = 'test') "
        f"SEMI JOIN (SELECT {key} AS h FROM {table.view} WHERE {part} = 'train') USING (h)), "
        f"(SELECT count(*) FROM {table.view} WHERE {part} = 'test')"
    )
    return rows, tested


def _expected_by_chance(table: Table) -> float:
    """The share of test rows that would have a twin in training if columns were independent: high where they have few
    values. By the chance that two rows agree in a column, over all columns."""
    part = table.column(PART).sql
    ((train,),) = table.query(f"count(*) FILTER ({part} = 'train')")
    agree = 1.0
    for column in table.columns:
        if column.name != PART:
            ((same,),) = table.engine.query(
                f"SELECT sum(times::DOUBLE * times) FROM "
                f"(SELECT count(*) AS times FROM {table.view} GROUP BY {column.sql})"
            )
            agree *= same / table.rows**2
    return 1.0 - math.exp(-train * agree)


def _entities(table: Table, split_type: str, entities: Sequence[str]) -> dict[str, Any] | None:
    """Rows of the test part about something that the model has seen in training."""
    names = [name for name in entities if name in table.names]
    if not names:
        return None
    keys = [table.column(name).sql for name in names]
    known = " AND ".join(f"{key} IS NOT NULL" for key in keys)
    rows, tested = _shared(table, f"CASE WHEN {known} THEN hash({', '.join(keys)}) END")
    if not rows:
        return None
    listed = ", ".join(names)
    return {
        "kind": "entities",
        "sentence": f"{rows} of {tested} rows of the test part have a {listed} that the training part has too",
        "rows": rows,
        "blocks": split_type in _BY_CHANCE,
    }


def _later(table: Table, split_type: str, timestamp: str | None) -> dict[str, Any] | None:
    """Rows of the test part that lie before rows the model has learned from."""
    if timestamp is None or split_type == "datetime":
        return None
    part, time = table.column(PART).sql, table.column(timestamp).sql
    ((rows, tested),) = table.query(
        f"count(*) FILTER ({time} < (SELECT max({time}) FROM {table.view} WHERE {part} = 'train')), count(*)",
        f"WHERE {part} = 'test'",
    )
    if not rows:
        return None
    return {
        "kind": "time_travel",
        "sentence": f"{rows} of {tested} rows of the test part are older than rows the model learns from, as never "
        "happens in use; a split of type datetime tests on the future",
        "rows": rows,
        "blocks": False,
    }
