"""What every gate keeps: it says what it demands, judges by it, and explains its verdict with numbers."""

from __future__ import annotations

import time
from typing import get_args

import numpy as np
import pyarrow as pa
import pytest
from pydantic import TypeAdapter, ValidationError

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.ml.metric_names import MINIMIZED, MetricName
from tenure.ml.metrics import METRICS, baseline, metric, score
from tenure.ml.predictions import Interval, Predictions, from_probabilities
from tenure.ml.resampling import bootstrap, paired_difference
from tenure.ml.signature import InputColumn, Signature
from tenure.spec.base import effect_of
from tenure.stages.evaluation.fairness import FairnessCheck
from tenure.stages.evaluation.gates import (
    BaselineGate,
    ChampionGate,
    CoverageGate,
    Gate,
    LatencyGate,
    MetricGate,
    SizeGate,
    ValueGate,
)
from tenure.stages.evaluation.gates.gate import Evidence
from tenure.stages.evaluation.groups import Group

GATES = TypeAdapter(Gate)
KINDS = (MetricGate, BaselineGate, ChampionGate, ValueGate, LatencyGate, SizeGate, CoverageGate)
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
    {"type": "champion", "non_inferiority_margin": 0.1, "confidence": 0.8, "on_no_comparison": "fail"},
    {"metric": "accuracy", "min": 0.65, "slices": "all"},
    {
        "metric": "accuracy",
        "min": 0.99,
        "enforcement": "warn",
        "waiver": {"owner": "risk", "reason": "few rows", "expires": "2030-01-31"},
    },
    {"type": "value", "min_per_1000": 100, "min_gain_per_1000": 10, "confidence": 0.9},
    {"type": "latency", "p50": "900ms", "p99": "1s"},
    {"type": "size", "max": "2KB"},
    {"type": "coverage", "min": 0.8},
]


def _guess(truth: np.ndarray, right: float, seed: int) -> Predictions:
    """Predictions that are right for about the given share of the rows."""
    hit = np.random.default_rng(seed).random(ROWS) < right
    positive = np.where(hit == (truth == 1), 0.8, 0.2)
    return from_probabilities(np.column_stack([1 - positive, positive]), (0, 1))


TRUTH = np.random.default_rng(1).integers(0, 2, ROWS)
GOOD, POOR = _guess(TRUTH, 0.9, 2), _guess(TRUTH, 0.6, 3)


EVEN = np.arange(ROWS) % 2 == 0
VALUE = {"currency": "EUR", "true_positive": 5.0, "false_positive": -4.0, "false_negative": -2.0}


class Answering:
    """A predictor that takes as long as it is told to."""

    signature = Signature((InputColumn("a", "number"),), "binary", "y", (0, 1))

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.rows: list[int] = []

    def predict(self, table: pa.Table) -> Predictions:
        self.rows.append(table.num_rows)
        time.sleep(self.seconds)
        return POOR


def _evidence(model: Predictions, champion: Predictions | None = None, **more) -> Evidence:
    if model.interval is None:
        ends = Interval(TRUTH - 1.0, TRUTH + np.where(np.arange(ROWS) < 180, 1.0, -0.5), 0.9)
        model = Predictions(model.labels, model.probabilities, model.classes, ends)
    given = {
        "champion_note": "there is no champion yet",
        "table": pa.table({"a": np.arange(ROWS) / 7, "y": TRUTH}),
        "predictor": Answering(),
        "size": 1500,
        "value": VALUE,
        "slices": ("side",),
        "min_slice_rows": 30,
        "groups": lambda name, path: (Group("even", EVEN), Group("odd", ~EVEN)),
    }
    return Evidence(
        task="binary",
        primary="accuracy",
        truth=TRUTH,
        model=model,
        baseline=baseline("binary", TRUTH, ROWS, (0, 1)),
        champion=champion,
        champion_name="version 4",
        confidence=0.95,
        resamples=500,
        seed=0,
        path=("evaluation", "gates", 2),
        **(given | more),
    )


