"""Nested cross-validation: what the search as a whole promises, on rows that it has not chosen by.

The score of the winner is the best of many, and flatters it: some of it is luck (Cawley and Talbot 2010). In each outer
fold the whole search is done again on the other rows, its winner fitted to them, and scored on the fold. The difference
is the optimism of the search.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from tenure.core.digest import digest
from tenure.core.effect import Effect
from tenure.core.events import Note
from tenure.spec.base import SpecModel, field

if TYPE_CHECKING:
    from tenure.ml.metrics import Metric
    from tenure.stages.base import StageContext
    from tenure.stages.training.algorithm import Algorithm
    from tenure.stages.training.preparation import TrainingRows
    from tenure.stages.training.section import Training
    from tenure.state.store import Trial


class Nested(SpecModel):
    """The whole search once more for each of several outer folds."""

    folds: int = field(
        Effect.RETRAIN,
        "Number of outer folds: the search takes so many times longer, and its limits hold for each.",
        3,
        ge=2,
        le=10,
    )


class Winner(Protocol):
    """What is needed of a search that was made."""

    @property
    def best(self) -> Trial:
        """The trial that won."""

    @property
    def measure(self) -> Metric:
        """What it was scored by."""


Search = Callable[["Training", "TrainingRows", str, str, "StageContext"], Winner]
"""A search on some rows: what is asked for, the rows, the name its trials are recorded under, the address, the rest."""


def outer_estimate(
    search: Search, training: Training, rows: TrainingRows, key: str, address: str, context: StageContext
) -> dict[str, Any] | None:
    """Scores of a search on rows it has not seen, and its optimism; None where it is not asked for.

    Raises as the search does. Trials are recorded under keys of their own, so that a search that was stopped goes on.
    """
    wanted = training.cross_validation
    if wanted is None or wanted.nested is None:
        return None
    from tenure.stages.training.folding import cut_folds

    inner = training.model_copy(update={"cross_validation": wanted.model_copy(update={"nested": None})})
    # A holdout is one fold: its outer folds are those of any kind that the data asks for.
    kind = None if wanted.type == "holdout" else wanted.type
    asked = wanted.model_copy(
        update={"nested": None, "type": kind, "folds": wanted.nested.folds, "repeats": 1}
    )
    cut, said = cut_folds(rows, asked, training.seed)
    outer, promised = [], []
    for number, (train, test) in enumerate(cut, start=1):
        context.emit(
            Note(address, f"outer fold {number} of {len(cut)}: the search again on {len(train)} rows")
        )
        seen = rows.take(train)
        found = search(inner, seen, digest([key, "outer", number]), address, context)
        algorithm = training.algorithms.listed()[found.best.algorithm]
        score = _score(algorithm, found.best.params, training, rows, (train, test), found.measure)
        if math.isfinite(score) and found.best.score is not None:
            outer.append(score)
            promised.append(found.best.score)
            sign = 1.0 if found.measure.goal == "maximize" else -1.0
    if not outer:
        return {"folds": len(cut), "cut": said, "scores": [], "score": None, "optimism": None}
    differences = [sign * (one - other) for one, other in zip(promised, outer, strict=True)]
    return {
        "folds": len(cut),
        "cut": said,
        "scores": outer,
        "score": statistics.fmean(outer),
        "inner_scores": promised,
        "optimism": statistics.fmean(differences),
    }


def _score(
    algorithm: Algorithm,
    params: dict[str, Any],
    training: Training,
    rows: TrainingRows,
    fold: tuple[Any, Any],
    measure: Metric,
) -> float:
    from tenure.ml.metrics import score
    from tenure.ml.predictor import predict_matrix
    from tenure.stages.training.preparation import prepared_fold
    from tenure.stages.training.weighting import weighted

    prepared = prepared_fold(rows, *fold, algorithm.FORM, training.seed)
    train = weighted(prepared.train, training.class_weights, training.sampling, rows.signature, training.seed)
    fit = algorithm.fit(params, train, rows.setting(training.seed), None)
    said = predict_matrix(fit.estimator, prepared.validation.matrix, rows.signature)
    return score(measure, rows.values[fold[1]], said)
