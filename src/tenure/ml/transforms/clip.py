"""Transform `clip`: outliers move to the ends of a range, which is given or found in the training rows."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.ml.transforms.base import Action, Learned, Target, Transform
from tenure.spec.base import FieldProblem, Share, SpecModel, field


class Outliers(SpecModel):
    """Numbers outside a range move to its ends: one found in the training rows by `quantiles` or `iqr`."""

    quantiles: tuple[Share, Share] | None = field(
        Effect.RETRAIN,
        "Shares of the training rows at the ends of the range (winsorizing).",
        None,
        examples=[[0.01, 0.99]],
    )
    iqr: float | None = field(
        Effect.RETRAIN,
        "How many interquartile ranges the range reaches beyond the quartiles (Tukey's fences).",
        None,
        gt=0,
        examples=[1.5],
    )

    @model_validator(mode="after")
    def _one_range(self) -> Self:
        if (self.quantiles is None) == (self.iqr is None):
            raise FieldProblem("outliers are found by quantiles or by iqr", hint="write one of them")
        check_quantiles(self.quantiles)
        return self


def check_quantiles(quantiles: tuple[float, float] | None) -> None:
    """Raises FieldProblem for quantiles in the wrong order."""
    if quantiles is not None and quantiles[0] >= quantiles[1]:
        raise FieldProblem("the first quantile is not below the second", at=("quantiles",), hint="swap them")


class Clip(Transform):
    """Numbers outside a range move to its ends; missing ones stay missing. The range is given with `low` and `high`,
    or found in the training rows by `quantiles` or `iqr`."""

    type: Literal["clip"] = field(Effect.RETRAIN, "Move numbers into a range.")
    low: float | None = field(Effect.RETRAIN, "The smallest number; no limit when left out.", None)
    high: float | None = field(Effect.RETRAIN, "The largest number; no limit when left out.", None)
    quantiles: tuple[Share, Share] | None = field(
        Effect.RETRAIN,
        "Shares of the training rows at the ends of the range (winsorizing).",
        None,
        examples=[[0.01, 0.99]],
    )
    iqr: float | None = field(
        Effect.RETRAIN,
        "How many interquartile ranges the range reaches beyond the quartiles (Tukey's fences).",
        None,
        gt=0,
        examples=[1.5],
    )

    @model_validator(mode="after")
    def _one_range(self) -> Self:
        ways = (
            self.low is not None or self.high is not None,
            self.quantiles is not None,
            self.iqr is not None,
        )
        if sum(ways) != 1:
            raise FieldProblem("clip needs one range", hint="write low and high, or quantiles, or iqr")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise FieldProblem(
                f"low ({self.low:g}) is above high ({self.high:g})", at=("low",), hint="swap them"
            )
        check_quantiles(self.quantiles)
        return self

    def fit(self, values: Any, target: Target | None) -> Learned:
        """`low` and `high` (columns,)."""
        import numpy as np

        ends = [self._range(column[~np.isnan(column)]) for column in values.T]
        low, high = zip(*ends, strict=True)
        return {"low": np.array(low), "high": np.array(high)}

    def _range(self, known: Any) -> tuple[float, float]:
        import numpy as np

        if self.quantiles is None and self.iqr is None:
            return (
                -np.inf if self.low is None else self.low,
                np.inf if self.high is None else self.high,
            )
        if not len(known):
            return -np.inf, np.inf
        if self.quantiles is not None:
            low, high = np.quantile(known, self.quantiles)
            return float(low), float(high)
        assert self.iqr is not None
        first, third = np.quantile(known, (0.25, 0.75))
        reach = self.iqr * (third - first)
        return float(first - reach), float(third + reach)

    def compiled(self, learned: Learned) -> Action:
        """Values moved into the range; NaN stays."""
        import numpy as np

        low, high = learned["low"], learned["high"]
        return lambda matrix: np.minimum(np.maximum(matrix, low), high)
