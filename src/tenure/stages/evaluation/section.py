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
from tenure.stages.evaluation.gates import Gate

if TYPE_CHECKING:
    from tenure.plan.view import Target

NAME = "evaluation"
SNAPSHOT, SEARCH, MODEL, REPORT = "data/snapshot", "training/search", "training/model", "evaluation/report"
VERSION = 1


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
    block = _section(resource)
    gates = f"; {len(block.gates)} gate{'s' if len(block.gates) > 1 else ''}" if block.gates else "; no gates"
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

    return write_report(_section(resource), context)


def conditions(resource: Resource) -> tuple[Condition, ...]:
    """What every enforced gate demands."""
    return tuple(Condition("gate", gate.condition()) for gate in _section(resource).gates if gate.enforced)


def _section(resource: Resource) -> Evaluation:
    return Evaluation.model_validate(resource.config["evaluation"])


target = no_target
verify = nothing_to_verify
observe_inputs = no_inputs
observe = nothing_observed
