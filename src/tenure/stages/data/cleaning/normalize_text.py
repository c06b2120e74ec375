"""One spelling of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field
from tenure.stages.data.cleaning.changes import with_values
from tenure.stages.data.lookup import Where, require_text

if TYPE_CHECKING:
    from tenure.stages.data.engine import Table


class NormalizeText(SpecModel):
    """Blanks and upper or lower case that mean nothing are evened out, so that equal things are equal text."""

    type: Literal["normalize_text"] = field(Effect.RETRAIN, "Even out blanks and case.")
    columns: tuple[str, ...] = field(
        Effect.RETRAIN,
        "The columns; every column of text but the target when left out.",
        (),
        examples=[["city"]],
    )
    trim: bool = field(Effect.RETRAIN, "Remove blanks at both ends, and make several in a row one.", True)
    case: Literal["keep", "lower", "upper"] = field(Effect.RETRAIN, "Which case letters get.", "keep")
    empty_as_missing: bool = field(Effect.RETRAIN, "Make text of nothing but blanks missing.", True)

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not self.trim and self.case == "keep" and not self.empty_as_missing:
            raise ValueError("normalize_text needs trim, case or empty_as_missing")
        return self

    def clean(self, table: Table, target_column: str, where: Where) -> tuple[Table, int]:
        """The table with the text evened out, and how many texts changed."""
        named = [
            require_text(table, name, (*where, "columns", position))
            for position, name in enumerate(self.columns)
        ]
        every = [c for c in table.columns if c.type == "string" and c.name != target_column]
        new = {}
        for column in named or every:
            text = column.sql
            if self.trim:
                text = rf"trim(regexp_replace({text}, '\s+', ' ', 'g'))"
            if self.case != "keep":
                text = f"{self.case}({text})"
            if self.empty_as_missing:
                text = f"CASE WHEN trim({text}) <> '' THEN {text} END"
            new[column.name] = (column.type, text)
        return with_values(table, new) if new else (table, 0)
