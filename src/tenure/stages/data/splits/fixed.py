"""A split that somebody else made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import SpecModel, field
from tenure.stages.data.lookup import require
from tenure.stages.data.splits.shares import COLUMN, Rows, refuse_empty
from tenure.stages.data.values import Scalar, listed, literals

if TYPE_CHECKING:
    from tenure.stages.data.engine import Table


class Fixed(SpecModel):
    """A column says to which part a row belongs, as in a published benchmark. The column is not kept."""

    type: Literal["fixed"] = field(Effect.RETRAIN, "Split by a column with the names of the parts.")
    column: str = field(Effect.RETRAIN, "The column.", min_length=1, examples=["part"])
    train: tuple[Scalar, ...] = field(
        Effect.RETRAIN,
        "Its values in rows to train on.",
        ("train",),
        min_length=1,
        examples=[["train", "dev"]],
    )
    validation: tuple[Scalar, ...] = field(
        Effect.RETRAIN,
        "Its values in rows kept apart for choices made between training and test.",
        (),
        examples=[["valid"]],
    )
    test: tuple[Scalar, ...] = field(
        Effect.RETRAIN, "Its values in rows that judge the finished model.", ("test",), min_length=1
    )
    others: Literal["fail", "leave_out"] = field(
        Effect.RETRAIN, "What becomes of rows with another value, or none.", "fail"
    )

    @model_validator(mode="after")
    def _say_one_thing_of_a_value(self) -> Self:
        values = [*self.train, *self.validation, *self.test]
        if twice := {str(value) for value in values if values.count(value) > 1}:
            raise ValueError(f"{', '.join(sorted(twice))} is listed for more than one part")
        return self

    @property
    def sentence(self) -> str:
        """How much is kept for the test, for people."""
        return f"the test where {self.column} is {listed(self.test)}"

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the split looks at."""
        return (self.column,)

    def assign(self, rows: Rows) -> Table:
        """The rows with the part of each, `gap` for those left out, without the column."""
        table = rows.table
        column = require(table, self.column, COLUMN)
        if self.column == rows.target_column:
            raise StageError(
                "the target says nothing about parts",
                f"{self.column!r} is the column to predict",
                path=COLUMN,
            )
        cases = []
        for part, values in (("train", self.train), ("validation", self.validation), ("test", self.test)):
            if values:
                known = ", ".join(literals(values, column, ("data", "split", part)))
                cases.append(f"WHEN {column.sql} IN ({known}) THEN '{part}'")
        assigned = rows.assigned(f"CASE {' '.join(cases)} ELSE 'gap' END")
        part = assigned.columns[-1].sql
        ((strange,),) = assigned.query(f"count(*) FILTER ({part} = 'gap')")
        if strange and self.others == "fail":
            found = assigned.query(
                f"coalesce({column.sql}::VARCHAR, 'missing')",
                f"WHERE {part} = 'gap' GROUP BY {column.sql} ORDER BY min(n) LIMIT 5",
            )
            raise StageError(
                "rows of no part",
                f"{strange} of {table.rows} rows have another value in {self.column!r}: "
                + ", ".join(value for (value,) in found),
                "list the values under train, validation or test, or set others: leave_out",
                path=COLUMN,
            )
        refuse_empty(assigned, 1.0, 1.0 if self.validation else 0.0)
        return assigned.select([name for name in assigned.names if name != self.column])
