"""Move values into a range."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import SpecModel, field
from tenure.stages.data.lookup import Where, require_number

if TYPE_CHECKING:
    import pyarrow as pa


class Clip(SpecModel):
    """Numbers below `low` become `low`, numbers above `high` become `high`; missing values stay missing."""

    type: Literal["clip"] = field(Effect.RETRAIN, "Move the values of a column into a range.")
    column: str = field(Effect.RETRAIN, "The column.", examples=["wind_speed"])
    low: float | None = field(Effect.RETRAIN, "Smallest value, no limit when left out.", None)
    high: float | None = field(Effect.RETRAIN, "Largest value, no limit when left out.", None)

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.low is None and self.high is None:
            raise ValueError("clip needs low, high or both")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low ({self.low:g}) is above high ({self.high:g})")
        return self

    def clean(self, table: pa.Table, target_column: str, where: Where) -> tuple[pa.Table, int]:
        """The table with the column clipped, and the number of values moved."""
        import pyarrow as pa
        import pyarrow.compute as pc

        values = require_number(table, self.column, (*where, "column"))
        clipped = values
        for name, limit, keep in (
            ("low", self.low, pc.max_element_wise),
            ("high", self.high, pc.min_element_wise),
        ):
            if limit is None:
                continue
            if pa.types.is_integer(values.type) and not limit.is_integer():
                raise StageError(
                    "a fraction cannot limit whole numbers",
                    f"column {self.column!r} holds whole numbers, and {name} is {limit:g}",
                    "use a whole number",
                    path=(*where, name),
                )
            clipped = keep(clipped, pa.scalar(limit).cast(values.type), skip_nulls=False)
        moved = pc.sum(pc.not_equal(values, clipped)).as_py() or 0
        return table.set_column(table.schema.get_field_index(self.column), self.column, clipped), moved
