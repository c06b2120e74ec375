"""The model: fitted to all training rows, finished, stored in safe formats, and read back."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tenure.core.digest import digest
from tenure.core.errors import StageError
from tenure.core.events import Note
from tenure.stages.base import Output
from tenure.stages.training.answers import check, learn
from tenure.stages.training.members import OUT_OF_FOLD, Asked, fitted_members
from tenure.stages.training.out_of_fold import encode
from tenure.stages.training.preparation import load_rows
from tenure.stages.training.timing import answers, milliseconds

if TYPE_CHECKING:
    from tenure.ml.design import Design
    from tenure.ml.predictions import Predictions
    from tenure.ml.predictor import Predictor
    from tenure.stages.base import StageContext

CURVES = "curves"
"""The artifact with what thresholds were chosen from; no server needs it."""
_PROBE = 1000
"""Training rows on which the stored model must predict exactly what the fitted one does."""


def fit_winner(asked: Asked, address: str, context: StageContext) -> Output:
    """Fit, finish, save, and read back: a model whose files predict otherwise than it did is never recorded."""
    import msgspec
    import numpy as np

    from tenure.ml.predictor import Predictor, load, save

    started = time.perf_counter()
    found = context.records["training/search"].value
    rows = load_rows(context, asked.distributed.sample(asked.seed) if asked.distributed else None)
    check(asked.wanted, rows.signature)
    fitted = fitted_members(asked, rows, address, context)
    learned = learn(asked.wanted, fitted.predicted, rows.signature, asked.seed)
    for remark in learned.remarks:
        context.emit(Note(address, remark))
    seconds = time.perf_counter() - started

    bare = fitted.predictor
    predictor = Predictor(
        bare.recipe,
        bare.signature,
        bare.preprocessor,
        bare.estimator,
        None,
        learned.postprocessing,
        bare.quantiles,
    )
    files = save(predictor)
    again = load(files)
    features = _verify(predictor, again, rows.design)
    selected = _selected(predictor)
    for column in selected.get("selection", {}).get("unused", ()):
        context.emit(Note(address, f"column {column} is not used: the selection left none of its features"))
    probe = rows.design.take(np.arange(min(_PROBE, rows.design.rows)))
    name = "ensemble" if "ensemble" in fitted.facts else found["algorithm"]
    if not _same(answers(predictor, probe), answers(again, probe)):
        raise StageError(
            "the stored model predicts something else",
            f"{name} was fitted, but its files give other predictions for the same rows",
            "please report this with the versions of the libraries",
        )
    artifacts = {file: context.artifacts.put(data) for file, data in sorted(files.items())}
    # What was learned from is no part of the model: the digest is that of what predicts.
    model = digest(artifacts)
    predicted = fitted.predicted
    if predicted is not None:
        artifacts[OUT_OF_FOLD] = context.artifacts.put(encode(predicted))
    if learned.curves:
        artifacts[CURVES] = context.artifacts.put(msgspec.json.encode(learned.curves))
    value: dict[str, Any] = {
        "algorithm": name,
        "params": {} if "ensemble" in fitted.facts else found["params"],
        "metric": found["metric"],
        "score": fitted.facts["ensemble"]["score"] if "ensemble" in fitted.facts else found["score"],
        "trials": found["trials"],
        "rows": fitted.facts["distributed"]["rows"] if asked.distributed else rows.design.rows,
        "features": features,
        "size": sum(len(data) for data in files.values()),
        "seconds": round(seconds, 3),
        "milliseconds": {"one_row": milliseconds(again, probe.take(np.arange(1))), "rows": probe.rows,
                         "together": milliseconds(again, probe)},
        "fitted_from": fitted.key,
        "fitted_again": fitted.fitted_again,
        **fitted.facts,
        **learned.facts,
        **selected,
    }  # fmt: skip
    if predicted is not None:
        value[OUT_OF_FOLD] = {
            "rows": len(predicted),
            "folds": int(predicted.fold.max()) + 1,
            "from": fitted.folds,
            "predicted_again": fitted.predicted_again,
        }
    return Output(digest=model, value=value, artifacts=artifacts, sentence=_sentence(value))


def _verify(fitted: Predictor, again: Predictor, design: Design) -> int:
    """Compare the features as they were made with those of the stored preprocessors; how many there are.

    Raises StageError when a bit differs.
    """
    from tenure.ml.ensemble import Ensemble
    from tenure.ml.predictor import Predictor

    def compare(one: Any, other: Any) -> int:
        matrix = one.transform(design)
        Predictor(again.recipe, again.signature, other, None).verify(design, matrix)
        return int(matrix.shape[1])

    if isinstance(fitted.estimator, Ensemble):
        stored = again.estimator.preprocessors
        return max(compare(one, stored[form]) for form, one in fitted.estimator.preprocessors.items())
    return compare(fitted.preprocessor, again.preprocessor)


def _selected(predictor: Predictor) -> dict[str, Any]:
    """What the selection of the recipe left, where there is one."""
    from tenure.ml.ensemble import Ensemble
    from tenure.ml.preprocessor import selection_report

    several = isinstance(predictor.estimator, Ensemble)
    fitted = predictor.estimator.preprocessors.values() if several else [predictor.preprocessor]
    report = selection_report(list(fitted), predictor.recipe)
    return {"selection": report} if report else {}


def _same(one: Predictions, other: Predictions) -> bool:
    import numpy as np

    pairs = [(one.labels, other.labels)]
    if one.probabilities is not None and other.probabilities is not None:
        pairs.append((one.probabilities, other.probabilities))
    if one.interval is not None and other.interval is not None:
        pairs += [(one.interval.low, other.interval.low), (one.interval.high, other.interval.high)]
    return all(np.array_equal(a, b) for a, b in pairs)


def _sentence(value: Mapping[str, Any]) -> str:
    said = f"{value['algorithm']} on {value['rows']:,} rows and {value['features']} inputs"
    if not value["fitted_again"]:
        said += ", the fit as it was"
    elif "distributed" in value:
        about = value["distributed"]
        said += f", in {about['parts']} parts"
        if about["workers"] > 1:
            said += f" on {about['workers']} workers"
    ensemble = value.get("ensemble")
    if ensemble is not None:
        said += (
            f"; {len(ensemble['members'])} members, {ensemble['metric']} {ensemble['score']:.4g} out of fold, "
            f"{ensemble['alone']:.4g} the best alone"
        )
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
