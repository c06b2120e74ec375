"""The loop of a search: which trial is next, what runs, what is recorded, and when it ends.

Trials run side by side, and yet the result depends on the rows, the spec and the seed alone: trial n is chosen from
what is known of the trials up to n - `limits.max_concurrent_trials`, whatever else has ended by then. Only time limits
make it depend on the machine.
"""

from __future__ import annotations

import math
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tenure.core.digest import digest
from tenure.core.errors import Interrupted
from tenure.core.events import StepProgress
from tenure.core.units import parse_duration
from tenure.stages.training.algorithm import Algorithm
from tenure.stages.training.sampling import Sampler
from tenure.stages.training.trial_cache import Entry, TrialCache, trial_key
from tenure.stages.training.trying import Outcome, Task, run_trial, verdict
from tenure.stages.training.turns import bars_for, best_trial, foreseen, next_algorithm
from tenure.stages.training.warm import Start
from tenure.state.store import Trial

if TYPE_CHECKING:
    from tenure.ml.metrics import Metric
    from tenure.stages.base import StageContext
    from tenure.stages.training.preparation import TrainingRows
    from tenure.stages.training.prepared import Folds
    from tenure.stages.training.section import Training

_WORTH_THREADS = 1_000_000
"""Cells (rows x features) from which several threads fit faster than one, where trials leave cores idle."""
_HEAVY = 12_000_000
"""Cells, times the cost of the algorithm, from which a fit that cannot be asked to stop runs in a process of its own
when time is limited: starting one takes seconds, and so little is done with in less."""
_MOST_GROWTH = 1.25
"""The final fit has more rows than a fold had, and takes more rounds in proportion, but at most so many times as many:
what a fold of half the rows found says little about twice as many."""
_GRACE_SECONDS, _LOADING_SECONDS = 2.0, 30.0
"""How long after its time is up a trial that does not stop by itself is left behind: later for the first of an
algorithm, which loads its library and prepares a fold."""
_LOOK_SECONDS = 0.1


