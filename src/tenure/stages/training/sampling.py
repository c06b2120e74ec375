"""Asking a sampler for parameters and telling it scores, so that a search can be repeated and continued."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from tenure.stages.training.algorithm import Algorithm

if TYPE_CHECKING:
    import optuna

    from tenure.state.store import Trial

_STARTUP_TRIALS = 6
"""Random trials before TPE trusts what it has seen; one of them is the starting point of the algorithm."""


class Sampler:
    """Proposes parameters of one algorithm.

    Optuna only samples here: nothing is stored by it, and it runs nothing. Each algorithm has a study of its own,
    because the parameters of one mean nothing for another; mixed in one study, TPE would model a space whose
    dimensions appear and disappear and fall back to independent sampling.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        kind: Literal["tpe", "random"],
        seed: int,
        goal: Literal["maximize", "minimize"],
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler: optuna.samplers.BaseSampler
        if kind == "tpe":
            sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=_STARTUP_TRIALS)
        else:
            sampler = optuna.samplers.RandomSampler(seed=seed)
        self._study = optuna.create_study(direction=goal, sampler=sampler)
        dimensions = algorithm.dimensions()
        self._distributions = {
            name: distribution
            for name, dimension in dimensions.items()
            if (distribution := dimension.distribution()) is not None
        }
        start = algorithm.start()
        self._fixed = {name: value for name, value in start.items() if name not in self._distributions}
        self._study.enqueue_trial({name: start[name] for name in self._distributions})
        self._pending: optuna.trial.Trial | None = None

    def ask(self) -> dict[str, Any]:
        """The parameters to try next: the algorithm's starting point first."""
        self._pending = self._study.ask(self._distributions)
        return {**self._pending.params, **self._fixed}

    def tell(self, score: float | None) -> None:
        """The score of what was asked for last; None when it failed."""
        import optuna

        assert self._pending is not None
        if score is None:
            self._study.tell(self._pending, state=optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(self._pending, score)
        self._pending = None

    def replay(self, trial: Trial) -> None:
        """Take a recorded trial as if it had just been asked for and told.

        Asking again moves the sampler's generator as it did then, so that what follows is the same as without the
        interruption. Where the sampler now proposes something else (another library version), the record counts.
        """
        import optuna

        asked = self.ask()
        told = told_score(trial)
        if all(trial.params.get(name) == value for name, value in asked.items()):
            self.tell(told)
            return
        self.tell(None)
        if told is not None and all(name in trial.params for name in self._distributions):
            params = {name: trial.params[name] for name in self._distributions}
            self._study.add_trial(
                optuna.trial.create_trial(params=params, distributions=self._distributions, value=told)
            )


def told_score(trial: Trial) -> float | None:
    """What the sampler learns of a trial: its score, or the mean of the folds it had when it was given up."""
    if trial.status == "failed" or not trial.scores:
        return None
    return sum(trial.scores) / len(trial.scores)
