"""Transform `scale`: numbers of different sizes become comparable."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from tenure.core.effect import Effect
from tenure.ml.transforms.base import Action, Learned, Target, Transform
from tenure.spec.base import field

Scaling = Literal["standard", "minmax", "robust", "quantile", "power"]

_QUANTILES = 1000
_ENOUGH = 50_000
"""Rows, evenly spaced, from which the exponent of `power` is estimated."""


class Scale(Transform):
    """Numbers of different sizes become comparable; missing ones stay missing.

    A column with one value in the training rows becomes 0 there.
    """

    type: Literal["scale"] = field(Effect.RETRAIN, "Make numbers of different sizes comparable.")
    method: Scaling = field(
        Effect.RETRAIN,
        "`standard` gives mean 0 and deviation 1, `minmax` the range 0 to 1, `robust` median 0 and quartiles 1 apart, "
        "`quantile` a normal distribution by rank, `power` nearly one by a Yeo-Johnson exponent.",
        "standard",
    )

    MONOTONE: ClassVar[bool] = True

    def fit(self, values: Any, target: Target | None) -> Learned:
        """`shift` and `size` (columns,); `quantiles` (steps, columns) or `exponents` (columns,) where it takes them."""
        import numpy as np

        known = [column[~np.isnan(column)] for column in values.T]
        if self.method == "quantile":
            steps = max(2, min([_QUANTILES, *(len(column) for column in known)]))
            shares = np.linspace(0, 1, steps)
            columns = [np.quantile(column, shares) if len(column) else np.zeros(steps) for column in known]
            return {"quantiles": np.column_stack(columns)}
        learned: Learned = {}
        if self.method == "power":
            learned["exponents"] = np.array([_exponent(column) for column in known])
            known = [
                _yeo_johnson(column, np.float64(exponent))
                for column, exponent in zip(known, learned["exponents"], strict=True)
            ]
        measured = [self._shift_and_size(column) if len(column) else (0.0, 1.0) for column in known]
        shift, size = zip(*measured, strict=True)
        return learned | {"shift": np.array(shift), "size": np.array(size)}

    def _shift_and_size(self, known: Any) -> tuple[float, float]:
        import numpy as np

        if self.method == "minmax":
            shift, size = known.min(), known.max() - known.min()
        elif self.method == "robust":
            first, shift, third = np.quantile(known, (0.25, 0.5, 0.75))
            # Where most values are equal, the quartiles are too; the deviation is then the next best measure.
            size = third - first or known.std()
        else:
            shift, size = known.mean(), known.std()
        # What is left of a constant column is rounding, which must not be blown up.
        tiny = 10 * len(known) * np.finfo(np.float64).eps * max(abs(known.min()), abs(known.max()))
        return float(shift), 1.0 if size <= tiny else float(size)

    def compiled(self, learned: Learned) -> Action:
        """Element by element; NaN stays."""
        import numpy as np

        if self.method == "quantile":
            return _by_rank(learned["quantiles"])
        shift, size = learned["shift"], learned["size"]
        if self.method == "power":
            exponents = learned["exponents"]

            def power(matrix: Any) -> Any:
                columns = [
                    _yeo_johnson(matrix[:, position], exponent) for position, exponent in enumerate(exponents)
                ]
                return (np.column_stack(columns) - shift) / size

            return power
        return lambda matrix: np.divide(np.subtract(matrix, shift, out=matrix), size, out=matrix)


def _exponent(known: Any) -> float:
    import numpy as np
    from sklearn.preprocessing import PowerTransformer

    if len(np.unique(known)) < 2:
        return 1.0
    some = known[:: max(1, len(known) // _ENOUGH)]
    # Values of any size are brought near 1 first, where the likelihood can be computed; PowerTransformer does the rest.
    found = PowerTransformer(standardize=False).fit(some[:, None]).lambdas_[0]
    return float(np.clip(found, -5.0, 5.0)) if np.isfinite(found) else 1.0


def _yeo_johnson(values: Any, exponent: Any) -> Any:
    """Yeo and Johnson (2000), Biometrika 87(4): 954-959. Bounded, since a power may overflow."""
    import numpy as np

    size = np.abs(values)
    # For x < 0 the formula is that of -x with exponent 2 - lambda, and the sign turned.
    power = np.where(values >= 0, exponent, 2.0 - exponent)
    with np.errstate(all="ignore"):
        logged = np.log1p(size)
        grown = np.where(
            np.abs(power) < 1e-12, logged, np.expm1(power * logged) / np.where(power == 0, 1.0, power)
        )
    return np.copysign(np.minimum(grown, 1e100), values)


def _by_rank(quantiles: Any) -> Action:
    import numpy as np
    from scipy.special import ndtri

    shares = np.linspace(0, 1, len(quantiles))
    columns = [np.ascontiguousarray(column) for column in quantiles.T]
    edge = 1e-7

    def rank(matrix: Any) -> Any:
        for position, column in enumerate(columns):
            values = matrix[:, position]
            # Equal values have many ranks: the middle one is that from below and from above.
            below = np.interp(values, column, shares)
            above = np.interp(-values, -column[::-1], -shares[::-1])
            share = 0.5 * (below - above)
            matrix[:, position] = (
                ndtri(np.clip(share, edge, 1 - edge)) if column[0] < column[-1] else 0.0 * values
            )
        return matrix

    return rank