@dataclass
class Loop:
    """A search under way: what was asked for, what runs, and what is known."""

    training: Training
    rows: TrainingRows
    algorithms: dict[str, Algorithm]
    measure: Metric
    folds: Folds
    reference: str
    key: str
    address: str
    context: StageContext
    warm: tuple[Start, ...]
    ended: str = "max_trials"
    trials: dict[int, Trial] = field(default_factory=dict)

    def __post_init__(self) -> None:
        limits = self.training.limits
        self._most = limits.max_trials
        self._window = limits.max_concurrent_trials
        self._seconds = _seconds(limits.timeout)
        self._trial_seconds = _seconds(limits.trial_timeout)
        self._names = self._order()
        self._costs = {name: algorithm.COST for name, algorithm in self.algorithms.items()}
        self._samplers = {
            name: Sampler(
                algorithm,
                self.training.sampling_algorithm,
                self.training.seed,
                self.measure.goal,
                self._starts(name, algorithm),
            )
            for name, algorithm in self.algorithms.items()
        }
        executor = self.context.executor
        self._side_by_side = max(1, min(self._window, executor.workers))
        large = self.rows.design.cells > _WORTH_THREADS
        self.threads = max(1, executor.cores // self._side_by_side) if large else 1
        cache = self.context.cache
        self._cache = TrialCache(None if cache is None else cache / "trials.db")
        self._about = digest(
            [
                self.rows.identity,
                self.rows.split_type,
                None if self.training.cross_validation is None
                else self.training.cross_validation.model_dump(mode="json", exclude={"nested"}),
                None if self.training.sampling is None else self.training.sampling.model_dump(mode="json"),
                self.training.class_weights,
                self.measure.name,
            ]
        )  # fmt: skip
        self._asked: Counter[str] = Counter()
        self._running: dict[Future[Outcome], _Running] = {}
        self._next = self._told = 0
        self.trials = {trial.number: trial for trial in self.context.trials.trials(self.key)}
        self._foreign: set[int] = set()
        self._began = time.monotonic() - max(
            (trial.started + trial.seconds for trial in self.trials.values()), default=0.0
        )

    # ---- running -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Until a limit is reached, or nothing is left to try."""
        try:
            while not self._over():
                if self.context.stopping():
                    raise Interrupted(f"stopped after {len(self.trials)} trials, which are kept")
                if self._may_ask():
                    self._ask()
                else:
                    self._wait()
        finally:
            for future in self._running:
                self.context.executor.cancel(future)

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _over(self) -> bool:
        if self._elapsed() >= self._seconds and any(
            trial.score is not None for trial in self.trials.values()
        ):
            self._cut_off()
            self.ended = "timeout"
            return True
        finished = self._next >= self._most or not self._names
        return finished and not self._running

    def _may_ask(self) -> bool:
        if self._next >= self._most or not self._names or len(self._running) >= self._side_by_side:
            return False
        return all(number in self.trials for number in range(self._told, self._next - self._window + 1))

    def _ask(self) -> None:
        """Choose the next trial from what may be known, and start it unless its result is known."""
        number = self._next
        for earlier in range(self._told, number - self._window + 1):
            self._tell(self.trials[earlier])
        self._told = max(self._told, number - self._window + 1)
        known = [self.trials[earlier] for earlier in range(self._told)]
        while True:
            name = next_algorithm(
                self._names, known, self._asked, self.measure, self._costs, self._most - self._next
            )
            if name is None:
                self._names = []
                self.ended = "nothing left to try"
                return
            params = self._samplers[name].ask(number)
            if params is not None:
                break
            self._names = [other for other in self._names if other != name]
        self._next += 1
        recorded = self.trials.get(number)
        if recorded is not None:
            self._asked[recorded.algorithm] += 1
            if recorded.algorithm != name or any(recorded.params.get(key) != params[key] for key in params):
                # Another version of the sampler proposes something else; what was tried counts.
                self._samplers[name].tell(number, None)
                self._foreign.add(number)
            return
        self._asked[name] += 1
        self._start(number, name, params, known)

    def _start(self, number: int, name: str, params: dict[str, Any], known: Sequence[Trial]) -> None:
        algorithm = self.algorithms[name]
        key = trial_key(self._about, name, algorithm, params, self.training.seed)
        entry = self._cache.get(key) or Entry(())
        bars = bars_for(self.training.early_termination.type, name, known, self.folds.count, self.measure)
        started = self._elapsed()
        run = _Running(number, name, params, key, started)
        outcome = verdict(entry.folds, entry.curve, self.folds.count, bars, self.measure)
        if outcome is not None:
            self._finish(run, outcome, cached=True)
            return
        # Until something has a score, running trials come to what they can when the time is up.
        must = not any(trial.score is not None for trial in self.trials.values())
        left = max(0.0, self._seconds - started)
        limited = min(self._seconds, self._trial_seconds) < math.inf
        apart = limited and algorithm.ROUNDS is None
        apart = (
            apart and self.rows.design.cells * algorithm.COST > _HEAVY and self.context.executor.in_process
        )
        if apart:
            self.folds.complete(algorithm.FORM)
        signature = self.rows.signature
        task = Task(
            algorithm=name,
            block=algorithm.model_dump(mode="json"),
            params=params,
            folds=self.reference,
            task=signature.task,
            classes=len(signature.classes),
            metric=self.measure.name,
            seed=self.training.seed,
            threads=self.threads,
            bars=bars,
            known=entry.folds,
            curve=entry.curve,
            seconds=None if left == math.inf else left,
            trial_seconds=None if self._trial_seconds == math.inf else self._trial_seconds,
            must=must and self._seconds <= self._trial_seconds,
        )
        self._running[self.context.executor.submit(run_trial, task, needs=self.reference, apart=apart)] = run

    def _wait(self) -> None:
        """Until something ends, or it is time to look whether it should."""
        done, _ = wait(self._running, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
        for future in sorted(done, key=lambda one: self._running[one].number):
            run = self._running.pop(future)
            self._finish(run, _outcome(future))
        for future, run in list(self._running.items()):
            if run.seen is None and future.running():
                run.seen = time.monotonic()
            loaded = any(trial.algorithm == run.algorithm for trial in self.trials.values())
            grace = _GRACE_SECONDS if loaded else _LOADING_SECONDS
            if run.seen is not None and time.monotonic() - run.seen > self._trial_seconds + grace:
                self.context.executor.cancel(future)
                del self._running[future]
                self._finish(run, Outcome("out of time", ()))

    def _cut_off(self) -> None:
        """The time is up: what has ended counts, and what has not is left."""
        wait(self._running, timeout=_LOOK_SECONDS)
        for future, run in self._running.items():
            if future.done():
                self._finish(run, _outcome(future))
            else:
                self.context.executor.cancel(future)
        self._running.clear()

    def _finish(self, run: _Running, outcome: Outcome, *, cached: bool = False) -> None:
        """Record a trial durably, and say so."""
        if not cached and outcome.folds and outcome.whole and outcome.status != "failed":
            self._cache.put(run.key, Entry(outcome.folds, outcome.curve))
        trial = self._recorded(run, outcome, cached)
        self.context.trials.add_trial(self.key, trial)
        self.trials[run.number] = trial
        note = _sentence(trial, list(self.trials.values()), self.measure)
        self.context.emit(StepProgress(self.address, len(self.trials), self._most, note))

    def _recorded(self, run: _Running, outcome: Outcome, cached: bool) -> Trial:
        folds = [fold for fold in outcome.folds if math.isfinite(fold.score)]
        scores = tuple(fold.score for fold in folds)
        out_of_time = outcome.status == "out of time"
        return Trial(
            number=run.number,
            algorithm=run.algorithm,
            params={**run.params, **self._learned(run, outcome)},
            scores=() if outcome.status == "failed" else scores,
            score=statistics.fmean(scores) if outcome.status == "done" else None,
            status="stopped" if out_of_time else outcome.status,  # type: ignore[arg-type]
            seconds=0.0 if cached else round(self._elapsed() - run.started, 4),
            note="out of time" if out_of_time else outcome.note,
            noise=folds[0].noise if len(folds) == 1 else None,
            learned=tuple(fold.learned for fold in folds),
            fold_seconds=tuple(fold.seconds for fold in folds),
            curve=outcome.curve,
            started=round(run.started, 4),
            cached=cached,
        )

    def _learned(self, run: _Running, outcome: Outcome) -> dict[str, int]:
        """What the folds found out, as the final fit is given it: their mean, and for rounds what more rows ask for."""
        algorithm = self.algorithms[run.algorithm]
        most = run.params.get(algorithm.ROUNDS or "", math.inf)
        found: dict[str, list[float]] = {}
        for fold, grown in zip(outcome.folds, self.folds.grown, strict=False):
            for name, value in fold.learned.items():
                stopped = name == "rounds" and value < most
                found.setdefault(name, []).append(value * min(grown, _MOST_GROWTH) if stopped else value)
        return {name: round(statistics.fmean(values)) for name, values in found.items()}

    # ---- choosing ------------------------------------------------------------------------------------------------

    def _order(self) -> list[str]:
        """The algorithm that won last first, then those that work in rounds (which have something to show whenever the
        time is up), the cheap before the dear, then as they are listed."""
        first = self.warm[0].algorithm if self.warm else None

        def rank(name: str) -> tuple[bool, bool, float]:
            algorithm = self.algorithms[name]
            return name != first, algorithm.ROUNDS is None, algorithm.COST

        return sorted(self.algorithms, key=rank)

    def _starts(self, name: str, algorithm: Algorithm) -> list[dict[str, Any]]:
        starts = [start.params for start in self.warm if start.algorithm == name]
        portfolio = algorithm.starts(self.rows.design.rows)
        return starts + [params for params in portfolio if params not in starts]

    def _tell(self, trial: Trial) -> None:
        score = self._told_score(trial)
        if trial.number in self._foreign:
            if score is not None and trial.algorithm in self._samplers:
                self._samplers[trial.algorithm].adopt(trial.params, score)
        elif trial.algorithm in self._samplers:
            self._samplers[trial.algorithm].tell(trial.number, score)

    def _told_score(self, trial: Trial) -> float | None:
        """What the sampler learns of a trial: its score, or the one to expect of it when it was given up. One that was
        given up before its first fold ended is as bad as the worst that is known."""
        if trial.status == "failed" or trial.score is not None:
            return trial.score
        earlier = [self.trials[number] for number in range(trial.number)]
        best = best_trial(earlier, self.measure)
        if trial.scores:
            return foreseen(trial, best)
        known = [
            score
            for other in earlier
            if other.algorithm == trial.algorithm and (score := foreseen(other, best)) is not None
        ]
        if not known:
            return None
        return min(known) if self.measure.goal == "maximize" else max(known)


@dataclass
class _Running:
    """A trial that has been started: `seen` is when it was first seen running."""

    number: int
    algorithm: str
    params: dict[str, Any]
    key: str
    started: float
    seen: float | None = None


def _outcome(future: Future[Outcome]) -> Outcome:
    """How a trial ended; one whose process died has failed. Raises what is no fault of its parameters."""
    from tenure.executors.executor import Ended

    try:
        return future.result()
    except Ended as error:
        return Outcome("failed", (), note=str(error))


def _seconds(limit: str | None) -> float:
    return parse_duration(limit).approximate_seconds if limit else math.inf


def _sentence(trial: Trial, trials: Sequence[Trial], measure: Metric) -> str:
    best = best_trial(sorted(trials, key=lambda one: one.number), measure)
    held = f"best {measure.name} {best.score:.4f} ({best.algorithm})" if best else "none has succeeded"
    if trial.score is not None:
        return f"{trial.algorithm} {trial.score:.4f}, {held}"
    return f"{trial.algorithm} {'given up' if trial.status == 'stopped' else 'failed'}, {held}"
