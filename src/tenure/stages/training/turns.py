"""Whose turn it is, and when a trial is hopeless: what a search decides from the trials it knows."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from tenure.stages.training.trying import RUNGS, Bars

if TYPE_CHECKING:
    from tenure.ml.metrics import Metric
    from tenure.state.store import Trial

FAIR_TRIALS = 3
"""Trials every algorithm gets before those that are clearly worse stop getting more."""
HOPELESS = 5.0
"""An algorithm whose first trial is so many times the noise behind the best gets no second one."""
GIVE_UP_AFTER = 3
"""Failed trials without a single success after which an algorithm gets no more."""
USUAL_ROUNDS = 100
"""Rounds of boosting that count as one fit of an algorithm's usual cost."""
NEAR = 2.0
"""Algorithms whose best trial is so many times the noise behind the best of all still take turns."""
KEPT_SHARE = 3
"""`hyperband` lets one trial in so many pass a rung."""
CLEARLY = 3.0
"""A trial is given up when the folds to come would have to be better than those it has by so many standard errors."""
ENOUGH_TO_PAIR = 3
"""Finished trials, beside the best, from which can be told how much the difference of two trials varies by fold."""
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


def foreseen(trial: Trial, best: Trial | None) -> float | None:
    """The score of a trial; of one that was given up, what it would have come to had it stayed as far from the best
    trial as on the folds that it had. None where it had none."""
    if trial.score is not None or not trial.scores:
        return trial.score
    reached = statistics.fmean(trial.scores)
    if best is None or best.score is None or len(best.scores) < len(trial.scores):
        return reached
    return best.score + reached - statistics.fmean(best.scores[: len(trial.scores)])


def next_algorithm(
    names: Sequence[str],
    known: Sequence[Trial],
    asked: Mapping[str, int],
    measure: Metric,
    costs: Mapping[str, float] = MappingProxyType({}),
    left: float = math.inf,
) -> str | None:
    """Whose turn it is; None when every algorithm has only failed.

    `names` are in the order in which they begin; `asked` says how many trials each has had, `known` those whose scores
    may be used, `costs` what a fit of each costs (1 where it is not said), `left` how many trials are to come. Each
    gets one trial, and `FAIR_TRIALS` once its first is known and not hopeless; those near the best go on. The turn is
    that of the one that will have worked least after it, at first in all, later without improving on itself: it keeps
    the turn while it improves, and when nobody does all work equally much, so that the quick ones try more (after Wang
    et al., FLAML, MLSys 2021, with work in place of seconds: seconds would make the result depend on the machine).
    """
    own = {name: [trial for trial in known if trial.algorithm == name] for name in names}
    alive = [
        name
        for name in names
        if len(own[name]) < GIVE_UP_AFTER or any(trial.status != "failed" for trial in own[name])
    ]
    if not alive:
        return None
    fresh = [name for name in alive if not asked.get(name, 0)]
    if fresh and len(fresh) >= left:
        return fresh[0]
    best = best_trial(known, measure)
    done = [trial for trial in known if trial.score is not None]
    # The folds of one trial may agree by luck; those of most trials do not.
    noise = statistics.median(map(noise_of, done)) if done else 0.0
    folds = max((len(trial.scores) for trial in done), default=1)

    sign = 1.0 if measure.goal == "maximize" else -1.0

    def behind(name: str) -> float:
        reached = [score for trial in own[name] if (score := foreseen(trial, best)) is not None]
        if best is None or best.score is None or not reached:
            return math.inf
        return min(max(0.0, sign * (best.score - score)) for score in reached)

    def next_after(name: str, since: int = -1) -> float:
        """What it will have worked on trials after the one of that number, the next one included. One that is under
        way or to come counts as the usual one."""
        usual = statistics.fmean(map(_work, own[name])) if own[name] else float(folds)
        known_work = sum(_work(trial) for trial in own[name] if trial.number > since)
        return costs.get(name, 1.0) * (known_work + usual * (asked.get(name, 0) - len(own[name]) + 1))

    waiting = [
        name
        for name in alive
        if asked.get(name, 0) < FAIR_TRIALS
        and (own[name] or not asked.get(name, 0))
        and not HOPELESS * noise < behind(name) < math.inf
    ]
    if best is None:
        # A second trial of something unknown is worth less than a first one of something else.
        return min(alive, key=lambda name: next_after(name) * (asked.get(name, 0) + 1))
    if waiting:
        return min(waiting, key=next_after)
    near = [name for name in alive if behind(name) <= NEAR * noise]

    def in_vain(name: str) -> float:
        leader = best_trial(own[name], measure)
        return next_after(name, -1 if leader is None else leader.number)

    return min(near, key=in_vain)


def _work(trial: Trial) -> float:
    """The work of a trial: its folds, each counted by its rounds where the algorithm works in rounds."""
    rounds = [fold["rounds"] for fold in trial.learned if "rounds" in fold]
    return sum(rounds) / USUAL_ROUNDS if rounds else float(max(1, len(trial.scores)))


def bars_for(kind: Termination, algorithm: str, known: Sequence[Trial], folds: int, measure: Metric) -> Bars:
    """What the next trial of an algorithm has to reach in order to go on.

    `fold`: from the second fold on, a mean no worse than the worst fold of the best trial; and from the first on, to be
    not clearly behind the best trial on the same folds (a race, after Maron and Moore, NIPS 1993). `median`: a mean no
    worse than the median of earlier trials after as many folds, and on the first fold a loss no worse than their median
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
            for number, bar in _race(best, known, folds, measure).items():
                means[number] = (
                    bar if number not in means or measure.better(bar, means[number]) else means[number]
                )
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


def _race(best: Trial, known: Sequence[Trial], folds: int, measure: Metric) -> dict[int, float]:
    """After so many folds, the mean below which a trial would need luck to become the best: folds that are hard for one
    trial are hard for the other, so that their difference tells more than their scores."""
    whole = [trial for trial in known if trial.score is not None and len(trial.scores) == folds]
    spreads = [
        statistics.stdev(own - theirs for own, theirs in zip(trial.scores, best.scores, strict=True))
        for trial in whole
        if trial is not best and folds > 1 and len(best.scores) == folds
    ]
    if len(spreads) < ENOUGH_TO_PAIR:
        return {}
    # Where many trials come to the same, their differences are no measure of anything.
    spread = max(statistics.median(spreads), noise_of(best))
    sign = 1.0 if measure.goal == "maximize" else -1.0
    return {
        number: statistics.fmean(best.scores[:number])
        # What the mean of all folds still varies by, given the first of them.
        - sign * CLEARLY * spread * math.sqrt((folds - number) / (number * folds))
        for number in range(1, folds)
    }
