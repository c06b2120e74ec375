"""The model: the winner of the search fitted to all training rows, finished, and stored in safe formats.

A fit is kept apart from what follows it. When only what follows changed (a threshold, say), the estimator and its
out-of-fold predictions are taken from the last record, and nothing is fitted.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tenure.core.digest import digest
from tenure.core.errors import ArtifactError, StageError
from tenure.core.events import Note
from tenure.stages.base import Output
from tenure.stages.training.algorithm import Rows
from tenure.stages.training.answers import Wanted, check, learn
from tenure.stages.training.out_of_fold import OutOfFold, decode, encode, out_of_fold
from tenure.stages.training.preparation import TrainingRows, fit_preprocessor, load_rows, prepare_folds
from tenure.stages.training.weighting import ClassWeights, Sampling, weighted

if TYPE_CHECKING:
    from tenure.ml.predictions import Predictions
    from tenure.ml.predictor import Predictor
    from tenure.stages.base import StageContext
    from tenure.stages.training.algorithm import Algorithm
    from tenure.stages.training.preparation import PreparedFold
    from tenure.stages.training.section import CrossValidation


OUT_OF_FOLD, CURVES = "out_of_fold", "curves"
"""Artifacts beside the files of the predictor, which no server needs."""
_PROBE = 1000
"""Training rows on which the stored model must predict exactly what the fitted one does."""


@dataclass(frozen=True)
class Asked:
    """What the spec asks of the model. `version` is raised when equal inputs give another fit."""

    seed: int
    version: int
    class_weights: ClassWeights | None = None
    sampling: Sampling | None = None
    cross_validation: CrossValidation | None = None
    wanted: Wanted = field(default_factory=Wanted)


@dataclass(frozen=True)
class Fitted:
    """A fit without what follows it. `key` names everything it was made from; `again` is true when it was kept."""

    predictor: Predictor
    key: str
    again: bool


def fit_winner(asked: Asked, address: str, context: StageContext) -> Output:
    """Fit, finish, save, and read back: a model whose files predict otherwise than it did is never recorded."""
    import msgspec

    from tenure.ml.predictor import Predictor, load, save
    from tenure.stages.training.algorithms import Algorithms

    started = time.perf_counter()
    found = context.records["training/search"].value
    name, params = found["algorithm"], found["params"]
    algorithm = Algorithms.model_validate({name: {}}).listed()[name]
    rows = load_rows(context)
    check(asked.wanted, rows.signature)
    fitted = _kept(asked, context) or _fit(algorithm, params, rows, asked, context)
    predicted, kept = None, False
    if asked.wanted.learns:
        predicted, kept = _out_of_fold(algorithm, params, rows, asked, fitted.key, context)
    learned = learn(asked.wanted, predicted, rows.signature, asked.seed)
    for remark in learned.remarks:
        context.emit(Note(address, remark))
    seconds = time.perf_counter() - started

    bare = fitted.predictor
    predictor = Predictor(
        bare.recipe, bare.signature, bare.preprocessor, bare.estimator, None, learned.postprocessing
    )
    files = save(predictor)
    again = load(files)
    matrix = predictor.preprocessor.transform(rows.design)
    again.verify(rows.design, matrix)
    probe = matrix[:_PROBE]
    if not _same(predictor.predict_matrix(probe), again.predict_matrix(probe)):
        raise StageError(
            "the stored model predicts something else",
            f"{name} was fitted, but its files give other predictions for the same rows",
            "please report this with the versions of the libraries",
        )
    artifacts = {file: context.artifacts.put(data) for file, data in sorted(files.items())}
    # What was learned from is no part of the model: the digest is that of what predicts.
    model = digest(artifacts)
    if predicted is not None:
        artifacts[OUT_OF_FOLD] = context.artifacts.put(encode(predicted))
    if learned.curves:
        artifacts[CURVES] = context.artifacts.put(msgspec.json.encode(learned.curves))
    value: dict[str, Any] = {
        "algorithm": name,
        "params": params,
        "metric": found["metric"],
        "score": found["score"],
        "trials": found["trials"],
        "rows": rows.design.rows,
        "features": int(probe.shape[1]),
        "size": sum(len(data) for data in files.values()),
        "seconds": round(seconds, 3),
        "fitted_from": fitted.key,
        "fitted_again": not fitted.again,
        **learned.facts,
    }
    if predicted is not None:
        value[OUT_OF_FOLD] = {
            "rows": len(predicted),
            "folds": int(predicted.fold.max()) + 1,
            "from": _folds_key(asked, fitted.key),
            "predicted_again": not kept,
        }
    return Output(
        digest=model,
        value=value,
        artifacts=artifacts,
        sentence=_sentence(name, value, fitted.again),
    )


def _fit(
    algorithm: Algorithm, params: Mapping[str, Any], rows: TrainingRows, asked: Asked, context: StageContext
) -> Fitted:
    import numpy as np

    from tenure.ml.predictor import Predictor

    preprocessor, matrix = fit_preprocessor(rows, np.arange(rows.design.rows), algorithm.FORM, asked.seed)
    train = weighted(
        Rows(matrix, rows.codes), asked.class_weights, asked.sampling, rows.signature, asked.seed
    )
    fit = algorithm.fit(params, train, rows.setting(asked.seed), None)
    predictor = Predictor(rows.recipe, rows.signature, preprocessor, fit.estimator)
    return Fitted(predictor, _fit_key(asked, context), again=False)


def _kept(asked: Asked, context: StageContext) -> Fitted | None:
    """The fit of the last record, when it was made from the very same; None without one, or when its files are lost."""
    from tenure.ml.predictor import load_recorded

    key, previous = _fit_key(asked, context), context.previous
    if previous is None or previous.value.get("fitted_from") != key:
        return None
    try:
        return Fitted(load_recorded(previous.artifacts, context.artifacts), key, again=True)
    except (ArtifactError, StageError):
        return None


def _out_of_fold(
    algorithm: Algorithm,
    params: Mapping[str, Any],
    rows: TrainingRows,
    asked: Asked,
    fit_key: str,
    context: StageContext,
) -> tuple[OutOfFold, bool]:
    """Out-of-fold predictions, and whether they are those of the last record."""
    from tenure.ml.predictor import predict_matrix

    previous = context.previous
    known = previous.value.get(OUT_OF_FOLD) if previous is not None else None
    if previous is not None and known is not None and known["from"] == _folds_key(asked, fit_key):
        try:
            return decode(context.artifacts.get(previous.artifacts[OUT_OF_FOLD]), rows.signature), True
        except (ArtifactError, StageError):
            pass  # lost: predicted again
    folds, _ = prepare_folds(rows, asked.cross_validation, asked.seed, algorithm.FORM)
    setting = rows.setting(asked.seed)

    def predicted(fold: PreparedFold) -> Predictions:
        train = weighted(fold.train, asked.class_weights, asked.sampling, rows.signature, asked.seed)
        # Without validation rows, as the final fit: what stops early by them is too sure of them.
        fit = algorithm.fit(params, train, setting, None)
        return predict_matrix(fit.estimator, fold.validation.matrix, rows.signature)

    return out_of_fold(folds, predicted), False


def _fit_key(asked: Asked, context: StageContext) -> str:
    """Everything that decides the estimator."""
    inputs = {
        need: context.records[need].digest for need in ("data/snapshot", "features/recipe", "training/search")
    }
    sampling = None if asked.sampling is None else asked.sampling.model_dump(mode="json")
    return digest([asked.version, inputs, asked.seed, asked.class_weights, sampling])


def _folds_key(asked: Asked, fit_key: str) -> str:
    folds = asked.cross_validation
    return digest([fit_key, None if folds is None else folds.model_dump(mode="json")])


def _same(one: Predictions, other: Predictions) -> bool:
    import numpy as np

    if one.interval is not None and other.interval is not None:
        pairs = [(one.interval.low, other.interval.low), (one.interval.high, other.interval.high)]
    elif one.probabilities is not None and other.probabilities is not None:
        pairs = [(one.probabilities, other.probabilities)]
    else:
        pairs = []
    return all(np.array_equal(a, b) for a, b in [(one.labels, other.labels), *pairs])


def _sentence(name: str, value: Mapping[str, Any], again: bool) -> str:
    said = f"{name} on {value['rows']:,} rows and {value['features']} inputs"
    if again:
        said += ", the fit as it was"
    calibration = value.get("calibration")
    if calibration is not None and "after" in calibration:
        before, after = (calibration[when]["error"] for when in ("before", "after"))
        said += f"; calibration error {after:.3f}, {before:.3f} before"
    threshold = value.get("decision_threshold")
    if threshold is not None:
        said += f"; positive from {threshold['threshold']:.3g} on"
    intervals = value.get("intervals")
    if intervals is not None:
        said += f"; {intervals['confidence']:.0%} intervals {intervals['width']:.4g} wide"
    return said
