"""A secondary objective: among trials that are as good as can be told, the one with the smallest model.

The difference between the best trials of a search is mostly noise. Within one standard error of the best (Breiman et
al. 1984) the smaller model is as good for all anybody knows, and answers sooner. What decides is bytes, which are the
same on every machine; how long an answer takes is recorded beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.core.units import parse_size
from tenure.spec.base import SizeText, SpecModel, field
from tenure.stages.training.turns import best_trial, noise_of

if TYPE_CHECKING:
    from tenure.ml.metrics import Metric
    from tenure.stages.training.preparation import TrainingRows
    from tenure.stages.training.section import Training
    from tenure.state.store import Trial

MOST_MEASURED = 12
"""Trials whose models are fitted and measured, best first."""


class Secondary(SpecModel):
    """What decides between trials that are about equally good."""

    metric: Literal["size"] = field(Effect.RETRAIN, "Bytes of the stored model: fewer are better.")
    within: float = field(
        Effect.RETRAIN,
        "Trials count as equally good when their scores are within so many standard errors of the best one's.",
        1.0,
        ge=0,
        le=10,
    )
    max: SizeText | None = field(
        Effect.RETRAIN,
        "Trials with a larger model are passed over, however good they are.",
        None,
        examples=["5MB"],
    )


class Weighed(msgspec.Struct, frozen=True):
    """A trial whose model was fitted and measured. `front` says that no other is both better and smaller, `near` that
    it is about as good as the best, `milliseconds` how long one row took here."""

    trial: int
    algorithm: str
    score: float
    size: int
    milliseconds: float
    near: bool
    front: bool


def settle(
    training: Training,
    trials: Sequence[Trial],
    measure: Metric,
    rows: TrainingRows,
    settings: Mapping[str, Mapping[str, Any]],
) -> tuple[Trial, tuple[Weighed, ...]]:
    """The trial that wins, and what was measured: the best one, or the smallest of those that are about as good.

    Raises StageError when no trial has finished, or none is as small as asked for.
    """
    best = best_trial(trials, measure)
    assert best is not None, "a search that found nothing ends before"
    wanted = training.objective.secondary
    if wanted is None or best.score is None:
        return best, ()
    margin = wanted.within * noise_of(best)
    sign = 1.0 if measure.goal == "maximize" else -1.0
    done = sorted(
        (trial for trial in trials if trial.score is not None),
        key=lambda trial: (-sign * (trial.score or 0.0), trial.number),
    )
    most = None if wanted.max is None else parse_size(wanted.max)
    measured: list[tuple[Trial, int, float, bool]] = []
    for trial in done[:MOST_MEASURED]:
        near = sign * (best.score - (trial.score or 0.0)) <= margin
        small = any(most is None or size <= most for _, size, _, _ in measured)
        if not near and small:
            break
        measured.append((trial, *_measured(trial, training, rows, settings), near))
    allowed = [item for item in measured if most is None or item[1] <= most]
    if not allowed:
        raise StageError(
            "no model is small enough",
            f"the {len(measured)} best trials have models of {min(item[1] for item in measured):,} bytes and more, and "
            f"training.objective.secondary.max is {wanted.max}",
            "raise it, or narrow the search space: fewer trees, fewer leaves",
            path=("training", "objective", "secondary", "max"),
        )
    # Where none of those that are small enough is about as good, the best of them wins.
    equal = [item for item in allowed if item[3]] or allowed[:1]
    chosen = min(equal, key=lambda item: item[1])[0]
    return chosen, tuple(
        Weighed(
            trial.number,
            trial.algorithm,
            trial.score or 0.0,
            size,
            milliseconds,
            near,
            # Best first: whoever is smaller than all before is on the front.
            all(size < other for _, other, _, _ in measured[:position]),
        )
        for position, (trial, size, milliseconds, near) in enumerate(measured)
    )


def _measured(
    trial: Trial, training: Training, rows: TrainingRows, settings: Mapping[str, Mapping[str, Any]]
) -> tuple[int, float]:
    import numpy as np

    from tenure.ml.predictor import save
    from tenure.stages.training.candidate import Candidate
    from tenure.stages.training.members import Asked, fit
    from tenure.stages.training.timing import milliseconds

    candidate = Candidate(trial.algorithm, trial.params, settings[trial.algorithm], trial.score)
    asked = Asked(training.seed, 0, training.class_weights, training.sampling)
    predictor = fit(candidate, rows, asked)
    return sum(map(len, save(predictor).values())), milliseconds(predictor, rows.design.take(np.arange(1)))
