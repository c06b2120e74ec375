"""The search: which algorithm and parameters score best on rows they have not learned from.

Folds are prepared once, the loop tries, and what it came to is recorded. Trials are durable one by one, so a search
that was stopped continues where it was, with the same trials to come.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from tenure.core.digest import digest
from tenure.core.drafts import scratch_in
from tenure.core.errors import StageError
from tenure.core.events import Note
from tenure.stages.base import Output
from tenure.stages.training.algorithm import Algorithm, limited_threads
from tenure.stages.training.ensembling import MOST_CANDIDATES, leading
from tenure.stages.training.fold_maker import FoldMaker
from tenure.stages.training.fold_making import make_all
from tenure.stages.training.folding import cut_folds
from tenure.stages.training.loop import Loop
from tenure.stages.training.nested import outer_estimate
from tenure.stages.training.preparation import TrainingRows, load_rows
from tenure.stages.training.prepared import forget, known_here, new_folds
from tenure.stages.training.tradeoff import Weighed, settle
from tenure.stages.training.turns import best_trial
from tenure.stages.training.warm import Start, warm_starts
from tenure.state.store import Trial

if TYPE_CHECKING:
    from tenure.ml.metrics import Metric
    from tenure.stages.base import StageContext
    from tenure.stages.training.section import Training


@dataclass(frozen=True)
class Found:
    """What a search came to. `settled` is what the block of each algorithm says beside its search space, `warm` is what
    it began with, `cached` how many trials were known from earlier ones. `weighed` are the trials whose models were
    measured for a secondary objective."""

    trials: tuple[Trial, ...]
    best: Trial
    settled: dict[str, dict[str, Any]]
    measure: Metric
    cut: str
    ended: str
    warm: tuple[Start, ...]
    weighed: tuple[Weighed, ...] = ()

    @property
    def cached(self) -> int:
        """How many trials were known from earlier searches."""
        return sum(trial.cached for trial in self.trials)


def run_search(training: Training, address: str, context: StageContext) -> Output:
    """Run or continue the search. Raises StageError when nothing can be learned, Interrupted when asked to stop."""
    block = training.distributed
    rows = load_rows(context, None if block is None else block.sample(training.seed))
    warm = warm_starts(training.algorithms.listed(), context) if training.warm_start else ()
    # A search that begins elsewhere is another search, although it is asked for by the same spec and data.
    key = digest([context.fingerprint, msgspec.to_builtins(warm)]) if warm else context.fingerprint
    found = find(training, rows, key, address, context, warm)
    if found.cached:
        context.emit(
            Note(address, f"{found.cached} of {len(found.trials)} trials were known from earlier searches.")
        )
    return _output(found, outer_estimate(find, training, rows, key, address, context), context)


def find(
    training: Training,
    rows: TrainingRows,
    key: str,
    address: str,
    context: StageContext,
    warm: Sequence[Start] = (),
) -> Found:
    """Search on these rows, which may be some of the model's. `key` names the search: what is recorded under it is not
    tried again. Raises as `run_search`."""
    from tenure.ml.metrics import default_metrics, metric

    algorithms = training.algorithms.listed()
    check(algorithms, rows)
    name = training.objective.primary_metric or default_metrics(rows.signature.task)[0]
    measure = metric(name, rows.signature.task, ("training", "objective", "primary_metric"))
    cut, said = cut_folds(rows, training.cross_validation, training.seed)

    maker = FoldMaker(rows, cut, training.seed, training.class_weights, training.sampling)
    with scratch_in(context.cache, "folds") as folder:
        folds = new_folds(folder, rows, cut, maker)
        if not context.executor.in_process:
            forms = sorted({algorithm.FORM for algorithm in algorithms.values()})
            make_all(folds, maker, forms, context.executor, context.stopping)
        reference = context.executor.share(folder)
        known_here(reference, folds)
        try:
            loop = Loop(
                training, rows, algorithms, measure, folds, reference, key, address, context, tuple(warm)
            )
            with limited_threads(loop.threads):
                loop.run()
        finally:
            forget(reference)
            context.executor.unshare(reference)
    trials = tuple(loop.trials[number] for number in sorted(loop.trials))
    best = best_trial(trials, measure)
    if best is None:
        raise _nothing(trials)
    settled = {name: algorithm.settled() for name, algorithm in algorithms.items()}
    best, weighed = settle(training, trials, measure, rows, settled)
    return Found(trials, best, settled, measure, said, loop.ended, tuple(warm), weighed)


def check(algorithms: Mapping[str, Algorithm], rows: TrainingRows) -> None:
    """Raise StageError for an algorithm that cannot learn from these rows."""
    from tenure.ml.preprocessor import missing_values
    from tenure.stages.training.algorithms import Algorithms

    task = rows.signature.task
    for name, algorithm in algorithms.items():
        where = ("training", "algorithms", name)
        if task not in algorithm.TASKS:
            fitting = [other for other, kind in Algorithms.kinds().items() if task in kind.TASKS]
            raise StageError(
                "the algorithm does not fit the task",
                f"{name} cannot do {task}, which target {rows.signature.target!r} asks for",
                f"algorithms for {task}: {', '.join(fitting)}",
                path=where,
            )
        if not algorithm.MISSING_VALUES and missing_values(rows.recipe, algorithm.FORM):
            raise StageError(
                "the algorithm does not take missing values",
                f"the features leave missing values as they are, and {name} cannot learn from missing numbers",
                "set features.numeric.missing_value_strategy to median, or remove the algorithm",
                path=where,
            )
        algorithm.check_rows(rows.design.rows)


def _nothing(trials: Sequence[Trial]) -> StageError:
    reasons = sorted({f"{trial.algorithm}: {trial.note}" for trial in trials})
    late = any(trial.note == "out of time" for trial in trials)
    return StageError(
        "no trial of the search was finished" if late else "every trial of the search failed",
        "\n".join(reasons[:5]),
        "raise training.limits.trial_timeout, or choose cheaper algorithms"
        if late
        else "check the features and the search spaces",
        path=("training", "limits", "trial_timeout") if late else ("training", "algorithms"),
    )


def _output(found: Found, nested: Mapping[str, Any] | None, context: StageContext) -> Output:
    best, measure, trials = found.best, found.measure, found.trials
    per_algorithm = {}
    for name in dict.fromkeys(trial.algorithm for trial in trials):
        own = [trial for trial in trials if trial.algorithm == name]
        leader = best_trial(own, measure)
        per_algorithm[name] = {"trials": len(own), "score": leader.score if leader else None}
    # What an ensemble may be made of. A model of the winner alone is not fitted again when the others change.
    leaders = [
        [trial.algorithm, found.settled[trial.algorithm], trial.params]
        for trial in leading(trials, measure, MOST_CANDIDATES)
    ]
    return Output(
        # Only what the model is made from, so that another search that comes to the same changes nothing after it.
        digest=digest([best.algorithm, found.settled[best.algorithm], best.params, leaders]),
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
            "cached": found.cached,
            "algorithms": per_algorithm,
            "cross_validation": found.cut,
            **({} if nested is None else {"nested": nested}),
            **({"weighed": msgspec.to_builtins(found.weighed)} if found.weighed else {}),
            "ended_by": found.ended,
            "warm_start": msgspec.to_builtins(list(found.warm)),
            "seconds": round(max(trial.started + trial.seconds for trial in trials), 3),
        },
        artifacts={"trials": context.artifacts.put(msgspec.json.encode(list(trials)))},
        sentence=f"{best.algorithm}, {measure.name} {best.score:.4g} in {found.cut}, best of {len(trials)} trials"
        f"{_nested_words(nested)}",
    )


def _nested_words(nested: Mapping[str, Any] | None) -> str:
    if nested is None or nested["score"] is None:
        return ""
    return f"; {nested['score']:.4g} on rows no trial has seen, {abs(nested['optimism']):.2g} " + (
        "worse" if nested["optimism"] > 0 else "better"
    )
