"""Checks across stages: what each section alone cannot know. One function per rule; each returns findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from tenure.core.diagnostics import Severity
from tenure.lifecycle import Model
from tenure.stages.business import BINARY as OUTCOMES


class Finding(msgspec.Struct, frozen=True):
    """What a rule found, at a path of the document."""

    path: tuple[str | int, ...]
    summary: str
    detail: str
    hint: str
    severity: Severity = Severity.ERROR


def check(document: Model) -> tuple[Finding, ...]:
    """Every finding of every rule, in the order of `RULES`."""
    return tuple(finding for rule in RULES for finding in rule(document))


def monitoring_needs_deployment(document: Model) -> Iterator[Finding]:
    """Nothing can be watched that does not serve."""
    if document.monitoring and not document.deployment:
        yield Finding(
            ("monitoring",),
            "Monitoring without a deployment.",
            "The model is not deployed, so there are no predictions to watch.",
            "Add a deployment section, for instance: deployment: {target: {type: http}}",
        )


def target_is_not_a_feature(document: Model) -> Iterator[Finding]:
    """A model that sees its target learns nothing."""
    target = document.data.target_column
    include = (document.features.include if document.features else None) or ()
    for position, column in enumerate(include):
        if column == target:
            yield Finding(
                ("features", "include", position),
                "The target is listed as a feature.",
                f"{column!r} is data.target_column; with it as an input the model would only repeat it.",
                "Remove it from features.include.",
            )


def retraining_needs_fresh_data(document: Model) -> Iterator[Finding]:
    """A policy that retrains on pinned data would train the same model again."""
    if not document.monitoring or document.data.refresh != "pinned":
        return
    for position, policy in enumerate(document.monitoring.policies):
        if policy.do == "retrain":
            yield Finding(
                ("monitoring", "policies", position, "do"),
                "A policy retrains on pinned data.",
                "data.refresh is pinned, so a retraining would see the same data and give the same model.",
                "Set data.refresh to on_retrain, or let the policy notify.",
            )


def successor_is_another_model(document: Model) -> Iterator[Finding]:
    """A model cannot succeed itself."""
    successor = document.retirement.successor if document.retirement else None
    if successor and successor.model == document.metadata.name:
        yield Finding(
            ("retirement", "successor", "model"),
            "A model is its own successor.",
            "Callers of the retired model would be sent back to it.",
            "Name the model that takes over.",
        )


def criterion_signal_exists(document: Model) -> Iterator[Finding]:
    """A performance criterion looks at a monitoring signal."""
    signals = document.monitoring.signals if document.monitoring else {}
    for position, criterion in enumerate(document.retirement.criteria if document.retirement else ()):
        if criterion.type == "performance" and criterion.signal not in signals:
            known = ", ".join(signals) or "none"
            yield Finding(
                ("retirement", "criteria", position, "signal"),
                "Unknown monitoring signal.",
                f"The criterion looks at {criterion.signal!r}; monitoring has these signals: {known}.",
                "Add the signal under monitoring.signals, or name one of them.",
            )


def threshold_by_value_needs_values(document: Model) -> Iterator[Finding]:
    """What is not known cannot be maximized."""
    threshold = document.training.decision_threshold
    if threshold is None or threshold.value != "business":
        return
    value = document.business.value if document.business else None
    if value is None or all(getattr(value, outcome) is None for outcome in OUTCOMES):
        yield Finding(
            ("training", "decision_threshold", "value"),
            "A threshold by value, and no value.",
            "It is to maximize what outcomes are worth, and business.value does not say that of two classes.",
            "Add for instance: business: {value: {currency: USD, true_positive: 120, false_positive: -15}}",
        )


def numbers_have_no_classes(document: Model) -> Iterator[Finding]:
    """What asks for classes fails after a long search where the target is a number."""
    if document.data.task != "regression":
        return
    asked = document.training
    for name in ("class_weights", "sampling", "calibration", "decision_threshold"):
        if getattr(asked, name) is not None:
            yield Finding(
                ("training", name),
                "A number has no classes.",
                f"data.task is regression, and training.{name} is about classes.",
                f"Remove training.{name}.",
            )


def protected_is_not_retired(document: Model) -> Iterator[Finding]:
    """What must not end cannot be asked to end."""
    if document.lifecycle and document.lifecycle.prevent_destroy and document.state.value == "retired":
        yield Finding(
            ("lifecycle", "prevent_destroy"),
            "A protected model is to be retired.",
            "state: retired ends the model, and prevent_destroy: true forbids it.",
            "Set prevent_destroy to false and apply that first, or take state: retired back.",
        )


def renamed_from_another_name(document: Model) -> Iterator[Finding]:
    """A model cannot be moved to where it is."""
    if document.lifecycle and document.lifecycle.moved_from == document.metadata.name:
        yield Finding(
            ("lifecycle", "moved_from"),
            "A model is moved from its own name.",
            "moved_from is the name the model had before, and metadata.name the one it has now.",
            "Name the earlier one, or remove moved_from.",
        )


def value_gate_needs_values(document: Model) -> Iterator[Finding]:
    """A gate cannot demand a value that nobody stated."""
    stated = document.business is not None and document.business.value is not None
    for position, gate in enumerate(document.evaluation.gates if document.evaluation else ()):
        if gate.type == "value" and not stated:
            yield Finding(
                ("evaluation", "gates", position),
                "A gate demands a value that nobody stated.",
                "What the model is worth follows from business.value, which the spec does not have.",
                "Add it, for instance: business: {value: {currency: USD, true_positive: 120, false_positive: -15}}",
            )


def gate_slices_exist(document: Model) -> Iterator[Finding]:
    """A gate on all slices needs some."""
    evaluation = document.evaluation
    for position, gate in enumerate(evaluation.gates if evaluation else ()):
        if gate.type == "metric" and gate.slices == "all" and evaluation and not evaluation.slices:
            yield Finding(
                ("evaluation", "gates", position, "slices"),
                "A gate on all slices, and there are none.",
                "`slices: all` means those of evaluation.slices, which is empty.",
                "Add evaluation.slices, or name the slices in the gate.",
            )


RULES: tuple[Callable[[Model], Iterator[Finding]], ...] = (
    monitoring_needs_deployment,
    target_is_not_a_feature,
    retraining_needs_fresh_data,
    successor_is_another_model,
    criterion_signal_exists,
    threshold_by_value_needs_values,
    numbers_have_no_classes,
    protected_is_not_retired,
    renamed_from_another_name,
    value_gate_needs_values,
    gate_slices_exist,
)
"""Every rule across stages: adding one is a function and its name in this tuple."""
