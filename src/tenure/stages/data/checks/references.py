"""Keys that are there on the other side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import field
from tenure.stages.data.checks.rule import Broken, RowRule
from tenure.stages.data.lookup import Where, require

if TYPE_CHECKING:
    from tenure.stages.data.checks.rule import Finding, Looked


class References(RowRule):
    """Every value of the column occurs in a column of a source; missing values are not looked at."""

    type: Literal["references"] = field(Effect.RETRAIN, "Check that keys are known to another source.")
    column: str = field(Effect.RETRAIN, "The column with the keys.", examples=["dest"])
    source: str = field(Effect.RETRAIN, "The source that lists them.", examples=["airports"])
    key: str | None = field(
        Effect.RETRAIN, "The column of that source, of the same name when left out.", None, examples=["faa"]
    )

    def check(self, looked: Looked, where: Where) -> Finding:
        """Counts the rows whose key is nowhere in the source."""
        column = require(looked.table, self.column, (*where, "column"))
        other = looked.sources[self.source]
        name = self.key or self.column
        key = require(other, name, (*where, "key"))
        if column.type != key.type and {column.type, key.type} != {"integer", "number"}:
            raise StageError(
                "keys of different types",
                f"{self.column!r} is a {column.type} and {name!r} of {self.source!r} a {key.type}",
                "give both the same type, with types of a csv source or a cast in data.cleaning",
                path=(*where, "column"),
            )
        strange = (
            f"{column.sql} IS NOT NULL AND {column.sql} NOT IN "
            f"(SELECT {key.sql} FROM {other.view} WHERE {key.sql} IS NOT NULL)"
        )
        flagged = looked.table.compute(
            {c.name: (c.type, c.sql) for c in looked.table.columns} | {_FLAG: ("boolean", strange)}
        )
        broken = flagged.columns[-1].sql
        return self.found(
            looked, Broken(f"{self.column} is in {name} of {self.source}", flagged, broken, self.column)
        )


_FLAG = "__strange__"
