"""The section `evaluation`: what is measured on the test part and what a model has to pass; declares the report."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from tenure.core.effect import Effect
from tenure.graph.declare import resource
from tenure.graph.resource import Resource, Sort
from tenure.ml.metric_names import MetricName
from tenure.plan.view import Condition
from tenure.spec.base import SpecModel, default, field
from tenure.stages.base import (
    Identity,
    Output,
    StageContext,
    no_inputs,
    no_target,
    nothing_observed,
    nothing_to_verify,
)
from tenure.stages.evaluation.explanations import Explain, Permutation
from tenure.stages.evaluation.fairness import FairnessCheck
from tenure.stages.evaluation.gates import Gate
from tenure.stages.evaluation.gates.gate import GateBase

if TYPE_CHECKING:
    from tenure.plan.view import Target

NAME = "evaluation"
SNAPSHOT, SEARCH, MODEL, REPORT = "data/snapshot", "training/search", "training/model", "evaluation/report"
VERSION = 2


class Baseline(SpecModel):
    """The naive prediction that every model is compared with."""

    type: Literal["majority", "mean"] = field(
        Effect.EVALUATE,
        "`majority` predicts the most frequent class with the shares of the classes, `mean` the mean of the target.",
    )


class Evaluation(SpecModel):
    """What is measured on the test part, and what a model has to pass to be released. A baseline is always computed."""

    metrics: tuple[MetricName, ...] | None = field(
        Effect.EVALUATE,
        "Metrics of the report, with confidence intervals; a choice that fits the task when left out.",
        None,
        examples=[["accuracy", "log_loss"]],
    )
    baseline: Baseline | None = field(
        Effect.EVALUATE,
        "The naive prediction to compare with; when left out majority for classes, mean for numbers.",
        None,
        examples=[{"type": "majority"}],
    )
    gates: tuple[Gate, ...] = field(
        Effect.EVALUATE,
        "What a model has to pass to be released; one that fails is kept as a candidate.",
        (),
        examples=[[{"metric": "accuracy", "min": 0.65}, {"type": "baseline", "min_relative_change": 0.05}]],
    )
    slices: tuple[str, ...] = field(
        Effect.EVALUATE,
        "Parts of the test rows to look at: a column of the snapshot (also one that is no feature; a number with many "
        "values is cut into four parts of equal count), or an SQL condition.",
        (),
        examples=[["region", "age >= 65"]],
    )
    min_slice_rows: int = field(
        Effect.EVALUATE,
        "Fewest rows a part has to have to be judged; a smaller one is shown as `insufficient_data`.",
        30,
        ge=1,
    )
    fairness: tuple[FairnessCheck, ...] = field(
        Effect.EVALUATE,
        "How differently the model treats the groups of a sensitive column; with a limit it has to be met like a gate.",
        (),
        examples=[[{"sensitive_column": "gender", "metric": "equal_opportunity_difference", "max": 0.1}]],
    )
    explain: Explain = field(
        Effect.EVALUATE,
        "How the report explains which columns the model goes by.",
        lambda: Permutation(type="permutation"),
    )
    confidence: float = field(
        Effect.EVALUATE, "Level of the confidence intervals of the report.", 0.95, gt=0.5, lt=1.0
    )
    resamples: int = field(
        Effect.EVALUATE,
        "Bootstrap resamples behind each interval; fewer are drawn where the test part is very large.",
        1000,
        ge=100,
        le=100_000,
    )


def describe(resource: Resource) -> str:
    """What the model is held against."""
    demands = len(_demands(_section(resource)))
    gates = f"; {demands} gate{'s' if demands > 1 else ''}" if demands else "; no gates"
    return f"judge it on the test part, against a naive baseline and the champion{gates}"


def declare(identity: Identity, section: Evaluation | None) -> Iterable[Resource]:
    """The report; without a section the default metrics and no gates."""
    yield resource(
        identity.model,
        REPORT,
        Sort.ARTIFACT,
        {"business.value": identity.value, "evaluation": section or default(Evaluation)},
        needs=(SNAPSHOT, SEARCH, MODEL),
        version=VERSION,
    )


def realise(resource: Resource, target: Target | None, context: StageContext) -> Output:
    """Measure the model on the test part and judge every gate; a failed gate is a result, not an error."""
    from tenure.stages.evaluation.report import write_report

    return write_report(_section(resource), resource.config.get("business", {}).get("value"), context)


def conditions(resource: Resource) -> tuple[Condition, ...]:
    """What every enforced gate demands, and until when it is waived."""
    return tuple(
        Condition("gate", gate.condition() + (f" ({gate.waiver.text()})" if gate.waiver else ""))
        for gate in _demands(_section(resource))
        if gate.enforced
    )


def _demands(section: Evaluation) -> list[GateBase]:
    """The gates, and the fairness checks that have a limit."""
    return [*section.gates, *(check for check in section.fairness if check.limit is not None)]


def _section(resource: Resource) -> Evaluation:
    return Evaluation.model_validate(resource.config["evaluation"])


target = no_target
verify = nothing_to_verify
observe_inputs = no_inputs
observe = nothing_observed
