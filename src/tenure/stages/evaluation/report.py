"""The report: model, baseline and champion on the frozen test part, with intervals, and the verdict of every gate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenure.core.digest import digest
from tenure.core.errors import ArtifactError, StageError
from tenure.stages.base import Output
from tenure.stages.evaluation.gates.gate import Evidence
from tenure.stages.evaluation.unseen import adopted, later_rows, said_until, unseen_rows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from tenure.ml.metrics import Metric
    from tenure.ml.predictions import Predictions
    from tenure.ml.predictor import Predictor
    from tenure.ml.signature import Signature
    from tenure.stages.base import StageContext
    from tenure.stages.evaluation.section import Evaluation
    from tenure.state.record import Record

SEED = 20_240_229
"""Of the resampling: fixed, so that the same model and rows always give the same report."""
_MOST_CLASSES = 50


@dataclass(frozen=True)
class Champion:
    """The version a candidate is compared with, or why there is none."""

    version: int | None
    predictions: Predictions | None
    note: str
    unseen: npt.NDArray[np.bool_] | None = None
    """Which test rows the champion was not fitted on; None without a champion."""


def write_report(evaluation: Evaluation, context: StageContext) -> Output:
    """Measure, compare, judge. Raises StageError for metrics that do not fit the task and for an empty test part."""
    import msgspec

    from tenure.ml.metrics import default_metrics, metric
    from tenure.ml.predictor import load_recorded
    from tenure.ml.snapshot import read_parts, target_values

    snapshot, search = context.records["data/snapshot"], context.records["training/search"]
    model = context.records["training/model"]
    predictor = load_recorded(model.artifacts, context.artifacts, threads=0)
    signature = predictor.signature
    file = context.artifacts.local(snapshot.artifacts["snapshot"])
    test = read_parts(file, ["test"])
    if test.num_rows == 0:
        raise StageError(
            "the test part is empty", "there are no rows to judge the model on", path=("data", "split")
        )
    truth = target_values(test, signature)
    names = evaluation.metrics or default_metrics(signature.task)
    measures = [
        metric(name, signature.task, ("evaluation", "metrics", position))
        for position, name in enumerate(names)
    ]
    predictions = predictor.predict(test)
    naive, kind = _baseline(
        evaluation, target_values(read_parts(file, ["train"]), signature), len(test), signature
    )
    champion = _champion(context, model, test, signature)

    verdicts = []
    for position, gate in enumerate(evaluation.gates):
        evidence = Evidence(
            task=signature.task,
            primary=search.value["metric"],
            truth=truth,
            model=predictions,
            baseline=naive,
            champion=champion.predictions,
            comparable=champion.unseen,
            champion_name=f"version {champion.version}",
            champion_note=champion.note,
            confidence=evaluation.confidence,
            resamples=evaluation.resamples,
            seed=SEED,
            path=("evaluation", "gates", position),
        )
        verdicts.append(msgspec.to_builtins(gate.judge(evidence)))
    failed = [verdict["text"] for verdict in verdicts if verdict["enforced"] and not verdict["passed"]]

    def measured(item: Predictions) -> dict[str, dict[str, float | None]]:
        return _measured(measures, truth, item, evaluation)

    value: dict[str, Any] = {
        "passed": not failed,
        "failed": failed,
        "gates": verdicts,
        "rows": test.num_rows,
        "confidence": evaluation.confidence,
        "primary": search.value["metric"],
        "metrics": measured(predictions),
        "baseline": {"type": kind, "metrics": measured(naive)},
        "champion": None
        if champion.predictions is None
        else {
            "version": champion.version,
            "metrics": measured(champion.predictions),
            "comparable_rows": int(champion.unseen.sum()) if champion.unseen is not None else test.num_rows,
        },
        "champion_note": champion.note,
        # How much of the search's score was luck: what it promised, next to what the test part shows.
        "search": {"metric": search.value["metric"], "score": search.value["score"]},
    }
    if adopted(model):
        value["caution"] = _caution(model, test, context)
    report = value | {
        "task": signature.task,
        "target": signature.target,
        "classes": list(signature.classes),
        "confusion": confusion(truth, predictions),
    }
    blob = context.artifacts.put(msgspec.json.format(msgspec.json.encode(report)))
    said = [
        verdict["text"] if verdict["passed"] else f"not passed: {verdict['text']}" for verdict in verdicts
    ]
    return Output(
        digest=digest([blob]),
        value=value,
        artifacts={"report": blob},
        sentence="; ".join([*(said or ["no gates"]), *([value["caution"]] if adopted(model) else [])]),
        refused=bool(failed),
    )


def confusion(truth: npt.NDArray[Any], predictions: Predictions) -> dict[str, Any] | None:
    """Rows by true class (lines) and predicted class (columns); None for regression and very many classes."""
    import numpy as np

    from tenure.ml.metrics import scored

    if not predictions.classes or len(predictions.classes) > _MOST_CLASSES:
        return None
    rows = scored(truth, predictions)
    counts = np.zeros((rows.classes, len(predictions.classes)), dtype=int)
    np.add.at(counts, (rows.truth, rows.guess), 1)
    return {"classes": list(predictions.classes), "counts": counts[: len(predictions.classes)].tolist()}


def _measured(
    measures: Sequence[Metric], truth: Any, predictions: Predictions, evaluation: Evaluation
) -> dict[str, dict[str, float | None]]:
    from tenure.ml.resampling import bootstrap_all

    found = bootstrap_all(
        measures,
        truth,
        predictions,
        confidence=evaluation.confidence,
        resamples=evaluation.resamples,
        seed=SEED,
    )
    return {
        name: {"value": _number(item.value), "low": _number(item.low), "high": _number(item.high)}
        for name, item in found.items()
    }


def _number(value: float) -> float | None:
    """JSON has no NaN: a metric that is not defined has no value."""
    return value if math.isfinite(value) else None


def _baseline(
    evaluation: Evaluation, known: npt.NDArray[Any], rows: int, signature: Signature
) -> tuple[Predictions, str]:
    from tenure.ml.metrics import baseline

    fitting = "mean" if signature.task == "regression" else "majority"
    wanted = evaluation.baseline.type if evaluation.baseline else fitting
    if wanted != fitting:
        raise StageError(
            "the baseline does not fit the task",
            f"{wanted} is no prediction for target {signature.target!r}, which is a {signature.task} task",
            f"use {fitting}",
            path=("evaluation", "baseline", "type"),
        )
    return baseline(signature.task, known, rows, signature.classes), wanted


def _caution(model: Record, test: pa.Table, context: StageContext) -> str:
    """What the metrics of an adopted model are worth."""
    until = said_until(model)
    if until is None:
        return "The model was adopted. Whether it was fitted on rows of the test part cannot be known."
    later = int(later_rows(test, model, context).sum())
    return (
        f"The model was adopted. Its owner says that it was fitted on data until {until}; {later} of {test.num_rows} "
        "test rows are later. Whether it was fitted on the others cannot be known."
    )


def _champion(context: StageContext, model: Record, test: pa.Table, signature: Signature) -> Champion:
    """The version that serves most requests, or the last one that passed where nothing is deployed."""
    from tenure.ml.predictor import load_recorded

    number = champion_version(context)
    record = context.view.versions.get(number) if number is not None else None
    if record is None or number is None:
        return Champion(None, None, "there is no champion yet")
    if record.value.get("model_digest") == model.digest:
        return Champion(None, None, f"the model is the champion itself (version {number})")
    try:
        champion: Predictor = load_recorded(record.artifacts, context.artifacts, threads=0)
        other = champion.signature
        if (other.task, other.target, other.classes) != (signature.task, signature.target, signature.classes):
            return Champion(
                None, None, f"version {number} predicts another target or other classes: no comparison"
            )
        unseen = unseen_rows(test, record, context)
        learned = int((~unseen).sum())
        fitted = "may have been fitted" if adopted(record) else "was fitted"
        if learned == len(unseen):
            return Champion(
                None, None, f"version {number} {fitted} on every row of the test part: no fair comparison"
            )
        note = f"compared with version {number}"
        if learned:
            note += f", without the {learned} of {len(unseen)} test rows that it {fitted} on"
        return Champion(number, champion.predict(test), note, unseen)
    except (ArtifactError, StageError) as error:
        # Its columns are gone, or its files are: no reason to keep a better model from replacing it.
        return Champion(
            None,
            None,
            f"version {number} cannot predict these rows, so there is no comparison: {error.detail}",
        )


def champion_version(context: StageContext) -> int | None:
    """The number of the champion: the largest share of the endpoint, else the last version that passed its gates."""
    endpoint = context.view.value("deployment/endpoint")
    if endpoint is not None and endpoint.get("routes"):
        return int(max(endpoint["routes"], key=lambda route: route["share"])["version"])
    passed = [number for number, record in context.view.versions.items() if record.value.get("passed")]
    return max(passed, default=None)
