"""Dates written in one or several ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.ml.quoting import literal
from tenure.spec.base import SpecModel, field
from tenure.stages.data.cleaning.changes import unreadable, with_values
from tenure.stages.data.lookup import Where, require_text

if TYPE_CHECKING:
    from tenure.ml.signature import ColumnType
    from tenure.stages.data.engine import Table


class ParseDatetime(SpecModel):
    """Text becomes dates and times; for each value the first format that fits is used. Times are taken as UTC."""

    type: Literal["parse_datetime"] = field(Effect.RETRAIN, "Read dates written in several ways.")
    columns: tuple[str, ...] = field(Effect.RETRAIN, "The columns.", min_length=1, examples=[["born"]])
    formats: tuple[str, ...] = field(
        Effect.RETRAIN,
        "How they are written, in the codes of strptime, tried in this order.",
        min_length=1,
        examples=[["%Y-%m-%d", "%d.%m.%Y", "%b %d, %Y"]],
    )
    on_error: Literal["fail", "missing"] = field(
        Effect.RETRAIN, "`fail` stops at text that fits no format, `missing` makes it missing.", "fail"
    )

    def clean(self, table: Table, target_column: str, where: Where) -> tuple[Table, int]:
        """The columns as timestamps, and the number of values that were written otherwise."""
        import duckdb

        formats = ", ".join(literal(form) for form in self.formats)
        new: dict[str, tuple[ColumnType, str]] = {}
        for position, name in enumerate(self.columns):
            place = (*where, "columns", position)
            if name in table.names and table.column(name).type == "timestamp":
                continue
            column = require_text(table, name, place)
            read = f"CAST(try_strptime(trim({column.sql}), [{formats}]) AS TIMESTAMP)"
            try:
                error = unreadable(table, column, read, "date in any of the formats", place)
            except duckdb.Error as problem:
                raise StageError(
                    "a format of dates cannot be used",
                    str(problem).strip().splitlines()[0],
                    "write it in the codes of strptime, such as %d.%m.%Y %H:%M",
                    path=(*where, "formats"),
                ) from problem
            if error and self.on_error == "fail":
                raise error
            new[name] = ("timestamp", read)
        return with_values(table, new) if new else (table, 0)
