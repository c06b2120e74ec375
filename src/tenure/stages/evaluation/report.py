"""The report: model, baseline and champion on the frozen test part, with intervals, and the verdict of every gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from tenure.core.digest import digest
from tenure.core.errors import StageError
from tenure.core.units import format_instant
from tenure.stages.base import Output
from tenure.stages.evaluation.champion import champion_of
from tenure.stages.evaluation.explanations import Asked, Explanation
from tenure.stages.evaluation.fairness import Assessment
from tenure.stages.evaluation.figures import figures_of
from tenure.stages.evaluation.gates.gate import Evidence, GateBase, Verdict
from tenure.stages.evaluation.groups import Group, groups_of
from tenure.stages.evaluation.slices import finite, measure_slices, worst_of
from tenure.stages.evaluation.unseen import adopted, later_rows, said_until
from tenure.stages.evaluation.uses import note_of, uses_of

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    from tenure.ml.metrics import Metric
    from tenure.ml.predictions import Predictions
    from tenure.ml.resampling import Interval
    from tenure.ml.signature import Signature
    from tenure.stages.base import StageContext
    from tenure.stages.evaluation.section import Evaluation
    from tenure.state.record import Record

SEED = 20_240_229
"""Of the resampling: fixed, so that the same model and rows always give the same report."""
_MOST_EXPLAINED = 10
"""Columns of the explanation that are recorded with the report; all are in its file."""


def write_report(evaluation: Evaluation, worth: Mapping[str, Any] | None, context: StageContext) -> Output:
    """Measure, compare, explain, judge. `worth` is the block `business.value`.

    Raises StageError for metrics that do not fit the task and for an empty test part.
    """
    import msgspec

    from tenure.ml.metrics import metric
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
    measures = _measures(evaluation, worth, signature)
    primary = metric(search.value["metric"], signature.task)
    predictions = predictor.predict(test)
    naive, kind = _baseline(
        evaluation,
        target_values(read_parts(file, ["train"], [signature.target]), signature),
        len(test),
        signature,
    )
    champion = champion_of(context, model, test, signature)

    personal = frozenset(column["name"] for column in snapshot.value.get("columns", ()) if column.get("pii"))

    @cache
    def groups(text: str, path: tuple[str | int, ...]) -> tuple[Group, ...]:
        if text in personal:
            raise StageError(
                "personal data in a report",
                f"column {text!r} is marked as personal, and the names of its groups would show its values",
                "write a condition that tells groups apart without showing values",
                path=path,
            )
        return groups_of(test, text, path)

    def evidence(*path: str | int) -> Evidence:
        return Evidence(
            task=signature.task,
            primary=primary.name,
            truth=truth,
            model=predictions,
            baseline=naive,
            champion=champion.predictions,
            comparable=champion.unseen,
            champion_name=f"version {champion.version}",
            champion_note=champion.note,
            champion_missing=champion.missing,
            confidence=evaluation.confidence,
            resamples=evaluation.resamples,
            seed=SEED,
            path=("evaluation", *path),
            table=test,
            predictor=predictor,
            size=int(model.value.get("size") or 0),
            value=worth,
            slices=evaluation.slices,
            min_slice_rows=evaluation.min_slice_rows,
            groups=groups,
        )

    judged = [
        waived(gate, gate.judge(evidence("gates", position)), context.now)
        for position, gate in enumerate(evaluation.gates)
    ]
    assessed = [
        check.assess(evidence("fairness", position)) for position, check in enumerate(evaluation.fairness)
    ]
    fair = [
        waived(check, check.verdict_of(found), context.now)
        for check, found in zip(evaluation.fairness, assessed, strict=True)
    ]
    judged += [item for check, item in zip(evaluation.fairness, fair, strict=True) if check.limit is not None]
    slices = measure_slices(measures, primary, evidence("slices"))
    explained = evaluation.explain.explain(Asked(predictor, test, truth, primary, SEED, personal))

    verdicts = [msgspec.to_builtins(item) for item in judged]
    failed = [item.text for item in judged if item.enforced and not item.passed]
    found = _measured(measures, truth, predictions, evaluation)
    holds_until = _until([*evaluation.gates, *evaluation.fairness], judged, context.now)
    value: dict[str, Any] = {
        "passed": not failed,
        "failed": failed,
        "waived": [item.text for item in judged if item.status == "waived"],
        "gates": verdicts,
        "rows": test.num_rows,
        "confidence": evaluation.confidence,
        "primary": primary.name,
        "metrics": found,
        "baseline": {
            "type": kind,
            "metrics": {name: {"value": number} for name, number in _points(measures, truth, naive).items()},
        },
        "champion": None
        if champion.predictions is None
        else {
            "version": champion.version,
            "metrics": _measured(measures, truth, champion.predictions, evaluation),
            "comparable_rows": int(champion.unseen.sum()) if champion.unseen is not None else test.num_rows,
        },
        "champion_note": champion.note,
        "worst_slices": _worst(slices, primary, truth, predictions),
        "fairness": [_fairness(check, item) for check, item in zip(assessed, fair, strict=True)],
        "explanation": _explained(explained),
        # How much of the search's score was luck: what it promised, next to what the test part shows.
        "search": {"metric": search.value["metric"], "score": search.value["score"]},
    }
    if worth is not None:
        value["value"] = {"currency": worth["currency"]}
    if adopted(model):
        value["caution"] = _caution(model, test, context)
    report = value | {
        "task": signature.task,
        "target": signature.target,
        "classes": list(signature.classes),
        "resamples": evaluation.resamples,
        "slices": slices,
        "fairness": [
            _fairness(check, item) | {"groups": check.groups}
            for check, item in zip(assessed, fair, strict=True)
        ],
        "explanation": msgspec.to_builtins(explained),
        **figures_of(truth, predictions),
    }
    blob = context.artifacts.put(msgspec.json.format(msgspec.json.encode(report)))
    uses = uses_of(test, model, context.previous)
    value |= {"test_part": uses, "test_part_note": note_of(uses)}
    if holds_until is not None:
        value |= holds_until
    said = [item.text if item.passed else f"not passed: {item.text}" for item in judged]
    return Output(
        digest=digest(report | {"gates": [_lasting(item) for item in judged], "failed": bool(failed)}),
        value=value,
        artifacts={"report": blob},
        sentence="; ".join([*(said or ["no gates"]), *([value["caution"]] if adopted(model) else [])]),
        refused=bool(failed),
    )


def waived(gate: GateBase, verdict: Verdict, now: datetime) -> Verdict:
    """The verdict as it counts: one that failed passes while its waiver lives, and stays recorded as failed."""
    import msgspec

    if verdict.passed or not gate.enforced or gate.waiver is None:
        return verdict
    waiver = gate.waiver
    given = {"owner": waiver.owner, "reason": waiver.reason, "expires": waiver.expires.isoformat()}
    if not waiver.live(now):
        text = f"{verdict.text}; its waiver by {waiver.owner} expired on {waiver.expires}"
        return msgspec.structs.replace(verdict, text=text, waiver=given)
    return msgspec.structs.replace(
        verdict, passed=True, status="waived", text=f"{verdict.text}; {waiver.text()}", waiver=given
    )


def _until(gates: Sequence[GateBase], judged: Sequence[Verdict], now: datetime) -> dict[str, str] | None:
    """From when on the report says something else, and why: the first end of a waiver it relies on."""
    relied = {(item.waiver or {}).get("expires") for item in judged if item.status == "waived"}
    ends = [gate.waiver for gate in gates if gate.waiver and gate.waiver.expires.isoformat() in relied]
    first = min((waiver for waiver in ends if waiver.live(now)), key=lambda waiver: waiver.ends, default=None)
    if first is None:
        return None
    return {
        "holds_until": format_instant(first.ends),
        "holds_because": f"The waiver of a gate by {first.owner} expired on {first.expires}.",
    }


def _lasting(item: Verdict) -> dict[str, Any]:
    """What of a verdict is the same wherever it is judged."""
    import msgspec

    whole: dict[str, Any] = msgspec.to_builtins(item)
    return whole | {"text": "", "value": None} if item.measured else whole


def _measures(evaluation: Evaluation, worth: Mapping[str, Any] | None, signature: Signature) -> list[Metric]:
    from tenure.ml.metrics import default_metrics, metric
    from tenure.ml.value import value_metric

    measures = [
        metric(name, signature.task, ("evaluation", "metrics", position))
        for position, name in enumerate(evaluation.metrics or default_metrics(signature.task))
    ]
    return measures if worth is None else [*measures, value_metric(worth, signature.task)]


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
    return {name: _ends(item) for name, item in found.items()}


def _ends(item: Interval) -> dict[str, float | None]:
    return {"value": finite(item.value), "low": finite(item.low), "high": finite(item.high)}


def _points(measures: Sequence[Metric], truth: Any, predictions: Predictions) -> dict[str, float | None]:
    from tenure.ml.metrics import scored, value_of

    rows = scored(truth, predictions)
    return {item.name: finite(value_of(item, rows)) for item in measures}


def _worst(
    slices: list[dict[str, Any]], primary: Metric, truth: npt.NDArray[Any], predictions: Predictions
) -> list[dict[str, Any]]:
    from tenure.ml.metrics import score

    return worst_of(slices, primary, score(primary, truth, predictions)) if slices else []


def _fairness(found: Assessment, verdict: Verdict) -> dict[str, Any]:
    """What is recorded of an assessment: how far apart the groups are, not each group."""
    status = verdict.status
    if status == "passed" and verdict.limit is None:
        status = "shown"  # type: ignore[assignment]
    return {
        "sensitive_column": found.sensitive_column,
        "metric": found.metric,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "confidence": found.confidence,
        "limit": verdict.limit,
        "status": status,
        "text": verdict.text,
    }


def _explained(found: Explanation | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "type": found.type,
        "unit": found.unit,
        "columns": [{"column": item.column, "value": item.value} for item in found.columns[:_MOST_EXPLAINED]],
    }


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
