"""Labels that take time: rows whose outcome cannot be known yet are not learned from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.core.units import format_instant, parse_duration, parse_instant
from tenure.spec.base import DurationText, SpecModel, field
from tenure.stages.data.splits.datetime import Moment
from tenure.stages.data.values import as_sql

if TYPE_CHECKING:
    from tenure.stages.data.engine import Table


class Label(SpecModel):
    """When the truth is known. Rows that are younger are left out of the snapshot and counted.

    A young row without the event looks like one for which it never comes: learned from, it teaches the wrong answer.
    """

    delay: DurationText = field(
        Effect.RETRAIN,
        "How long after `data.timestamp_column` the target is known. A split by time leaves a gap as long as this.",
        examples=["14d"],
    )
    as_of: Moment | None = field(
        Effect.RETRAIN,
        "Judge by this moment instead of the moment at which the data are read, so that the same source gives the same "
        "rows at any time.",
        None,
        examples=["2026-03-01"],
    )


def mature(table: Table, timestamp_column: str, label: Label, now: datetime) -> tuple[Table, dict[str, Any]]:
    """The rows whose label is known, and what was counted. Rows without a time are kept: their age is not known.

    Raises StageError when no row is old enough.
    """
    moment = now if label.as_of is None else parse_instant(label.as_of)
    latest = parse_duration(label.delay).before(moment)
    bound = as_sql(latest.astimezone(UTC).isoformat(), "timestamp")
    column = table.column(timestamp_column).sql
    kept = table.filter(f"{column} IS NULL OR {column} <= {bound}")
    if kept.rows == 0:
        raise StageError(
            "no label is known yet",
            f"all {table.rows} rows are from after {format_instant(latest)}, and labels take {label.delay}",
            "wait until labels have arrived, read older rows, or shorten data.label.delay",
            path=("data", "label", "delay"),
        )
    return kept, {
        "delay": label.delay,
        "as_of": format_instant(moment),
        "immature": table.rows - kept.rows,
    }
