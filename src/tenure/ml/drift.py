"""How far a window has moved from its reference, and whether that is more than chance.

Two distances over the same frozen bins: the population stability index and the Jensen-Shannon distance (base 2, 0 to
1). A distance counts only when it passes its effect threshold *and* its own noise floor: without any drift PSI times
nm/(n+m) follows a chi-square distribution with B - 1 degrees of freedom (n, m rows; B bins in use), and the resulting
p-values of all columns of one window go through Benjamini-Hochberg. Bins empty on both sides say nothing and are not
counted. Shares are (count + 0.5) / (rows + B/2) on both sides: symmetric, and an empty bin weighs less the more rows
there are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt
from scipy import stats

Metric = Literal["population_stability_index", "jensen_shannon"]
Array = npt.NDArray[np.float64]

FALSE_DISCOVERIES = 0.01
PSEUDO_COUNT = 0.5


class Drift(msgspec.Struct, frozen=True):
    """The drift of one column in one window. `floor` is the noise floor in units of `value`.

    `psi` and `js` are both there; `value` is the one that was asked for.
    """

    column: str
    value: float
    floor: float
    above_noise: bool
    p_value: float
    psi: float
    js: float
    bins: int
    reference_rows: int
    window_rows: int


def population_stability_index(
    reference: Sequence[int], window: Sequence[int], pseudo_count: float = PSEUDO_COUNT
) -> float:
    """PSI of two histograms over the same bins (counts per bin). 0 when either is empty."""
    p, q = _shares(reference, window, pseudo_count)
    return float(np.sum((q - p) * np.log(q / p))) if len(p) else 0.0


def jensen_shannon(
    reference: Sequence[int], window: Sequence[int], pseudo_count: float = PSEUDO_COUNT
) -> float:
    """Jensen-Shannon distance, base 2: the square root of the divergence, between 0 and 1."""
    p, q = _shares(reference, window, pseudo_count)
    if not len(p):
        return 0.0
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * np.log2(p / middle), 0.0) + np.where(q > 0, q * np.log2(q / middle), 0.0)
    return float(np.sqrt(max(terms.sum() / 2, 0.0)))


def drift_p_value(psi: float, reference_rows: int, window_rows: int, bins: int) -> float:
    """Probability of a PSI at least this large without any drift. 1 when there is nothing to compare."""
    if bins < 2 or reference_rows == 0 or window_rows == 0:
        return 1.0
    return float(stats.chi2.sf(psi / (1 / reference_rows + 1 / window_rows), bins - 1))


def noise_floor(alpha: float, reference_rows: int, window_rows: int, bins: int) -> float:
    """The PSI that is exceeded with probability `alpha` without any drift; infinite when nothing can be said."""
    if bins < 2 or reference_rows == 0 or window_rows == 0:
        return math.inf
    return float(stats.chi2.isf(alpha, bins - 1)) * (1 / reference_rows + 1 / window_rows)


def benjamini_hochberg(p_values: Sequence[float], rate: float = FALSE_DISCOVERIES) -> float:
    """The p-value up to which findings count, so that the expected share of false ones is at most `rate`.

    With no finding this is `rate / len(p_values)`, the level the smallest p-value would have had to reach.
    """
    if not p_values:
        return rate
    ordered = sorted(p_values)
    passing = [rank for rank, p in enumerate(ordered, start=1) if p <= rate * rank / len(ordered)]
    return rate * max(passing, default=1) / len(ordered)


def compare(
    histograms: Mapping[str, tuple[Sequence[int], Sequence[int]]],
    metric: Metric = "population_stability_index",
    rate: float = FALSE_DISCOVERIES,
) -> tuple[Drift, ...]:
    """The drift of every column of one window from (reference counts, window counts), furthest first."""
    found = []
    for name, (reference, window) in histograms.items():
        n, m = sum(reference), sum(window)
        bins = bins_in_use(reference, window)
        psi = population_stability_index(reference, window)
        js = jensen_shannon(reference, window)
        # For small shifts PSI = 8 ln 2 JS^2, which carries the chi-square law over to JS.
        tested = psi if metric == "population_stability_index" else 8 * math.log(2) * js**2
        found.append((name, n, m, bins, psi, js, drift_p_value(tested, n, m, bins)))
    level = benjamini_hochberg([item[-1] for item in found], rate)
    result = []
    for name, n, m, bins, psi, js, p in found:
        floor = noise_floor(level, n, m, bins)
        if metric == "jensen_shannon":
            floor = math.sqrt(floor / (8 * math.log(2)))
        value = psi if metric == "population_stability_index" else js
        result.append(Drift(name, value, floor, p <= level, p, psi, js, bins, n, m))
    return tuple(sorted(result, key=lambda item: (not item.above_noise, -item.value)))


def excess_p_value(reference_hits: int, reference_rows: int, hits: int, rows: int) -> float:
    """Probability of at least `hits` in `rows` if their share were that of the reference (binomial, one-sided).

    For a share that never occurred in the reference, half an occurrence is assumed.
    """
    if rows == 0 or hits == 0:
        return 1.0
    share = (reference_hits + PSEUDO_COUNT) / (reference_rows + 2 * PSEUDO_COUNT)
    return float(stats.binom.sf(hits - 1, rows, share))


def bins_in_use(reference: Sequence[int], window: Sequence[int]) -> int:
    """Number of bins with a row on either side: the B of the noise floor."""
    return sum(1 for a, b in zip(reference, window, strict=True) if a or b)


def _shares(reference: Sequence[int], window: Sequence[int], pseudo_count: float) -> tuple[Array, Array]:
    first, second = np.asarray(reference, dtype=np.float64), np.asarray(window, dtype=np.float64)
    used = (first + second) > 0
    if not first.sum() or not second.sum():
        return np.empty(0), np.empty(0)
    first, second = first[used] + pseudo_count, second[used] + pseudo_count
    return first / first.sum(), second / second.sum()
