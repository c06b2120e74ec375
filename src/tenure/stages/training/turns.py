"""Whose turn it is, and when a trial is hopeless: what a search decides from the trials it knows."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from tenure.stages.training.trying import RUNGS, Bars

if TYPE_CHECKING:
    from tenure.ml.metrics import Metric
    from tenure.state.store import Trial

FAIR_TRIALS = 3
"""Trials every algorithm gets before those that are clearly worse stop getting more."""
HOPELESS = 8.0
"""An algorithm whose first trial is so many times the noise behind the best gets no second one."""
GIVE_UP_AFTER = 3
"""Failed trials without a single success after which an algorithm gets no more."""
KEPT_SHARE = 3
"""`hyperband` lets one trial in so many pass a rung."""
ENOUGH_TO_COMPARE = 5
"""Trials that have to be known before `median` compares with them; one less than two rungs' worth for `hyperband`."""

Termination = Literal["fold", "median", "hyperband", "none"]


def best_trial(trials: Sequence[Trial], measure: Metric) -> Trial | None:
    """The finished trial with the best mean score, the earliest on a tie."""
    sign = 1.0 if measure.goal == "maximize" else -1.0
    done = [trial for trial in trials if trial.score is not None]
    return max(done, key=lambda trial: sign * (trial.score or 0.0), default=None)


def noise_of(trial: Trial) -> float:
    """The standard error of a trial's score: from the spread of its folds, or from the parts of its only one."""
    if trial.noise is not None:
        return trial.noise
    return statistics.stdev(trial.scores) / math.sqrt(len(trial.scores)) if len(trial.scores) > 1 else 0.0


def next_algorithm(
    names: Sequence[str], known: Sequence[Trial], asked: Mapping[str, int], measure: Metric
) -> str | None:
    """Whose turn it is; None when every algorithm has only failed.

    `names` are in the order in which they begin; `asked` says how many trials each has had, `known` those whose scores
    may be used. Each gets `FAIR_TRIALS`, in turn, unless its first is hopeless. Then those within the noise of the best
    trial go on, and the turn is that of the one that has gone the fewest trials without improving on itself: it keeps
    the turn while it improves, and shares it when nobody does.
    """
    own = {name: [trial for trial in known if trial.algorithm == name] for name in names}
    alive = [
        name
        for name in names
        if len(own[name]) < GIVE_UP_AFTER or any(trial.status != "failed" for trial in own[name])
    ]
    if not alive:
        return None
    best = best_trial(known, measure)
    if best is None or best.score is None:
        return min(alive, key=lambda name: asked.get(name, 0))
    noise, top = noise_of(best), best.score

    def behind(name: str) -> float:
        leader = best_trial(own[name], measure)
        return math.inf if leader is None or leader.score is None else abs(leader.score - top)

    waiting = [
        name
        for name in alive
        if asked.get(name, 0) < FAIR_TRIALS and not HOPELESS * noise < behind(name) < math.inf
    ]
    if waiting:
        return min(waiting, key=lambda name: asked.get(name, 0))
    near = [name for name in alive if behind(name) <= noise]
    return min(near, key=lambda name: (_stale(own[name], asked.get(name, 0), measure), asked.get(name, 0)))


def _stale(own: Sequence[Trial], asked: int, measure: Metric) -> int:
    """Trials of an algorithm since it last improved on itself, those under way included."""
    leader = best_trial(own, measure)
    before = sum(trial.number <= leader.number for trial in own) if leader is not None else 0
    return asked - before


def bars_for(kind: Termination, algorithm: str, known: Sequence[Trial], folds: int, measure: Metric) -> Bars:
    """What the next trial of an algorithm has to reach in order to go on.

    `fold`: from the second fold on, a mean no worse than the worst fold of the best trial. `median`: a mean no worse
    than the median of earlier trials after as many folds, and on the first fold a loss no worse than their median
    after as many rounds. `hyperband`: `fold`, and on the first fold a loss among the best third of the algorithm's
    trials that got as far, which is successive halving without waiting for a whole rung.
    """
    means: dict[int, float] = {}
    losses: dict[int, float] = {}
    if kind in ("fold", "hyperband"):
        best = best_trial(known, measure)
        if best is not None:
            worst = min(best.scores) if measure.goal == "maximize" else max(best.scores)
            means = dict.fromkeys(range(2, folds), worst)
    if kind == "median":
        for number in range(1, folds):
            reached = [
                statistics.fmean(trial.scores[:number]) for trial in known if len(trial.scores) >= number
            ]
            if len(reached) >= ENOUGH_TO_COMPARE:
                means[number] = statistics.median(reached)
    if kind in ("median", "hyperband"):
        for rung in RUNGS:
            reached = sorted(
                trial.curve[rung] for trial in known if trial.algorithm == algorithm and rung in trial.curve
            )
            if len(reached) >= ENOUGH_TO_COMPARE:
                losses[rung] = (
                    statistics.median(reached) if kind == "median" else reached[len(reached) // KEPT_SHARE]
                )
    return Bars(means, losses)
