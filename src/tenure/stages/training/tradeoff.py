"""A secondary objective: among trials that are as good as can be told, the one with the smallest or quickest model.

The difference between the best trials of a search is mostly noise. Within one standard error of the best (Breiman et
al. 1984) the smaller model is as good for all anybody knows, and mostly answers sooner. Bytes are the same on every
machine. How long an answer takes is not: where that decides, the result depends on the machine, as under time limits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self

import msgspec
from pydantic import WithJsonSchema, model_validator

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.core.units import parse_duration, parse_size
from tenure.spec.base import FieldProblem, SpecModel, field
from tenure.stages.training.turns import best_trial, noise_of

if TYPE_CHECKING:
    from tenure.ml.metrics import Metric
    from tenure.stages.training.preparation import TrainingRows
    from tenure.stages.training.section import Training
    from tenure.state.store import Trial

MOST_MEASURED = 12
"""Trials whose models are fitted and measured, best first."""
SAME_LATENCY = 1.1
"""Models that take up to so many times as long as the quickest are as quick for all that a clock can tell."""


_MOST_SCHEMA = {
    "type": "string",
    "pattern": r"^(\d+(\.\d+)?\s*(B|KB|MB|GB|TB)|\d+\s*(ms|s|m|h|d|w|mo|y))$",
    "examples": ["5MB", "2ms"],
}


class Secondary(SpecModel):
    """What decides between trials that are about equally good."""

    metric: Literal["size", "latency"] = field(
        Effect.RETRAIN,
        "`size`: bytes of the stored model, the same on every machine. `latency`: the time that one row takes, "
        "measured on the machine that searches, so that the result depends on it.",
    )
    within: float = field(
        Effect.RETRAIN,
        "Trials count as equally good when their scores are within so many standard errors of the best one's.",
        1.0,
        ge=0,
        le=10,
    )
    max: Annotated[str, WithJsonSchema(_MOST_SCHEMA)] | None = field(
        Effect.RETRAIN,
        "Trials with a larger or slower model are passed over, however good they are: a size, or a time for one row.",
        None,
        examples=["5MB", "2ms"],
    )

    @model_validator(mode="after")
    def _in_its_unit(self) -> Self:
        try:
            self.most()
        except ValueError as error:
            hint = "max: 5MB" if self.metric == "size" else "max: 2ms"
            raise FieldProblem(str(error), at=("max",), hint=hint) from error
        return self

    def most(self) -> float:
        """`max` in bytes, or in milliseconds; infinite where there is none."""
        if self.max is None:
            return math.inf
        return (
            parse_size(self.max)
            if self.metric == "size"
            else 1000 * parse_duration(self.max).approximate_seconds
        )


class Weighed(msgspec.Struct, frozen=True):
    """A trial whose model was fitted and measured. `front` says that no other is both better and smaller, or quicker
    where latency decides; `near` that it is about as good as the best; `milliseconds` how long one row took here."""

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
    """The trial that wins, and what was measured: the best one, or the smallest or quickest of those about as good.

    Raises StageError when no trial has finished, or none is as small or as quick as asked for.
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
    most = wanted.most()
    measured: list[_Measured] = []
    for trial in done[:MOST_MEASURED]:
        near = sign * (best.score - (trial.score or 0.0)) <= margin
        if not near and any(item.cost(wanted) <= most for item in measured):
            break
        measured.append(_Measured(trial, *_measured(trial, training, rows, settings), near))
    allowed = [item for item in measured if item.cost(wanted) <= most]
    if not allowed:
        least = min(item.cost(wanted) for item in measured)
        small = wanted.metric == "size"
        raise StageError(
            f"no model is {'small' if small else 'quick'} enough",
            f"the {len(measured)} best trials have models "
            f"{f'of {least:,} bytes' if small else f'that take {least:.3g} ms'} and more, and "
            f"training.objective.secondary.max is {wanted.max}",
            "raise it, or narrow the search space: fewer trees, fewer leaves",
            path=("training", "objective", "secondary", "max"),
        )
    # Where none of those that are small enough is about as good, the best of them wins.
    equal = [item for item in allowed if item.near] or allowed[:1]
    least = min(item.cost(wanted) for item in equal)
    room = SAME_LATENCY if wanted.metric == "latency" else 1.0
    chosen = next(item.trial for item in equal if item.cost(wanted) <= room * least)
    return chosen, tuple(
        Weighed(
            item.trial.number,
            item.trial.algorithm,
            item.trial.score or 0.0,
            item.size,
            item.milliseconds,
            item.near,
            # Best first: whoever is smaller than all before is on the front.
            all(item.cost(wanted) < other.cost(wanted) for other in measured[:position]),
        )
        for position, item in enumerate(measured)
    )


class _Measured(NamedTuple):
    """A trial with bytes of its model, milliseconds for a row, and whether it is about as good as the best."""

    trial: Trial
    size: int
    milliseconds: float
    near: bool

    def cost(self, wanted: Secondary) -> float:
        return self.size if wanted.metric == "size" else self.milliseconds


def _measured(
    trial: Trial, training: Training, rows: TrainingRows, settings: Mapping[str, Mapping[str, Any]]
) -> tuple[int, float]:
    import numpy as np

    from tenure.ml.predictor import save
    from tenure.stages.training.candidate import Candidate
    from tenure.stages.training.members import Asked, fit
    from tenure.stages.training.timing import quickest_milliseconds

    candidate = Candidate(trial.algorithm, trial.params, settings[trial.algorithm], trial.score)
    asked = Asked(training.seed, 0, training.class_weights, training.sampling)
    predictor = fit(candidate, rows, asked)
    one_row = rows.design.take(np.arange(1))
    return sum(map(len, save(predictor).values())), quickest_milliseconds(predictor, one_row)
