"""Numbers written for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.ml.quoting import literal
from tenure.spec.base import SpecModel, field
from tenure.stages.data.cleaning.changes import unreadable, with_values
from tenure.stages.data.lookup import Where, require

if TYPE_CHECKING:
    from tenure.ml.signature import ColumnType
    from tenure.stages.data.engine import Table


class ParseNumber(SpecModel):
    """Text such as `1,234.50`, `€ 12` or `15 %` becomes numbers; columns that are numbers already are left alone."""

    type: Literal["parse_number"] = field(Effect.RETRAIN, "Read numbers written for people.")
    columns: tuple[str, ...] = field(Effect.RETRAIN, "The columns.", min_length=1, examples=[["price"]])
    thousands: Literal[",", ".", " ", "'", "_"] = field(
        Effect.RETRAIN, "What stands between groups of three digits.", ",", examples=["."]
    )
    decimal: Literal[".", ","] = field(
        Effect.RETRAIN, "What stands between the whole and the decimals.", ".", examples=[","]
    )
    strip: tuple[str, ...] = field(
        Effect.RETRAIN,
        "Signs and units around the number that mean nothing.",
        ("$", "€", "£", "¥"),
        examples=[["EUR", "kg"]],
    )
    on_error: Literal["fail", "missing"] = field(
        Effect.RETRAIN, "`fail` stops at text that is no number, `missing` makes it missing.", "fail"
    )

    @model_validator(mode="after")
    def _tells_them_apart(self) -> Self:
        if self.thousands == self.decimal:
            raise ValueError(f"thousands and decimal are both {self.decimal!r}")
        return self

    def clean(self, table: Table, target_column: str, where: Where) -> tuple[Table, int]:
        """The columns as numbers, and the number of values that were written otherwise."""
        new: dict[str, tuple[ColumnType, str]] = {}
        for position, name in enumerate(self.columns):
            place = (*where, "columns", position)
            column = require(table, name, place)
            if column.type in ("number", "integer"):
                continue
            read = self._read(column.sql)
            if self.on_error == "fail" and (error := unreadable(table, column, read, "number", place)):
                raise error
            new[name] = ("number", read)
        return with_values(table, new) if new else (table, 0)

    def _read(self, text: str) -> str:
        """Groups of three digits only: `1,23` is no number with thousands, it is a decimal comma."""
        for sign in self.strip:
            text = f"replace({text}, {literal(sign)}, '')"
        text = f"trim(replace({text}, chr(160), ' '))"
        group, point = (rf"\{sign}" if sign in ".'" else sign for sign in (self.thousands, self.decimal))
        form = literal(rf"[+-]?(\d+|\d{{1,3}}({group}\d{{3}})+)?({point}\d*)?([eE][+-]?\d+)?\s*%?")
        share = f"CASE WHEN {text} LIKE '%\\%' ESCAPE '\\' THEN 100.0 ELSE 1.0 END"
        bare = f"replace(trim(rtrim({text}, '% ')), {literal(self.thousands)}, '')"
        bare = f"replace({bare}, {literal(self.decimal)}, '.')"
        number = f"TRY_CAST({bare} AS DOUBLE)"
        return (
            f"CASE WHEN regexp_full_match({text}, {form}) AND isfinite({number}) THEN {number} / {share} END"
        )
