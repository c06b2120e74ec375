"""Which parameters of an algorithm decided about its score: the functional ANOVA of Hutter, Hoos & Leyton-Brown (2014).

A forest is fitted to the trials, and the variance of its predictions shared out among the parameters. With few trials
that is a hint, not a measurement. It is computed when a report is made, not while searching.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from tenure.state.store import Trial

FEWEST = 8
"""Scored trials of one algorithm below which nothing is said."""
_MOST = 400
_LOG_FROM = 50.0
_TREES = 32
_WORST = 0.2


class Importance(msgspec.Struct, frozen=True):
    """One parameter of one algorithm, and its share of the variance of the scores."""

    algorithm: str
    parameter: str
    share: float


def mean_score(trial: Trial) -> float | None:
    """The score of a trial, or for one that was given up the mean of the folds it had."""
    if trial.score is not None:
        return trial.score
    return math.fsum(trial.scores) / len(trial.scores) if trial.scores else None


def importances(trials: Sequence[Trial], goal: str) -> tuple[Importance, ...]:
    """The importance of every parameter, by algorithm and then the greatest first.

    Algorithms with fewer than `FEWEST` scored trials are left out, and so are parameters that never varied or that not
    every trial has. The worst fifth of the scores counts as equally bad, so that what ruins a model does not hide
    what makes a good one better.
    """
    found = []
    for name in dict.fromkeys(trial.algorithm for trial in trials):
        scored = [
            (trial.params, score)
            for trial in trials
            if trial.algorithm == name and (score := mean_score(trial)) is not None and math.isfinite(score)
        ]
        if len(scored) >= FEWEST:
            found += _of_algorithm(name, scored[-_MOST:], goal)
    return tuple(found)


def _of_algorithm(name: str, scored: Sequence[tuple[dict[str, Any], float]], goal: str) -> list[Importance]:
    import optuna

    common = set.intersection(*(set(params) for params, _ in scored))
    space = {
        parameter: distribution
        for parameter in sorted(common)
        if (distribution := _distribution([params[parameter] for params, _ in scored])) is not None
    }
    values = sorted((score for _, score in scored), reverse=goal == "maximize")
    floor = values[min(len(values) - 1, int((1 - _WORST) * len(values)))]
    if not space or values[0] == floor:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        level = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            study = optuna.create_study(direction="maximize" if goal == "maximize" else "minimize")
            for params, score in scored:
                worse = score < floor if goal == "maximize" else score > floor
                study.add_trial(
                    optuna.create_trial(
                        params={parameter: params[parameter] for parameter in space},
                        distributions=space,
                        value=floor if worse else score,
                    )
                )
            evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=_TREES, seed=0)
            shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
        except RuntimeError:
            # The scores of all trees are constant: nothing made a difference.
            return []
        finally:
            optuna.logging.set_verbosity(level)
    ranked = sorted(shares.items(), key=lambda pair: (-pair[1], pair[0]))
    return [Importance(name, parameter, round(float(share), 4)) for parameter, share in ranked]


def _distribution(values: Sequence[Any]) -> BaseDistribution | None:
    """What the values may have been drawn from; None where they never varied."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    distinct = list(dict.fromkeys(values))
    if len(distinct) < 2:
        return None
    if any(isinstance(value, bool | str) or value is None for value in distinct):
        return CategoricalDistribution(distinct)
    if not all(isinstance(value, int | float) for value in distinct):
        return None
    low, high = min(distinct), max(distinct)
    log = is_log(distinct)
    if all(isinstance(value, int) for value in distinct):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(float(low), float(high), log=log)


def is_log(values: Sequence[float]) -> bool:
    """Whether numbers are better looked at by order of magnitude."""
    return min(values) > 0 and max(values) / min(values) >= _LOG_FROM
