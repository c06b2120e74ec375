"""Columns and their types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.spec.base import field
from tenure.stages.data.checks.rule import Finding, Rule
from tenure.stages.data.lookup import Where

if TYPE_CHECKING:
    from tenure.stages.data.checks.rule import Looked


class Schema(Rule):
    """The columns are there and have their types; `data.contract` says more about each."""

    type: Literal["schema"] = field(Effect.RETRAIN, "Check that columns are there and have their types.")
    columns: dict[str, Literal["number", "integer", "string", "boolean", "timestamp"]] = field(
        Effect.RETRAIN,
        "Name of a column and its type. Whole numbers are fine where numbers are asked for.",
        min_length=1,
        examples=[{"age": "integer", "country": "string"}],
    )
    others: Literal["allow", "refuse"] = field(
        Effect.RETRAIN, "Whether there may be columns that are not listed.", "allow"
    )

    def check(self, looked: Looked, where: Where) -> Finding:
        """Counts the columns that are missing, of another type, or not listed."""
        types = {column.name: column.type for column in looked.table.columns}
        wrong = []
        for name, kind in self.columns.items():
            found = types.get(name)
            if found is None:
                wrong.append(f"{name} is missing")
            elif found != kind and (found, kind) != ("integer", "number"):
                wrong.append(f"{name} is {found}, not {kind}")
        if self.others == "refuse":
            wrong += [f"{name} is not listed" for name in types if name not in self.columns]
        return Finding(f"columns {', '.join(self.columns)}", len(wrong), tuple(wrong[:5]))
