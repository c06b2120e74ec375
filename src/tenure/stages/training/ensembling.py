"""Greedy ensembles (Caruana et al. 2004): the trials whose mean predicts best together, chosen out of fold.

Starting from the best trial, the one that helps most is added, again and again, and may be added more than once. What
counts in the end is the mean with the best score on the way, which is never worse out of fold than the best trial.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tenure.ml.metrics import Metric
    from tenure.state.store import Trial

MOST_CANDIDATES = 30
"""Trials that an ensemble may choose from: the record of the search names so many."""


class GreedyEnsemble(SpecModel):
    """Several of the search's trials that answer together. Often better, always larger and slower."""

    type: Literal["greedy"] = field(
        Effect.ADJUST, "Add the trial that helps most, again and again, judged on out-of-fold predictions."
    )
    size: int = field(
        Effect.ADJUST,
        "How often one is added; the same one may be, and then counts more. There are at most so many members.",
        5,
        ge=2,
        le=50,
    )
    candidates: int = field(
        Effect.ADJUST,
        "Best trials to choose from, the best of each algorithm first; each is fitted once per fold.",
        10,
        ge=2,
        le=MOST_CANDIDATES,
    )


@dataclass(frozen=True)
class Weighting:
    """What a greedy choice came to: the share of each candidate, its score, and that of the best one alone."""

    shares: tuple[float, ...]
    score: float
    alone: float


def leading(trials: Sequence[Trial], measure: Metric, count: int) -> list[Trial]:
    """The best finished trials, best first among the best of each algorithm and then among the rest; those with equal
    parameters once."""
    sign = 1.0 if measure.goal == "maximize" else -1.0
    done = [trial for trial in trials if trial.score is not None]
    ordered = sorted(done, key=lambda trial: (-sign * (trial.score or 0.0), trial.number))
    seen: list[tuple[str, dict[str, Any]]] = []
    first: list[Trial] = []
    rest: list[Trial] = []
    for trial in ordered:
        if (trial.algorithm, trial.params) in seen:
            continue
        seen.append((trial.algorithm, trial.params))
        known = any(other.algorithm == trial.algorithm for other in first)
        (rest if known else first).append(trial)
    return [*first, *rest][:count]


def greedy(
    said: Sequence[npt.NDArray[np.float64]],
    truth: npt.NDArray[Any],
    fold: npt.NDArray[np.int64],
    measure: Metric,
    size: int,
) -> Weighting:
    """Shares of candidates from their out-of-fold predictions, each (rows, classes) or (rows,); those of rows that no
    candidate helps with are 0. Scores are means over the folds, as those of the trials are."""
    import numpy as np

    def score(total: npt.NDArray[np.float64], count: int) -> float:
        return mean_score(total / count, truth, fold, measure)

    def best_of(scores: Sequence[float]) -> int:
        values = np.array(scores) if measure.goal == "maximize" else -np.array(scores)
        return int(np.nanargmax(values))

    alone = [score(item, 1) for item in said]
    chosen = [best_of(alone)]
    total = said[chosen[0]].copy()
    reached = [alone[chosen[0]]]
    while len(chosen) < size:
        scores = [score(total + item, len(chosen) + 1) for item in said]
        chosen.append(best_of(scores))
        total += said[chosen[-1]]
        reached.append(scores[chosen[-1]])
    length = best_of(reached) + 1
    counts = np.bincount(chosen[:length], minlength=len(said))
    return Weighting(tuple((counts / length).tolist()), reached[length - 1], alone[chosen[0]])


def mean_score(
    said: npt.NDArray[np.float64], truth: npt.NDArray[Any], fold: npt.NDArray[np.int64], measure: Metric
) -> float:
    """The metric of out-of-fold predictions, its mean over the folds; folds without a value are left out."""
    import numpy as np

    from tenure.ml.formulas import Scored
    from tenure.ml.metrics import value_of

    values = []
    for number in np.unique(fold):
        rows = fold == number
        if said.ndim == 1:
            scored = Scored(truth[rows].astype(np.float64), said[rows], None, 0)
        else:
            scored = Scored(truth[rows], said[rows].argmax(axis=1), said[rows], said.shape[1])
        values.append(value_of(measure, scored))
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
