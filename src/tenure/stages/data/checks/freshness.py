"""Recent enough."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.core.units import format_instant, parse_duration
from tenure.spec.base import DurationText, field
from tenure.stages.data.checks.rule import Finding, Rule
from tenure.stages.data.lookup import Where, require_time

if TYPE_CHECKING:
    from tenure.stages.data.checks.rule import Looked


class Freshness(Rule):
    """The newest row is not too old at the moment the data are read, so that a feed that stopped is noticed."""

    type: Literal["freshness"] = field(Effect.RETRAIN, "Check that there are recent rows.")
    column: str | None = field(
        Effect.RETRAIN,
        "Column with the times; `data.timestamp_column` when left out.",
        None,
        examples=["loaded_at"],
    )
    max_age: DurationText = field(Effect.RETRAIN, "How old the newest row may be.", examples=["2d"])

    def check(self, looked: Looked, where: Where) -> Finding:
        """One violation when the newest row is older, or no row has a time; the example is its time."""
        name = self.column or looked.timestamp_column
        if name is None:
            raise StageError(
                "freshness needs a column with times",
                "neither its column nor data.timestamp_column is set",
                "name the column that says when a row happened or was written",
                path=where,
            )
        column = require_time(looked.table, name, (*where, "column"))
        ((newest,),) = looked.table.query(f"max({column.sql})")
        sentence = f"newest {name} at most {self.max_age} old"
        if newest is None:
            return Finding(sentence, 1, ("no row has a time",))
        newest = newest.replace(tzinfo=UTC)
        late = newest < parse_duration(self.max_age).before(looked.now)
        return Finding(sentence, int(late), (f"newest is {format_instant(newest)}",) if late else ())
