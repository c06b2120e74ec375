"""The search: which algorithm and parameters score best on rows they have not learned from.

Trials are durable one by one, so a search that was stopped continues where it was, with the same trials to come.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tenure.core.digest import digest
from tenure.core.errors import Interrupted, StageError
from tenure.core.events import StepProgress
from tenure.core.units import parse_duration
from tenure.stages.base import Output
from tenure.stages.training.algorithm import Algorithm, Setting
from tenure.stages.training.preparation import PreparedFold, TrainingRows, load_rows, prepare_folds
from tenure.stages.training.sampling import Sampler
from tenure.state.store import Trial

if TYPE_CHECKING:
    from tenure.ml.metrics import Metric
    from tenure.stages.base import StageContext
    from tenure.stages.training.section import Training

FAIR_TRIALS = 5
"""Trials every algorithm gets before those that are clearly worse stop getting more."""
GIVE_UP_AFTER = 3
"""Failed trials without a single success after which an algorithm gets no more."""


def run_search(training: Training, address: str, context: StageContext) -> Output:
    """Run or continue the search. Raises StageError when nothing can be learned, Interrupted when asked to stop."""
    from tenure.ml.metrics import default_metrics, metric

    rows = load_rows(context)
    algorithms = training.algorithms.listed()
    _check(algorithms, rows)
    name = training.objective.primary_metric or default_metrics(rows.signature.task)[0]
    measure = metric(name, rows.signature.task, ("training", "objective", "primary_metric"))
    prepared = {
        form: prepare_folds(rows, training.cross_validation, training.seed, form)
        for form in sorted({algorithm.FORM for algorithm in algorithms.values()})
    }
    cut = next(iter(prepared.values()))[1]
    setting = rows.setting(training.seed)
    samplers = {
        name: Sampler(algorithm, training.sampling_algorithm, training.seed, measure.goal)
        for name, algorithm in algorithms.items()
    }

    trials = list(context.trials.trials(context.fingerprint))
    for trial in trials:
        if trial.algorithm in samplers:
            samplers[trial.algorithm].replay(trial)
    limit = training.limits
    seconds = parse_duration(limit.timeout).approximate_seconds if limit.timeout else math.inf
    ended = "max_trials"
    while len(trials) < limit.max_trials:
        if context.stopping():
            raise Interrupted(f"stopped after {len(trials)} trials, which are kept")
        if trials and sum(trial.seconds for trial in trials) >= seconds:
            ended = "timeout"
            break
        chosen = next_algorithm(tuple(algorithms), trials, measure)
        if chosen is None:
            break
        best = best_trial(trials, measure)
        sampler = samplers[chosen]
        folds, _ = prepared[algorithms[chosen].FORM]
        worst = None
        if training.early_termination.type == "fold" and best is not None:
            worst = min(best.scores) if measure.goal == "maximize" else max(best.scores)
        trial = _try(
            len(trials),
            chosen,
            algorithms[chosen],
            sampler.ask(),
            folds,
            rows,
            setting,
            measure,
            worst,
        )
        sampler.tell(None if trial.status == "failed" else statistics.fmean(trial.scores))
        context.trials.add_trial(context.fingerprint, trial)
        trials.append(trial)
        context.emit(StepProgress(address, len(trials), limit.max_trials, _sentence(trial, trials, measure)))
    return _output(trials, measure, cut, ended, context)


def best_trial(trials: Sequence[Trial], measure: Metric) -> Trial | None:
    """The finished trial with the best mean score, the earliest on a tie."""
    sign = 1.0 if measure.goal == "maximize" else -1.0
    done = [trial for trial in trials if trial.score is not None]
    return max(done, key=lambda trial: sign * (trial.score or 0.0), default=None)


def next_algorithm(names: Sequence[str], trials: Sequence[Trial], measure: Metric) -> str | None:
    """Whose turn it is: in turn, and after `FAIR_TRIALS` each only those within the noise of the best.

    The noise is the standard error of the best trial over its folds. An algorithm that only fails drops out; None
    when all have.
    """
    counts = {name: [trial for trial in trials if trial.algorithm == name] for name in names}
    alive = [
        name
        for name in names
        if len(counts[name]) < GIVE_UP_AFTER or any(trial.status != "failed" for trial in counts[name])
    ]
    if not alive:
        return None
    best = best_trial(trials, measure)
    if best is not None and all(len(counts[name]) >= FAIR_TRIALS for name in alive):
        noise = statistics.stdev(best.scores) / math.sqrt(len(best.scores)) if len(best.scores) > 1 else 0.0
        near = []
        for name in alive:
            own = best_trial(counts[name], measure)
            if own is not None and abs(own.score - best.score) <= noise:  # type: ignore[operator]
                near.append(name)
        alive = near
    return min(alive, key=lambda name: len(counts[name]))


def _check(algorithms: Mapping[str, Algorithm], rows: TrainingRows) -> None:
    from tenure.ml.preprocessor import missing_values

    task = rows.signature.task
    for name, algorithm in algorithms.items():
        where = ("training", "algorithms", name)
        if task not in algorithm.TASKS:
            fitting = [other for other, block in _every_algorithm().items() if task in block.TASKS]
            raise StageError(
                "the algorithm does not fit the task",
                f"{name} cannot do {task}, which target {rows.signature.target!r} asks for",
                f"algorithms for {task}: {', '.join(fitting)}",
                path=where,
            )
        if not algorithm.MISSING_VALUES and missing_values(rows.recipe, algorithm.FORM):
            raise StageError(
                "the algorithm does not take missing values",
                f"features.numeric.missing_value_strategy is none, and {name} cannot learn from missing numbers",
                "set it to median, or remove the algorithm",
                path=where,
            )


def _every_algorithm() -> dict[str, Algorithm]:
    from tenure.stages.training.algorithms import Algorithms

    return Algorithms.model_validate({name: {} for name in Algorithms.model_fields}).listed()


def _try(
    number: int,
    name: str,
    algorithm: Algorithm,
    params: dict[str, Any],
    folds: Sequence[PreparedFold],
    rows: TrainingRows,
    setting: Setting,
    measure: Metric,
    worst: float | None,
) -> Trial:
    """Fit and score the parameters fold by fold. A failure is a result like any other."""
    from tenure.ml.metrics import score
    from tenure.ml.predictor import predict_matrix

    started = time.perf_counter()
    scores: list[float] = []
    learned: list[Mapping[str, float]] = []
    note = ""
    status = "done"
    try:
        for fold in folds:
            fit = algorithm.fit(params, fold.train, setting, fold.validation)
            predictions = predict_matrix(fit.estimator, fold.validation.matrix, rows.signature)
            value = score(measure, fold.truth, predictions)
            if math.isfinite(value):
                scores.append(value)
                learned.append(fit.learned)
            if worst is not None and len(scores) >= 2 and len(scores) < len(folds):
                mean = statistics.fmean(scores)
                if measure.better(worst, mean):
                    status = "stopped"
                    break
        if not scores:
            status, note = "failed", f"{measure.name} is not defined on any fold"
    except StageError:
        raise
    except Exception as error:  # whatever an algorithm does with unfortunate parameters
        status, scores, note = (
            "failed",
            [],
            f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
        )
    found = {
        key: round(statistics.fmean(item[key] for item in learned)) for key in (learned[0] if learned else {})
    }
    return Trial(
        number=number,
        algorithm=name,
        params={**params, **found},
        scores=tuple(scores),
        score=statistics.fmean(scores) if status == "done" else None,
        status=status,  # type: ignore[arg-type]
        seconds=round(time.perf_counter() - started, 4),
        note=note,
    )


def _sentence(trial: Trial, trials: Sequence[Trial], measure: Metric) -> str:
    best = best_trial(trials, measure)
    held = f"best {measure.name} {best.score:.4f} ({best.algorithm})" if best else "none has succeeded"
    if trial.score is not None:
        return f"{trial.algorithm} {trial.score:.4f}, {held}"
    return f"{trial.algorithm} {'given up' if trial.status == 'stopped' else 'failed'}, {held}"


def _output(trials: Sequence[Trial], measure: Metric, cut: str, ended: str, context: StageContext) -> Output:
    import msgspec

    best = best_trial(trials, measure)
    if best is None:
        reasons = sorted({f"{trial.algorithm}: {trial.note}" for trial in trials})
        raise StageError(
            "every trial of the search failed",
            "\n".join(reasons[:5]),
            "check the features and the search spaces",
            path=("training", "algorithms"),
        )
    per_algorithm = {}
    for name in dict.fromkeys(trial.algorithm for trial in trials):
        own = [trial for trial in trials if trial.algorithm == name]
        leader = best_trial(own, measure)
        per_algorithm[name] = {"trials": len(own), "score": leader.score if leader else None}
    return Output(
        # Only what the model is made from: another search with the same winner changes nothing after it.
        digest=digest([best.algorithm, best.params]),
        value={
            "algorithm": best.algorithm,
            "params": best.params,
            "metric": measure.name,
            "goal": measure.goal,
            "score": best.score,
            "scores": list(best.scores),
            "trial": best.number,
            "trials": len(trials),
            "failed": sum(trial.status == "failed" for trial in trials),
            "stopped": sum(trial.status == "stopped" for trial in trials),
            "algorithms": per_algorithm,
            "cross_validation": cut,
            "ended_by": ended,
            "seconds": round(sum(trial.seconds for trial in trials), 3),
        },
        artifacts={"trials": context.artifacts.put(msgspec.json.encode(list(trials)))},
        sentence=f"{best.algorithm}, {measure.name} {best.score:.4g} in {cut}, best of {len(trials)} trials",
    )
