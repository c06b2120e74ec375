"""One trial: parameters fitted and scored fold by fold, until it is done, hopeless, or out of time.

What a trial comes to depends on its task alone. It runs in a thread, in another process or on another machine.
"""

from __future__ import annotations

import importlib
import math
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tenure.core.errors import StageError
from tenure.stages.training.algorithm import Setting, limited_threads, quietly

if TYPE_CHECKING:
    from tenure.ml.metrics import Metric
    from tenure.stages.training.prepared import Folds

RUNGS = (10, 30, 90, 270, 810)
"""Numbers of rounds at which the loss on the first fold is kept, and trials are compared."""
_FEWEST_ROUNDS = 10
"""Rounds that a trial which must come to something has even when its time is up."""
_BLOCKS = 5
"""Parts of a single validation fold whose spread says how noisy its score is."""


class FoldScore(msgspec.Struct, frozen=True):
    """What one fold came to: score, noise of it (None where the folds tell), what the fit found out, and its time."""

    score: float
    seconds: float
    learned: dict[str, float] = {}
    noise: float | None = None


class Bars(msgspec.Struct, frozen=True):
    """What a trial has to reach in order to go on: after so many folds with its mean so far, and on the first fold
    after so many rounds with its loss. Fixed when the trial starts."""

    means: dict[int, float] = {}
    losses: dict[int, float] = {}


class Task(msgspec.Struct, frozen=True):
    """Everything a trial is made from. `folds` refers to the prepared folds, `known` are those scored before, `curve`
    the losses of the first. `seconds` is when the search ends, `trial_seconds` the time for this trial, None for as
    much as it takes; one that `must` come to something is scored with the rounds and folds it has by then."""

    algorithm: str
    block: dict[str, Any]
    params: dict[str, Any]
    folds: str
    task: str
    classes: int
    metric: str
    seed: int
    threads: int
    bars: Bars = Bars()
    known: tuple[FoldScore, ...] = ()
    curve: dict[int, float] = {}
    seconds: float | None = None
    trial_seconds: float | None = None
    must: bool = False


class Outcome(msgspec.Struct, frozen=True):
    """How a trial ended. `folds` are the scores it has, `curve` the losses of its first fold by rung. One that is not
    `whole` would have come to something else with more time."""

    status: Literal["done", "stopped", "failed", "out of time"]
    folds: tuple[FoldScore, ...]
    curve: dict[int, float] = {}
    note: str = ""
    whole: bool = True


def verdict(
    folds: Sequence[FoldScore], curve: dict[int, float], total: int, bars: Bars, measure: Metric
) -> Outcome | None:
    """How a trial ends that has these scores; None while it goes on.

    Scores of more folds than it would have got to are left out, so that what was kept of an earlier trial comes to the
    same as trying again.
    """
    for rung, bar in sorted(bars.losses.items()):
        if rung in curve and curve[rung] > bar:
            return Outcome("stopped", (), curve, f"behind after {rung} rounds")
    scores: list[float] = []
    for number, fold in enumerate(folds, start=1):
        if math.isfinite(fold.score):
            scores.append(fold.score)
        if not scores or number == total or number not in bars.means:
            continue
        if measure.better(bars.means[number], statistics.fmean(scores)):
            return Outcome("stopped", tuple(folds[:number]), curve, f"behind after {number} of {total} folds")
    if len(folds) < total:
        return None
    if not scores:
        return Outcome("failed", (), curve, f"{measure.name} is not defined on any fold")
    return Outcome("done", tuple(folds), curve)


