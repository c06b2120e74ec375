"""Transform `bin`: a number becomes the interval it lies in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.ml.transforms.base import Action, Learned, Target, Transform
from tenure.spec.base import FieldProblem, field


class Bin(Transform):
    """A number becomes the interval it lies in: its position, or a column per interval.

    As positions, missing numbers stay missing; as columns, a missing number is in none of them.
    """

    type: Literal["bin"] = field(Effect.RETRAIN, "Turn numbers into intervals.")
    bins: int = field(Effect.RETRAIN, "Most intervals; fewer where many values are equal.", 5, ge=2, le=255)
    strategy: Literal["quantile", "uniform"] = field(
        Effect.RETRAIN,
        "`quantile` puts as many rows into each, `uniform` makes them equally wide.",
        "quantile",
    )
    edges: tuple[float, ...] | None = field(
        Effect.RETRAIN,
        "The numbers at which a new interval begins, ascending, instead of found ones.",
        None,
        min_length=1,
        examples=[[18, 65]],
    )
    encoding: Literal["ordinal", "onehot"] = field(
        Effect.RETRAIN,
        "`ordinal` gives the position of the interval, `onehot` a column per interval.",
        "ordinal",
    )

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.edges and any(
            after <= before for before, after in zip(self.edges, self.edges[1:], strict=False)
        ):
            raise FieldProblem("the edges are not ascending", at=("edges",))
        return self

    @property
    def completes(self) -> bool:
        """Whether there is a number for a missing one."""
        return self.encoding == "onehot"

    def fit(self, values: Any, target: Target | None) -> Learned:
        """`edges`: those of all columns one after the other; `counts` (columns,): how many each has."""
        import numpy as np

        edges = [self._edges(column[~np.isnan(column)]) for column in values.T]
        return {
            "edges": np.concatenate(edges),
            "counts": np.array([len(column) for column in edges], dtype=np.int64),
        }

    def _edges(self, known: Any) -> Any:
        import numpy as np

        if self.edges is not None:
            return np.array(self.edges)
        if not len(known) or known.min() == known.max():
            return np.empty(0)
        shares = np.linspace(0, 1, self.bins + 1)[1:-1]
        if self.strategy == "uniform":
            return known.min() + shares * (known.max() - known.min())
        found = np.unique(np.quantile(known, shares))
        # An edge at the smallest value would leave the first interval without rows.
        return found[found > known.min()]

    def compiled(self, learned: Learned) -> Action:
        """Positions, or a column per interval."""
        import numpy as np

        edges = np.split(learned["edges"], np.cumsum(learned["counts"])[:-1])

        def positions(matrix: Any) -> Any:
            for column, ends in enumerate(edges):
                values = matrix[:, column]
                missing = np.isnan(values)
                matrix[:, column] = np.searchsorted(ends, values, side="right")
                matrix[missing, column] = np.nan
            return matrix

        def columns(matrix: Any) -> Any:
            placed = positions(matrix)
            return np.hstack(
                [placed[:, [column]] == np.arange(len(ends) + 1) for column, ends in enumerate(edges)]
            )

        return positions if self.encoding == "ordinal" else columns

    def names(self, columns: Sequence[str], learned: Learned) -> list[tuple[str, int]]:
        """The column, or `COLUMN in [low, high)` for each interval."""
        if self.encoding == "ordinal":
            return super().names(columns, learned)
        named, start = [], 0
        for position, (name, count) in enumerate(zip(columns, learned["counts"].tolist(), strict=True)):
            ends = [f"{edge:g}" for edge in learned["edges"][start : start + count].tolist()]
            start += count
            bounds = zip(["-inf", *ends], [*ends, "inf"], strict=True)
            named += [(f"{name} in [{low}, {high})", position) for low, high in bounds]
        return named
