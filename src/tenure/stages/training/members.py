"""Which estimators answer, fitted: the winner of the search alone, or several trials as an ensemble.

A fit is named by everything it is made from. When the last record has one of that name, it is taken from there with its
out-of-fold predictions, and nothing is fitted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tenure.core.decoding import json_decoder
from tenure.core.digest import digest
from tenure.core.errors import ArtifactError, Interrupted, StageError
from tenure.core.events import StepProgress
from tenure.stages.training.algorithm import Rows, Setting
from tenure.stages.training.answers import Wanted
from tenure.stages.training.candidate import Candidate
from tenure.stages.training.ensembling import GreedyEnsemble, greedy, leading
from tenure.stages.training.folding import cut_folds
from tenure.stages.training.out_of_fold import OutOfFold, decode, out_of_fold, together
from tenure.stages.training.preparation import PreparedFold, TrainingRows, fit_preprocessor, prepared_fold
from tenure.stages.training.weighting import ClassWeights, Sampling, weighted

if TYPE_CHECKING:
    from tenure.ml.predictions import Predictions
    from tenure.ml.predictor import Predictor, Quantiles
    from tenure.stages.base import StageContext
    from tenure.stages.training.distributed import Distributed
    from tenure.stages.training.section import CrossValidation
    from tenure.state.record import Record

OUT_OF_FOLD = "out_of_fold"
"""The artifact beside the files of the predictor, and what is recorded about it."""


@dataclass(frozen=True)
class Asked:
    """What the spec asks of the model. `version` is raised when equal inputs give another fit."""

    seed: int
    version: int
    class_weights: ClassWeights | None = None
    sampling: Sampling | None = None
    cross_validation: CrossValidation | None = None
    ensemble: GreedyEnsemble | None = None
    distributed: Distributed | None = None
    wanted: Wanted = field(default_factory=Wanted)


@dataclass(frozen=True)
class Fitted:
    """A predictor without postprocessing, and what it said out of fold (None where nobody asked).

    `key` and `folds` name what both were made from. `fitted_again` and `predicted_again` are false for what was taken
    from the last record. `facts` are figures of an ensemble, and of a distributed fit.
    """

    predictor: Predictor
    predicted: OutOfFold | None
    key: str
    folds: str
    fitted_again: bool
    predicted_again: bool
    facts: Mapping[str, Any]


def fitted_members(asked: Asked, rows: TrainingRows, address: str, context: StageContext) -> Fitted:
    """The winner of the search, or an ensemble of its best trials, fitted to all rows.

    Raises StageError, and Interrupted when asked to stop: what was fitted until then is fitted again.
    """
    search = context.records["training/search"]
    candidates = _candidates(asked, search, context)
    key = _key(asked, candidates, context)
    folds = digest([key, _cut(asked)])
    wants_folds = asked.wanted.learns or asked.ensemble is not None
    predictor = _kept_predictor(key, context)
    predicted = _kept_predictions(folds, rows, context) if wants_folds else None
    known = context.previous.value if context.previous is not None else {}
    if asked.ensemble is None:
        (winner,) = candidates
        again = wants_folds and predicted is None
        if again:
            predicted = _out_of_fold(winner, rows, asked, context)
        facts: Mapping[str, Any] = {}
        if asked.distributed is not None:
            facts = {"distributed": known.get("distributed", {})}
        if predictor is not None:
            return Fitted(predictor, predicted, key, folds, False, again, facts)
        if asked.distributed is None:
            return Fitted(fit(winner, rows, asked), predicted, key, folds, True, again, facts)
        from tenure.stages.training.in_parts import fit_in_parts

        made = fit_in_parts(
            winner, rows, asked.distributed, asked.class_weights, asked.seed, address, context
        )
        return Fitted(made.predictor, predicted, key, folds, True, again, {"distributed": made.facts})
    if predictor is not None and predicted is not None:
        return Fitted(predictor, predicted, key, folds, False, False, {"ensemble": known.get("ensemble", {})})
    return _ensemble(asked.ensemble, candidates, rows, asked, (key, folds), address, context)


def _ensemble(
    block: GreedyEnsemble,
    candidates: Sequence[Candidate],
    rows: TrainingRows,
    asked: Asked,
    names: tuple[str, str],
    address: str,
    context: StageContext,
) -> Fitted:
    from tenure.ml.ensemble import Ensemble, Member
    from tenure.ml.metrics import metric
    from tenure.ml.predictor import Predictor

    measure = metric(context.records["training/search"].value["metric"], rows.signature.task)
    said = []
    for number, candidate in enumerate(candidates, start=1):
        said.append(_out_of_fold(candidate, rows, asked, context))
        sentence = f"{candidate.name}, predicted out of fold"
        context.emit(StepProgress(address, number, len(candidates), sentence))
    found = greedy([item.said for item in said], said[0].truth, said[0].fold, measure, block.size)
    members, preprocessors, listed = [], {}, []
    for candidate, share in zip(candidates, found.shares, strict=True):
        if share:
            one = fit(candidate, rows, asked)
            form = candidate.algorithm.FORM
            members.append(Member(one.estimator, form, share))
            # Fitted to the same rows in the same way, so that those of one form are equal.
            preprocessors[form] = one.preprocessor
            listed.append(
                {
                    "algorithm": candidate.name,
                    "params": dict(candidate.params),
                    "weight": share,
                    "score": candidate.score,
                }
            )
    predictor = Predictor(rows.recipe, rows.signature, None, Ensemble(tuple(members), preprocessors))
    facts = {
        "type": block.type,
        "candidates": len(candidates),
        "members": listed,
        "metric": measure.name,
        "score": found.score,
        "alone": found.alone,
    }
    return Fitted(predictor, together(said, found.shares), *names, True, True, {"ensemble": facts})


def _candidates(asked: Asked, search: Record, context: StageContext) -> list[Candidate]:

    from tenure.ml.metrics import metric
    from tenure.state.store import Trial

    found = search.value
    blocks = search.config.get("training", {}).get("algorithms", {})

    def candidate(name: str, params: Mapping[str, Any], score: float | None) -> Candidate:
        block = blocks.get(name, {})
        return Candidate(name, params, {key: block[key] for key in block if key != "search_space"}, score)

    if asked.ensemble is None:
        return [candidate(found["algorithm"], found["params"], found["score"])]
    task = context.records["features/recipe"].value["task"]
    trials = json_decoder(list[Trial]).decode(context.artifacts.get(search.artifacts["trials"]))
    best = leading(trials, metric(found["metric"], task), asked.ensemble.candidates)
    return [candidate(trial.algorithm, trial.params, trial.score) for trial in best]


def fit(candidate: Candidate, rows: TrainingRows, asked: Asked) -> Predictor:
    """A candidate fitted to all rows, without what follows."""
    import numpy as np

    from tenure.ml.predictor import Predictor

    algorithm = candidate.algorithm
    preprocessor, matrix = fit_preprocessor(rows, np.arange(rows.design.rows), algorithm.FORM, asked.seed)
    train = _weighted(Rows(matrix, rows.codes), rows, asked)
    setting = rows.setting(asked.seed)
    fitted = algorithm.fit(candidate.params, train, setting, None)
    quantiles = _quantiles(candidate, train, setting, asked)
    return Predictor(rows.recipe, rows.signature, preprocessor, fitted.estimator, quantiles=quantiles)


def _quantiles(candidate: Candidate, train: Rows, setting: Setting, asked: Asked) -> Quantiles | None:
    """Estimators of the quantiles that are asked for, with the parameters of the candidate."""
    from tenure.ml.predictor import Quantiles

    if asked.wanted.quantiles is None:
        return None
    low, high = (
        candidate.algorithm.fit(candidate.params, train, replace(setting, quantile=quantile), None).estimator
        for quantile in asked.wanted.quantiles
    )
    return Quantiles(low, high)


def _out_of_fold(candidate: Candidate, rows: TrainingRows, asked: Asked, context: StageContext) -> OutOfFold:
    from tenure.ml.predictor import predict_matrix, quantiles_of

    algorithm, setting = candidate.algorithm, rows.setting(asked.seed)
    cut, _ = cut_folds(rows, asked.cross_validation, asked.seed)

    def predicted(fold: PreparedFold) -> tuple[Predictions, Any]:
        if context.stopping():
            raise Interrupted("stopped while the model was fitted; the search is kept")
        # Without validation rows, as the final fit: what stops early by them is too sure of them.
        train, judged = _weighted(fold.train, rows, asked), fold.validation.matrix
        fit = algorithm.fit(candidate.params, train, setting, None)
        quantiles = _quantiles(candidate, train, setting, asked)
        said = predict_matrix(fit.estimator, judged, rows.signature)
        return said, quantiles_of(quantiles, judged, rows.signature)

    prepared = (prepared_fold(rows, train, test, algorithm.FORM, asked.seed) for train, test in cut)
    return out_of_fold(prepared, predicted)


def _weighted(train: Rows, rows: TrainingRows, asked: Asked) -> Rows:
    return weighted(train, asked.class_weights, asked.sampling, rows.signature, asked.seed)


# --- what the last record has -----------------------------------------------------------------------------------


def _key(asked: Asked, candidates: Sequence[Candidate], context: StageContext) -> str:
    """Everything that decides the estimators."""
    inputs = [context.records[need].digest for need in ("data/snapshot", "features/recipe")]
    chosen = [[one.name, dict(one.params), dict(one.settings)] for one in candidates]
    # An ensemble is chosen by its folds.
    together = None if asked.ensemble is None else [_plain(asked.ensemble), _cut(asked)]
    about: list[Any] = [asked.version, asked.seed, asked.class_weights, _plain(asked.sampling), together]
    if asked.distributed is not None:
        about.append(_plain(asked.distributed))
    if asked.wanted.quantiles is not None:
        about.append({"quantiles": asked.wanted.quantiles})
    return digest([about, inputs, chosen])


def _cut(asked: Asked) -> Any:
    """How the rows are cut into folds; outer folds play no part."""
    folds = asked.cross_validation
    return None if folds is None else folds.model_dump(mode="json", exclude={"nested"})


def _plain(block: Any) -> Any:
    return None if block is None else block.model_dump(mode="json")


def _kept_predictor(key: str, context: StageContext) -> Predictor | None:
    """That of the last record without its postprocessing; None where it is another one, or its files are lost."""
    from tenure.ml.predictor import Predictor, load_recorded

    previous = context.previous
    if previous is None or previous.value.get("fitted_from") != key:
        return None
    try:
        kept = load_recorded(previous.artifacts, context.artifacts)
    except (ArtifactError, StageError):
        return None
    return Predictor(kept.recipe, kept.signature, kept.preprocessor, kept.estimator, quantiles=kept.quantiles)


def _kept_predictions(folds: str, rows: TrainingRows, context: StageContext) -> OutOfFold | None:
    previous = context.previous
    known = previous.value.get(OUT_OF_FOLD) if previous is not None else None
    if previous is None or known is None or known["from"] != folds:
        return None
    try:
        return decode(context.artifacts.get(previous.artifacts[OUT_OF_FOLD]), rows.signature)
    except (ArtifactError, StageError):
        return None