def run_trial(task: Task, stopping: Callable[[], bool]) -> Outcome:
    """Fit and score fold after fold. A failure is a result like any other; StageErrors are raised."""
    from tenure.ml.metrics import metric
    from tenure.stages.training.algorithms import Algorithms
    from tenure.stages.training.prepared import Unprepared, folds_at

    ends = math.inf if task.seconds is None else time.monotonic() + task.seconds
    folds = folds_at(task.folds)
    measure = metric(task.metric, folds.signature.task)
    algorithm = Algorithms.model_validate({task.algorithm: task.block}).listed()[task.algorithm]
    setting = Setting(task.task, task.classes, task.seed, task.threads, task.metric)
    # What the first trial of all has to load and to prepare is not held against it.
    _load(algorithm.MODULES)
    if task.trial_seconds is not None:
        with suppress(Unprepared):  # which is said below
            folds.fold(algorithm.FORM, len(task.known))
        ends = min(ends, time.monotonic() + task.trial_seconds)
    scored, curve = list(task.known), dict(task.curve)

    def late(rounds: int) -> bool:
        return stopping() or (time.monotonic() >= ends and rounds >= (_FEWEST_ROUNDS if task.must else 0))

    try:
        # All of the trial: warnings are off for the process, and one that only predicts is not to bring them back.
        with limited_threads(task.threads), quietly():
            while (end := verdict(scored, curve, folds.count, task.bars, measure)) is None:
                if stopping() or (time.monotonic() >= ends and (scored or not task.must)):
                    return _late(task, scored, curve, stopping())
                watch = _Watch(late, task.bars.losses if not scored else {})
                started = time.perf_counter()
                fold = folds.fold(algorithm.FORM, len(scored))
                fit = algorithm.fit(task.params, fold.train, replace(setting, watch=watch), fold.validation)
                if not scored:
                    curve = watch.curve
                if watch.late and (stopping() or not task.must or scored):
                    return _late(task, scored, curve, stopping())
                if watch.behind and not watch.late:
                    continue  # the verdict says so
                value, noise = _score(fit.estimator, fold.validation, folds, measure, alone=folds.count == 1)
                seconds = round(time.perf_counter() - started, 4)
                scored.append(FoldScore(value, seconds, dict(fit.learned), noise))
                if watch.late:
                    return _late(task, scored, curve, False)
    except StageError:
        raise
    except Exception as error:  # whatever an algorithm does with unfortunate parameters
        said = str(error).splitlines()[0] if str(error) else ""
        return Outcome("failed", tuple(scored), curve, f"{type(error).__name__}: {said}")
    return end


def _late(task: Task, scored: Sequence[FoldScore], curve: dict[int, float], stopped: bool) -> Outcome:
    """How a trial ends whose time is up."""
    if task.must and not stopped and any(math.isfinite(fold.score) for fold in scored):
        return Outcome("done", tuple(scored), curve, "cut short by the time limit", whole=False)
    return Outcome("out of time", tuple(scored), curve)


_loading = threading.Lock()


def _load(modules: Sequence[str]) -> None:
    """Import what is not imported yet, one thread at a time. What is missing is said by whoever needs it."""
    if not all(name in sys.modules for name in modules):
        with _loading:
            for name in modules:
                with suppress(ImportError):
                    importlib.import_module(name)


class _Watch:
    """Looks at each round of a fit: keeps the loss at the rungs, and stops it when it is behind or out of time."""

    def __init__(self, late: Callable[[int], bool], bars: dict[int, float]) -> None:
        self._late, self._bars = late, bars
        self.curve: dict[int, float] = {}
        self.late = self.behind = False

    def __call__(self, rounds: int, loss: float) -> bool:
        if rounds in RUNGS and math.isfinite(loss):
            self.curve[rounds] = float(loss)
            self.behind = loss > self._bars.get(rounds, math.inf)
        self.late = self.late or self._late(rounds)
        return self.late or self.behind


def _score(
    estimator: Any, rows: Any, folds: Folds, measure: Metric, *, alone: bool
) -> tuple[float, float | None]:
    """The score on validation rows, and its standard error where there is no other fold to tell."""
    import numpy as np

    from tenure.ml.formulas import Scored
    from tenure.ml.metrics import value_of
    from tenure.ml.predictor import predict_matrix

    said = predict_matrix(estimator, rows.matrix, folds.signature)
    if said.probabilities is None:
        scored = Scored(np.asarray(rows.target, dtype=np.float64), np.asarray(said.labels), None, 0)
    else:
        guess = said.probabilities.argmax(axis=1)
        scored = Scored(np.asarray(rows.target), guess, said.probabilities, len(folds.signature.classes))
    value = value_of(measure, scored)
    if not alone:
        return value, None
    # Every fifth row makes a part: rows next to one another may be alike.
    total = len(rows.target)
    parts = np.zeros((total, _BLOCKS))
    parts[np.arange(total), np.arange(total) % _BLOCKS] = 1.0
    values = measure.formula(scored, parts)
    values = values[np.isfinite(values)]
    return value, float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else 0.0
