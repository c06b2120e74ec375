"""Asking a sampler for parameters and telling it scores, in an order that only the numbers of the trials decide."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from tenure.stages.training.algorithm import Algorithm, quietly
from tenure.stages.training.space import Value

if TYPE_CHECKING:
    import optuna

Kind = Literal["tpe", "random", "grid", "qmc"]

_STARTUP_TRIALS = 6
"""Trials that TPE wants to know the scores of before it trusts them; until then it draws at random."""
GRID_STEPS = 5
"""Values that `grid` takes of a range."""


class Sampler:
    """Proposes parameters of one algorithm: those it starts with first, then what the kind of sampling says.

    Optuna only samples here: it stores nothing, runs nothing, and is loaded when the starts are used up. Each
    algorithm has a study of its own, because the parameters of one mean nothing for another; mixed in one study, TPE
    would model a space whose dimensions appear and disappear.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        kind: Kind,
        seed: int,
        goal: Literal["maximize", "minimize"],
        starts: Sequence[dict[str, Value]] = (),
    ) -> None:
        self._algorithm = algorithm
        self._kind, self._seed, self._goal = kind, seed, goal
        self._dimensions = algorithm.dimensions()
        grid = _grid(algorithm, seed) if kind == "grid" else None
        self._grid = grid
        self._starts = list(starts) if grid is None else []
        self._asked = 0
        self._told: list[tuple[dict[str, Value], float]] = []
        self._pending: dict[int, optuna.trial.Trial | dict[str, Value]] = {}
        self._study: optuna.study.Study | None = None

    def ask(self, number: int) -> dict[str, Any] | None:
        """The parameters of the trial of that number; None when there is nothing left to try."""
        position, self._asked = self._asked, self._asked + 1
        if self._grid is not None:
            return next(self._grid, None)
        if position < len(self._starts):
            params = self._starts[position]
            self._pending[number] = params
            return dict(params)
        if all(dimension.type == "fixed" for dimension in self._dimensions.values()):
            return None
        trial = self._ready().ask()
        self._pending[number] = trial
        return self._drawn(trial)

    def tell(self, number: int, score: float | None) -> None:
        """The score of what was asked for under that number; None when it failed."""
        pending = self._pending.pop(number, None)
        if pending is None:
            return
        if isinstance(pending, dict):
            if score is not None:
                self._told.append((pending, score))
                if self._study is not None:
                    self._add(pending, score)
            return
        import optuna

        assert self._study is not None
        if score is None:
            self._study.tell(pending, state=optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(pending, score)

    def adopt(self, params: dict[str, Value], score: float) -> None:
        """Learn from parameters that this sampler never proposed."""
        known = {name: params[name] for name in self._dimensions if name in params}
        self._told.append((known, score))
        if self._study is not None:
            self._add(known, score)

    def _ready(self) -> optuna.study.Study:
        """The study, made when it is first needed, with everything that was told until then."""
        if self._study is None:
            import optuna

            optuna.logging.set_verbosity(optuna.logging.ERROR)
            sampler: optuna.samplers.BaseSampler
            with quietly():
                if self._kind == "tpe":
                    sampler = optuna.samplers.TPESampler(
                        seed=self._seed,
                        n_startup_trials=_STARTUP_TRIALS,
                        multivariate=True,
                        # A space whose dimensions depend on one another is modelled in groups.
                        group=bool(self._algorithm.CONDITIONS)
                        or any(dimension.when for dimension in self._dimensions.values()),
                        constant_liar=True,
                    )
                elif self._kind == "qmc":
                    sampler = optuna.samplers.QMCSampler(seed=self._seed, scramble=True)
                else:
                    sampler = optuna.samplers.RandomSampler(seed=self._seed)
            self._study = optuna.create_study(direction=self._goal, sampler=sampler)
            for params, score in self._told:
                self._add(params, score)
        return self._study

    def _add(self, params: dict[str, Value], score: float) -> None:
        import optuna

        assert self._study is not None
        distributions = {
            name: distribution
            for name in params
            if (distribution := self._dimensions[name].distribution()) is not None
        }
        self._study.add_trial(
            optuna.trial.create_trial(
                params={name: params[name] for name in distributions},
                distributions=distributions,
                value=score,
            )
        )

    def _drawn(self, trial: optuna.trial.Trial) -> dict[str, Value]:
        params: dict[str, Value] = {}
        for name, dimension in self._dimensions.items():
            if not self._algorithm.counts(name, params):
                continue
            distribution = dimension.distribution()
            with quietly():  # QMC draws what it has seen in no trial yet by itself, and says so
                params[name] = (
                    dimension.nearest(0) if distribution is None else _suggested(trial, name, distribution)
                )
        return params


def _suggested(trial: optuna.trial.Trial, name: str, distribution: Any) -> Any:
    import optuna

    if isinstance(distribution, optuna.distributions.CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, optuna.distributions.IntDistribution):
        return trial.suggest_int(
            name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
        )
    return trial.suggest_float(
        name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
    )


def _grid(algorithm: Algorithm, seed: int) -> Any:
    """Every combination of the values of the grid once, in an order drawn under the seed: a search that ends before all
    are tried has seen some of everything."""
    axes = {name: _steps(dimension) for name, dimension in algorithm.dimensions().items()}
    sizes = [len(values) for values in axes.values()]
    total = 1
    for size in sizes:
        total *= size
    seen = set()
    for index in _shuffled(total, seed):
        params: dict[str, Value] = {}
        for name, values in axes.items():
            index, position = divmod(index, len(values))
            if algorithm.counts(name, params):
                params[name] = values[position]
        key = tuple(params.items())
        if key not in seen:  # combinations that differ only where it does not count
            seen.add(key)
            yield params


def _shuffled(total: int, seed: int) -> Any:
    if total <= 1_000_000:
        order = list(range(total))
        random.Random(seed).shuffle(order)
        return order
    draw = random.Random(seed)
    return (draw.randrange(total) for _ in range(total))


def _steps(dimension: Any) -> list[Value]:
    if dimension.type == "fixed":
        return [dimension.value]
    if dimension.type == "choice":
        return list(dimension.choices)
    low, high = dimension.low, dimension.high
    whole = dimension.type == "int"
    if whole and high - low < GRID_STEPS:
        return list(range(low, high + 1, dimension.step))
    shares = [step / (GRID_STEPS - 1) for step in range(GRID_STEPS)]
    if dimension.type == "loguniform" or getattr(dimension, "log", False):
        values = [low * (high / low) ** share for share in shares]
    else:
        values = [low + (high - low) * share for share in shares]
    # The ends as they are written, whatever rounding makes of them.
    values[0], values[-1] = low, high
    return list(dict.fromkeys(dimension.nearest(round(value) if whole else value) for value in values))
