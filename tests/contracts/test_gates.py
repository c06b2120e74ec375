"""What every gate keeps: it says what it demands, judges by it, and explains its verdict with numbers."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.ml.metric_names import MINIMIZED, MetricName
from tenure.ml.metrics import METRICS, baseline, metric, score
from tenure.ml.predictions import Predictions, from_probabilities
from tenure.ml.resampling import bootstrap, paired_difference
from tenure.spec.base import effect_of
from tenure.stages.evaluation.gates import BaselineGate, ChampionGate, Gate, MetricGate
from tenure.stages.evaluation.gates.gate import Evidence

GATES = TypeAdapter(Gate)
KINDS = (MetricGate, BaselineGate, ChampionGate)
ROWS = 200
EXAMPLES = [
    {"metric": "accuracy", "min": 0.65},
    {
        "type": "metric",
        "metric": "log_loss",
        "max": 0.9,
        "confidence": 0.95,
        "min_rows": 50,
        "enforcement": "warn",
    },
    {"type": "baseline", "min_relative_change": 0.05},
    {"type": "champion", "metric": "accuracy", "min_change": 0.0, "non_inferiority_margin": 0.005},
]


def _guess(truth: np.ndarray, right: float, seed: int) -> Predictions:
    """Predictions that are right for about the given share of the rows."""
    hit = np.random.default_rng(seed).random(ROWS) < right
    positive = np.where(hit == (truth == 1), 0.8, 0.2)
    return from_probabilities(np.column_stack([1 - positive, positive]), (0, 1))


TRUTH = np.random.default_rng(1).integers(0, 2, ROWS)
GOOD, POOR = _guess(TRUTH, 0.9, 2), _guess(TRUTH, 0.6, 3)


def _evidence(model: Predictions, champion: Predictions | None = None) -> Evidence:
    return Evidence(
        task="binary",
        primary="accuracy",
        truth=TRUTH,
        model=model,
        baseline=baseline("binary", TRUTH, ROWS, (0, 1)),
        champion=champion,
        champion_name="version 4",
        champion_note="there is no champion yet",
        confidence=0.95,
        resamples=500,
        seed=0,
        path=("evaluation", "gates", 2),
    )


def _judge(block: dict, model: Predictions, champion: Predictions | None = None):
    return GATES.validate_python(block).judge(_evidence(model, champion))


@pytest.mark.parametrize("example", EXAMPLES)
def test_it_passes_the_good_model_and_explains_itself(example):
    gate = GATES.validate_python(example)
    verdict = gate.judge(_evidence(GOOD, POOR))
    assert verdict.passed, verdict.text
    assert verdict.type == gate.type
    assert verdict.enforced is (example.get("enforcement") != "warn")
    assert gate.condition()
    assert any(character.isdigit() for character in verdict.text)
    assert gate.judge(_evidence(GOOD, POOR)) == verdict


@pytest.mark.parametrize(
    ("example", "model", "champion"),
    [
        ({"metric": "accuracy", "min": 0.65}, POOR, None),
        ({"metric": "log_loss", "max": 0.4}, POOR, None),
        ({"type": "baseline", "min_relative_change": 0.5}, POOR, None),
        ({"type": "champion"}, POOR, GOOD),
    ],
)
def test_it_fails_the_poor_model(example, model, champion):
    assert not _judge(example, model, champion).passed


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_described_and_moves_the_evaluation_only(kind):
    assert kind.__doc__
    for info in kind.model_fields.values():
        assert info.description
        assert effect_of(info) is Effect.EVALUATE


def test_every_kind_is_in_the_union_and_examples_validate_against_its_schema():
    jsonschema = pytest.importorskip("jsonschema")
    members = get_args(get_args(Gate)[0])
    assert tuple(get_args(member)[0] for member in members) == KINDS
    for example in EXAMPLES:
        jsonschema.validate(example, GATES.json_schema())
        assert GATES.validate_python(
            GATES.validate_python(example).model_dump(mode="json")
        ) == GATES.validate_python(example)


def test_names_and_goals_of_metrics_are_those_of_the_registry():
    assert get_args(MetricName) == tuple(item.name for item in METRICS)
    assert {item.name for item in METRICS if item.goal == "minimize"} == MINIMIZED


def test_the_metric_gate_is_the_one_without_a_type():
    assert GATES.validate_python({"metric": "accuracy", "min": 0.65}).condition() == "accuracy >= 0.65"
    assert (
        GATES.validate_python({"metric": "rmse", "max": 3, "confidence": 0.9}).condition()
        == "rmse <= 3 with 90% confidence"
    )


@pytest.mark.parametrize("confidence", [None, 0.9])
def test_the_limit_itself_passes(confidence):
    item = metric("accuracy", "binary")
    value = score(item, TRUTH, GOOD)
    if confidence:
        value = bootstrap(item, TRUTH, GOOD, confidence=confidence, resamples=500, seed=0).low
    block = {"metric": "accuracy"} | ({"confidence": confidence} if confidence else {})
    assert _judge(block | {"min": value}, GOOD).passed
    assert not _judge(block | {"min": np.nextafter(value, 1)}, GOOD).passed


def test_confidence_asks_more_than_the_value():
    value = score(metric("accuracy", "binary"), TRUTH, GOOD)
    assert _judge({"metric": "accuracy", "min": value - 0.01}, GOOD).passed
    verdict = _judge({"metric": "accuracy", "min": value - 0.01, "confidence": 0.95}, GOOD)
    assert not verdict.passed
    assert "lower end" in verdict.text


def test_too_few_rows_cannot_pass():
    verdict = _judge({"metric": "accuracy", "min": 0.1, "min_rows": ROWS + 1}, GOOD)
    assert not verdict.passed
    assert "at least 201" in verdict.text


def test_a_share_of_the_baseline():
    naive, value = (
        score(metric("accuracy", "binary"), TRUTH, item) for item in (_evidence(GOOD).baseline, GOOD)
    )
    verdict = _judge({"type": "baseline"}, GOOD)
    assert verdict.value == pytest.approx((value - naive) / naive)
    losses = [score(metric("log_loss", "binary"), TRUTH, item) for item in (_evidence(GOOD).baseline, GOOD)]
    verdict = _judge({"type": "baseline", "metric": "log_loss"}, GOOD)
    assert verdict.value == pytest.approx((losses[0] - losses[1]) / losses[0])


def test_predicting_like_the_baseline_is_not_better():
    verdict = _judge({"type": "baseline"}, _evidence(GOOD).baseline)
    assert not verdict.passed
    assert "no better" in verdict.text


def test_the_champion_gate_compares_pairs():
    difference = paired_difference(metric("accuracy", "binary"), TRUTH, GOOD, POOR, resamples=500, seed=0)
    assert _judge({"type": "champion", "min_change": difference.value}, GOOD, POOR).passed
    assert not _judge({"type": "champion", "min_change": difference.value + 1e-9}, GOOD, POOR).passed
    assert _judge({"type": "champion"}, POOR, None).text == "there is no champion yet"


@pytest.mark.parametrize(
    "block",
    [
        {"metric": "rmse", "max": 1},
        {"type": "baseline", "metric": "mae"},
        {"type": "champion", "metric": "mae"},
    ],
)
def test_a_metric_of_another_task_points_to_the_gate(block):
    with pytest.raises(StageError) as caught:
        _judge(block, GOOD, POOR)
    assert caught.value.path == ("evaluation", "gates", 2, "metric")


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"metric": "accuracy"}, "no limit"),
        ({"metric": "rmse", "min": 1}, "lets bad models pass"),
        ({"metric": "accuracy", "max": 1}, "keeps good models out"),
        ({"metric": "acuracy", "min": 1}, "Input should be"),
        ({"type": "latency", "p99": "20ms"}, "does not match any of the expected tags"),
        ({"type": "baseline", "metric": "r2"}, "no share of it"),
        ({"metric": "accuracy", "min": 0.5, "minrows": 3}, "Extra inputs"),
        ("accuracy", "nable to extract tag"),
    ],
)
def test_gates_that_cannot_be_meant(block, message):
    with pytest.raises(ValidationError, match=message):
        GATES.validate_python(block)
