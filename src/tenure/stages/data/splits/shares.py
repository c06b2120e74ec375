"""What a split may look at, how it says the part of a row, and the fields that splits by shares have."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import SpecModel, field
from tenure.stages.data.lookup import Where

if TYPE_CHECKING:
    from tenure.ml.splits import Parts
    from tenure.ml.task import Target
    from tenure.stages.data.engine import Column, Table

COLUMN: Where = ("data", "split", "column")


class Rows(NamedTuple):
    """The cleaned rows, what the target asks for, and the columns that other fields of `data` name.

    `maturity` is how long a label may take to be known.
    """

    table: Table
    target_column: str
    target: Target
    timestamp_column: str | None
    entities: tuple[str, ...] = ()
    maturity: str | None = None

    def assigned(self, sql: str) -> Table:
        """The rows with the part of each as column `PART`: SQL over the columns of the table. Nothing is stored."""
        from tenure.ml.snapshot import PART

        items = {column.name: (column.type, column.sql) for column in self.table.columns}
        return self.table.compute(items | {PART: ("string", sql)})

    def divided(self, parts: Parts) -> Table:
        """The rows with the part of each as column `PART`: a position in `PARTS` per row, in the order of the rows."""
        from tenure.ml.snapshot import PART
        from tenure.ml.splits import PARTS

        return self.table.labelled(PART, parts, PARTS)

    def refuse_missing(self, column: Column, what: str) -> None:
        """Raises StageError when a row has no value in the column by which the rows are divided."""
        ((missing,),) = self.table.query(f"count(*) - count({column.sql})")
        if missing:
            raise StageError(
                f"rows without a {what}",
                f"{missing} of {self.table.rows} rows have no value in {column.name!r}, so the split cannot place them",
                f"add to data.cleaning: - {{type: drop_nulls, columns: [{column.name}]}}",
                path=("data", "split", "type"),
            )


class Shares(SpecModel):
    """Shares of the rows that are kept away from training."""

    test: float = field(
        Effect.RETRAIN,
        "Share of the rows that judges the finished model and is used for nothing else.",
        0.2,
        gt=0.0,
        lt=1.0,
    )
    validation: float = field(
        Effect.RETRAIN,
        "Share of the rows kept apart for choices made between training and test; cross-validation needs none.",
        0.0,
        ge=0.0,
        lt=1.0,
    )

    @model_validator(mode="after")
    def _leave_rows_to_train(self) -> Self:
        if self.test + self.validation >= 1.0:
            raise ValueError(
                f"test ({self.test}) and validation ({self.validation}) together leave no rows to train on"
            )
        return self

    @property
    def sentence(self) -> str:
        """How much is kept for the test, for people."""
        return f"{self.test:.0%} for the test"

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the split looks at."""
        column = getattr(self, "column", None)
        return () if column is None else (column,)


def refuse_empty(table: Table, test: float, validation: float) -> Table:
    """The table as it is. Raises StageError when a part that has a share has no row."""
    from tenure.ml.snapshot import PART
    from tenure.ml.splits import empty_part

    part = table.column(PART).sql
    counts = dict(table.query(f"{part}, count(*)", f"GROUP BY {part}"))
    for name, share in (("train", 1.0), ("test", test), ("validation", validation)):
        if share > 0 and not counts.get(name):
            raise empty_part(name, table.rows)
    return table
