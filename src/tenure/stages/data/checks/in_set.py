"""Values from a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import field
from tenure.stages.data.checks.rule import Finding, Rule, first_values
from tenure.stages.data.lookup import Where, require

if TYPE_CHECKING:
    from tenure.stages.data.engine import Table


class InSet(Rule):
    """Every value of the column is one of the list; missing values are not looked at."""

    type: Literal["in_set"] = field(Effect.RETRAIN, "Check that values come from a list.")
    column: str = field(Effect.RETRAIN, "The column.", examples=["island"])
    values: tuple[str | bool | int | float, ...] = field(
        Effect.RETRAIN, "The values allowed.", min_length=1, examples=[["Biscoe", "Dream", "Torgersen"]]
    )

    def check(self, table: Table, where: Where) -> Finding:
        """Counts the values that are not in the list."""
        import pyarrow as pa

        from tenure.ml.signature import ARROW_TYPES

        column = require(table, self.column, (*where, "column"))
        try:
            allowed = pa.array(list(self.values), type=ARROW_TYPES[column.type])
        except (pa.ArrowException, TypeError) as error:
            raise StageError(
                "the list does not fit the column",
                f"column {self.column!r} is {column.type}, the list holds {', '.join(map(repr, self.values[:9]))}",
                "write the values as they are in the column: text in quotes, numbers and true or false without",
                path=(*where, "values"),
            ) from error
        with table.engine.registered("allowed", pa.table({"value": allowed})):
            values = table.engine.write("SELECT value FROM allowed")
        strange = f"{column.sql} IS NOT NULL AND {column.sql} NOT IN (SELECT value FROM {values})"
        ((count,),) = table.query("count(*)", f"WHERE {strange}")
        listed = ", ".join(str(value) for value in self.values[:10]) + (
            ", ..." if len(self.values) > 10 else ""
        )
        return Finding(
            f"{self.column} one of {listed}",
            count,
            tuple(
                value if isinstance(value, bool | int | float | str) else str(value)
                for value in (first_values(table, column.sql, strange) if count else ())
            ),
        )
