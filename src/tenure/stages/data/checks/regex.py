"""Text of a form."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.ml.quoting import literal
from tenure.spec.base import field
from tenure.stages.data.checks.rule import Broken, RowRule
from tenure.stages.data.lookup import Where, require_text

if TYPE_CHECKING:
    from tenure.stages.data.checks.rule import Finding, Looked


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from None
    return text


class Regex(RowRule):
    """Every text of the column matches a regular expression as a whole; missing values are not looked at."""

    type: Literal["regex"] = field(Effect.RETRAIN, "Check that text has a form.")
    column: str = field(Effect.RETRAIN, "The column.", examples=["postcode"])
    pattern: Annotated[str, AfterValidator(_pattern)] = field(
        Effect.RETRAIN,
        "Regular expression in the syntax of RE2, without look-around; all of the text must match.",
        min_length=1,
        examples=["[0-9]{4} ?[A-Z]{2}"],
    )

    def check(self, looked: Looked, where: Where) -> Finding:
        """Counts the texts that do not match."""
        import duckdb

        column = require_text(looked.table, self.column, (*where, "column")).sql
        strange = f"{column} IS NOT NULL AND NOT regexp_full_match({column}, {literal(self.pattern)})"
        try:
            return self.found(
                looked, Broken(f"{self.column} matches {self.pattern}", looked.table, strange, self.column)
            )
        except duckdb.InvalidInputException as error:
            raise StageError(
                "the regular expression cannot be used",
                f"{self.pattern!r}: {str(error).strip().splitlines()[0]}",
                "write it without look-around and back-references",
                path=(*where, "pattern"),
            ) from error