def _judge(block: dict, model: Predictions, champion: Predictions | None = None, **more):
    return GATES.validate_python(block).judge(_evidence(model, champion, **more))


@pytest.mark.parametrize("example", [item for item in EXAMPLES if "waiver" not in item])
def test_it_passes_the_good_model_and_explains_itself(example):
    gate = GATES.validate_python(example)
    verdict = gate.judge(_evidence(GOOD, POOR))
    assert verdict.passed, verdict.text
    assert verdict.status == "passed"
    assert verdict.type == gate.type
    assert verdict.enforced is (example.get("enforcement") != "warn")
    assert gate.condition()
    assert any(character.isdigit() for character in verdict.text)
    if not verdict.measured:
        assert gate.judge(_evidence(GOOD, POOR)) == verdict


@pytest.mark.parametrize(
    ("example", "model", "champion"),
    [
        ({"metric": "accuracy", "min": 0.65}, POOR, None),
        ({"metric": "log_loss", "max": 0.4}, POOR, None),
        ({"type": "baseline", "min_relative_change": 0.5}, POOR, None),
        ({"type": "champion"}, POOR, GOOD),
        ({"type": "value", "min_per_1000": 1800}, POOR, None),
        ({"type": "value", "min_gain_per_1000": 10_000}, GOOD, None),
        ({"type": "latency", "p99": "1ms"}, GOOD, None),
        ({"type": "size", "max": "1KB"}, GOOD, None),
        ({"type": "coverage", "min": 0.95}, GOOD, None),
    ],
)
def test_it_fails_the_poor_model(example, model, champion):
    verdict = _judge(example, model, champion, predictor=Answering(0.002))
    assert not verdict.passed
    assert verdict.status == "failed"


@pytest.mark.parametrize("kind", [*KINDS, FairnessCheck])
def test_every_field_is_described_and_moves_the_evaluation_only(kind):
    assert kind.__doc__
    for info in kind.model_fields.values():
        assert info.description
        assert effect_of(info) is Effect.EVALUATE


def test_every_kind_is_in_the_union_and_examples_validate_against_its_schema():
    jsonschema = pytest.importorskip("jsonschema")
    assert get_args(get_args(Gate)[0]) == KINDS
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
        ({"type": "speed", "p99": "20ms"}, "does not match any of the expected tags"),
        ({"type": "latency"}, "no limit"),
        ({"type": "latency", "p99": "fast"}, "not a duration"),
        ({"type": "value"}, "no limit"),
        ({"type": "coverage", "min": 1.5}, "less than or equal to 1"),
        (
            {
                "metric": "accuracy",
                "min": 0.5,
                "waiver": {"owner": "", "reason": "x", "expires": "2030-01-01"},
            },
            "owner",
        ),
        ({"metric": "accuracy", "min": 0.5, "waiver": {"owner": "a", "reason": "x"}}, "expires"),
        (
            {"metric": "accuracy", "min": 0.5, "waiver": {"owner": "a", "reason": "x", "expires": "soon"}},
            "date",
        ),
        ({"type": "baseline", "metric": "r2"}, "no share of it"),
        ({"metric": "accuracy", "min": 0.5, "minrows": 3}, "Extra inputs"),
        ("accuracy", "a valid dictionary"),
    ],
)
def test_gates_that_cannot_be_meant(block, message):
    with pytest.raises(ValidationError, match=message):
        GATES.validate_python(block)


def test_a_slice_that_is_too_bad_fails_and_is_named():
    # Right on even rows, wrong on odd ones: the mean alone would do.
    guess = np.where(EVEN, TRUTH, 1 - TRUTH)
    half = from_probabilities(np.column_stack([1.0 - guess, guess]), (0, 1))
    assert _judge({"metric": "accuracy", "min": 0.5}, half).passed
    verdict = _judge({"metric": "accuracy", "min": 0.5, "slices": "all"}, half)
    assert not verdict.passed
    assert verdict.text.endswith("below it in side = odd 0 on 100 rows")
    assert _judge({"metric": "accuracy", "min": 0.5, "slices": ["other"]}, GOOD).text.endswith(
        "in all 2 slices"
    )


