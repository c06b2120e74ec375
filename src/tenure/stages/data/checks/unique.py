"""Keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.spec.base import field
from tenure.stages.data.checks.rule import EXAMPLES, HIDDEN, Finding, Rule
from tenure.stages.data.lookup import Where, repeated, require

if TYPE_CHECKING:
    from tenure.stages.data.checks.rule import Looked


class Unique(Rule):
    """No two rows have the same values in the columns together; rows with a missing value there are not looked at."""

    type: Literal["unique"] = field(Effect.RETRAIN, "Check that rows do not repeat.")
    columns: tuple[str, ...] = field(
        Effect.RETRAIN, "The columns that identify a row.", min_length=1, examples=[["id"]]
    )

    def check(self, looked: Looked, where: Where) -> Finding:
        """Counts the rows that repeat an earlier one."""
        for position, name in enumerate(self.columns):
            require(looked.table, name, (*where, "columns", position))
        extra, examples = repeated(looked.table, self.columns, EXAMPLES)
        if extra and looked.hidden & set(self.columns):
            examples = (HIDDEN,)
        return Finding(f"{', '.join(self.columns)} unique", extra, examples)
