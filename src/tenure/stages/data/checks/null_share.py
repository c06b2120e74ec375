"""Not too many missing values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.spec.base import Share, field
from tenure.stages.data.checks.rule import Finding, Rule
from tenure.stages.data.lookup import Where, require

if TYPE_CHECKING:
    from tenure.stages.data.checks.rule import Looked


class NullShare(Rule):
    """No column misses more than a share of its values."""

    type: Literal["null_share"] = field(Effect.RETRAIN, "Check that few values are missing.")
    columns: tuple[str, ...] = field(
        Effect.RETRAIN, "The columns, all of them when left out.", (), examples=[["income", "age"]]
    )
    max: Share = field(Effect.RETRAIN, "Largest share of missing values in a column.", examples=[0.05])

    def check(self, looked: Looked, where: Where) -> Finding:
        """Counts the missing values of the columns that miss too many; the examples are those with their shares."""
        table = looked.table
        for position, name in enumerate(self.columns):
            require(table, name, (*where, "columns", position))
        names = list(self.columns or table.names)
        items = ", ".join(f"count(*) - count({table.column(name).sql})" for name in names)
        (counts,) = table.query(items)
        over = [
            (name, count) for name, count in zip(names, counts, strict=True) if count > self.max * table.rows
        ]
        over.sort(key=lambda pair: -pair[1])
        return Finding(
            f"at most {self.max:.4g} of {', '.join(self.columns) or 'each column'} missing",
            sum(count for _, count in over),
            tuple(f"{name}: {count / table.rows:.1%}" for name, count in over[:5]),
        )