def test_a_slice_that_is_too_small_is_not_judged_and_said_to_be():
    few = np.arange(ROWS) < 12
    groups = {"groups": lambda name, path: (Group("few", few), Group("many", ~few))}
    verdict = _judge({"metric": "accuracy", "min": 0.5, "slices": "all"}, GOOD, **groups)
    assert verdict.passed
    assert verdict.text.endswith("in all 1 slices; too few rows to judge side = few (12 rows)")
    none = _judge({"metric": "accuracy", "min": 0.5, "slices": "all"}, GOOD, **groups, min_slice_rows=1000)
    assert (none.passed, none.status) == (False, "insufficient_data")


def test_all_slices_of_none_is_no_demand_that_can_be_meant():
    with pytest.raises(StageError) as caught:
        _judge({"metric": "accuracy", "min": 0.5, "slices": "all"}, GOOD, slices=())
    assert caught.value.path == ("evaluation", "gates", 2, "slices")


def test_the_value_is_that_of_the_outcomes_by_hand():
    positive, chosen = TRUTH == 1, GOOD.labels.astype(int) == 1
    worth = 5 * (positive & chosen).sum() - 4 * (~positive & chosen).sum() - 2 * (positive & ~chosen).sum()
    verdict = _judge({"type": "value", "min_per_1000": 0}, GOOD)
    assert verdict.value == pytest.approx(1000 * worth / ROWS)
    with pytest.raises(StageError, match="no outcome has a value"):
        _judge({"type": "value", "min_per_1000": 0}, GOOD, value=None)


def test_latency_is_measured_row_by_row_after_a_warm_up_and_the_best_run_counts():
    predictor = Answering(0.0005)
    verdict = _judge({"type": "latency", "p99": "500ms"}, GOOD, predictor=predictor)
    assert verdict.passed
    assert verdict.measured
    assert set(predictor.rows) == {1}
    assert 0.0005 <= verdict.value < 0.5
    assert "on this machine" in verdict.text


def test_no_fair_comparison_passes_or_fails_as_the_spec_says():
    note = {"champion_note": "version 4 was fitted on every row", "champion_missing": True}
    passing = _judge({"type": "champion"}, GOOD, **note)
    assert (passing.passed, passing.status) == (True, "no_comparison")
    strict = {"type": "champion", "on_no_comparison": "fail"}
    assert not _judge(strict, GOOD, **note).passed
    # The first model has nothing to be compared with, and that is nobody's fault.
    assert _judge(strict, GOOD).passed


def test_a_wider_interval_of_the_difference_is_harder_to_pass():
    item = metric("accuracy", "binary")
    wide, narrow = (
        paired_difference(item, TRUTH, GOOD, POOR, confidence=level, resamples=500, seed=0).low
        for level in (0.99, 0.6)
    )
    assert wide < narrow < 0.3
    swap = paired_difference(item, TRUTH, POOR, GOOD, confidence=0.6, resamples=500, seed=0).low
    gate = {"type": "champion", "metric": "accuracy", "min_change": -1, "non_inferiority_margin": -swap}
    assert _judge(gate | {"confidence": 0.6}, POOR, GOOD).passed
    assert not _judge(gate | {"confidence": 0.99}, POOR, GOOD).passed


def test_intervals_are_needed_for_their_coverage():
    assert _judge({"type": "coverage", "min": 0.8}, GOOD).value == 0.9
    bare = _evidence(GOOD)
    bare = type(bare)(**(bare.__dict__ | {"model": GOOD}))
    with pytest.raises(StageError, match="no intervals"):
        GATES.validate_python({"type": "coverage", "min": 0.8}).judge(bare)
