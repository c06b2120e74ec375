"""Another type for columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import SpecModel, field
from tenure.stages.data.cleaning.changes import columns_of, unreadable, with_values
from tenure.stages.data.engine import SQL_TYPES
from tenure.stages.data.lookup import Where

if TYPE_CHECKING:
    from tenure.ml.signature import ColumnType
    from tenure.stages.data.engine import Column, Table

_WORDS = {
    "number": "number",
    "integer": "whole number",
    "string": "text",
    "boolean": "boolean",
    "timestamp": "date or time",
}


class Cast(SpecModel):
    """The values of columns are read as another type. Numbers become whole numbers only where they are whole."""

    type: Literal["cast"] = field(Effect.RETRAIN, "Give columns another type.")
    columns: tuple[str, ...] = field(Effect.RETRAIN, "The columns.", min_length=1, examples=[["zip_code"]])
    to: Literal["number", "integer", "string", "boolean", "timestamp"] = field(
        Effect.RETRAIN,
        "The new type. Text with other forms of dates or numbers: parse_datetime, parse_number.",
    )
    on_error: Literal["fail", "missing"] = field(
        Effect.RETRAIN, "`fail` stops at values that cannot be read so, `missing` makes them missing.", "fail"
    )

    def clean(self, table: Table, target_column: str, where: Where) -> tuple[Table, int]:
        """The table with the columns in their new type, and the number of values whose text is another."""
        new: dict[str, tuple[ColumnType, str]] = {}
        for position, column in enumerate(columns_of(table, self.columns, where)):
            if column.type == self.to:
                continue
            place = (*where, "columns", position)
            read = self._read(column, place)
            if self.on_error == "fail" and (error := unreadable(table, column, read, _WORDS[self.to], place)):
                raise error
            new[column.name] = (self.to, read)
        return with_values(table, new) if new else (table, 0)

    def _read(self, column: Column, place: Where) -> str:
        kinds = {column.type, self.to}
        if kinds in ({"timestamp", "number"}, {"timestamp", "integer"}, {"timestamp", "boolean"}):
            raise StageError(
                "a type that cannot be given",
                f"column {column.name!r} is a {column.type} and cannot be read as {_WORDS[self.to]}",
                "features.derived computes numbers from times, such as epoch(seen_at)",
                path=place,
            )
        source = f"trim({column.sql})" if column.type == "string" else column.sql
        if self.to == "integer" and column.type in ("string", "number"):
            number = f"TRY_CAST({source} AS DOUBLE)"
            whole = f"TRY_CAST({source} AS BIGINT)"
            return f"CASE WHEN {number} = floor({number}) THEN {whole} END"
        if self.to == "number":
            number = f"TRY_CAST({source} AS DOUBLE)"
            return f"CASE WHEN isfinite({number}) THEN {number} END"
        if self.to == "string" and column.type == "number":
            # As JSON writes them: 1.0 and 1 are the same category.
            return (
                f"CASE WHEN {source} = floor({source}) AND abs({source}) < 1e15 "
                f"THEN CAST(CAST({source} AS BIGINT) AS VARCHAR) ELSE CAST({source} AS VARCHAR) END"
            )
        return f"TRY_CAST({source} AS {SQL_TYPES[self.to]})"
