"""Fairness by the definitions of Fairlearn, computed here from each group alone with scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.metrics import accuracy_score, mean_absolute_error, precision_score, recall_score

from tenure.core.errors import StageError
from tenure.ml.predictions import Predictions, from_probabilities
from tenure.stages.evaluation.fairness import FairnessCheck
from tenure.stages.evaluation.gates.gate import Evidence
from tenure.stages.evaluation.groups import Group

ROWS = 600
GENERATOR = np.random.default_rng(8)
GROUP = GENERATOR.choice(["a", "b", "c"], ROWS, p=[0.5, 0.3, 0.2])
TRUTH = GENERATOR.integers(0, 2, ROWS)
POSITIVE = np.clip(0.4 * TRUTH + np.where(GROUP == "a", 0.35, 0.2) + GENERATOR.normal(0, 0.2, ROWS), 0, 1)
BINARY = from_probabilities(np.column_stack([1 - POSITIVE, POSITIVE]), (0, 1))
CHOSEN = BINARY.labels.astype(int)


def _evidence(truth=TRUTH, model=BINARY, group=GROUP, task="binary") -> Evidence:
    labels = list(dict.fromkeys(sorted(group)))
    return Evidence(
        task=task, primary="accuracy", truth=truth, model=model, baseline=model, champion=None,
        champion_name="", champion_note="", confidence=0.95, resamples=300, seed=0, path=("evaluation", "fairness", 0),
        groups=lambda text, path: tuple(Group(name, group == name) for name in labels),
    )  # fmt: skip


def _check(metric: str, **block) -> FairnessCheck:
    return FairnessCheck.model_validate({"sensitive_column": "group", "metric": metric} | block)


def _by_group(rate) -> list[float]:
    return [rate(TRUTH[name == GROUP], CHOSEN[name == GROUP]) for name in "abc"]


def _spread(values: list[float]) -> float:
    return max(values) - min(values)


ORACLE = {
    "demographic_parity_difference": lambda: _spread(_by_group(lambda t, g: g.mean())),
    "demographic_parity_ratio": lambda: (
        min(_by_group(lambda t, g: g.mean())) / max(_by_group(lambda t, g: g.mean()))
    ),
    "equal_opportunity_difference": lambda: _spread(_by_group(recall_score)),
    "equalized_odds_difference": lambda: max(
        _spread(_by_group(recall_score)), _spread(_by_group(lambda t, g: recall_score(1 - t, g)))
    ),
    "predictive_parity_difference": lambda: _spread(_by_group(precision_score)),
    "accuracy_difference": lambda: _spread(_by_group(accuracy_score)),
}


@pytest.mark.parametrize("metric", ORACLE)
def test_it_is_what_the_groups_alone_give(metric):
    found = _check(metric).assess(_evidence())
    assert found.value == pytest.approx(ORACLE[metric]())
    assert found.low <= found.value <= found.high or metric.endswith("_difference")
    assert found.low < found.high
    assert {group["status"] for group in found.groups} == {"ok"}


def test_numbers_have_errors_instead():
    truth = GENERATOR.normal(size=ROWS)
    guess = truth + GENERATOR.normal(size=ROWS) + (GROUP == "c")
    evidence = _evidence(truth, Predictions(guess, None, ()), task="regression")
    bias = [(guess - truth)[name == GROUP].mean() for name in "abc"]
    found = _check("mean_error_difference").assess(evidence)
    assert found.value == pytest.approx(_spread(bias))
    assert (found.highest, found.lowest) == ("c", "ab"[int(np.argmin(bias[:2]))])
    sizes = [mean_absolute_error(truth[name == GROUP], guess[name == GROUP]) for name in "abc"]
    assert _check("mean_absolute_error_difference").assess(evidence).value == pytest.approx(_spread(sizes))


def test_the_interval_holds_the_difference_between_two_shares():
    """Two independent groups of 2,000: the interval is near the one of the normal approximation."""
    group = np.repeat(["x", "y"], 2000)
    chosen = np.r_[np.arange(2000) < 1200, np.arange(2000) < 1000].astype(float)
    model = from_probabilities(np.column_stack([1 - chosen, chosen]), (0, 1))
    found = _check("demographic_parity_difference").assess(_evidence(np.zeros(4000, dtype=int), model, group))
    half = 1.96 * np.sqrt(0.6 * 0.4 / 2000 + 0.5 * 0.5 / 2000)
    assert found.value == pytest.approx(0.1)
    assert (found.low, found.high) == pytest.approx((0.1 - half, 0.1 + half), abs=0.008)


def test_a_group_that_is_too_small_is_never_fair_nor_unfair():
    group = np.where(np.arange(ROWS) < 10, "tiny", np.where(GROUP == "a", "a", "b"))
    check = _check("demographic_parity_difference", max=1.0)
    found = check.assess(_evidence(group=group))
    assert {item["group"]: item["status"] for item in found.groups} == {
        "a": "ok",
        "b": "ok",
        "tiny": "insufficient_data",
    }
    verdict = check.verdict_of(found)
    assert verdict.passed
    assert verdict.text.endswith("too few rows to judge tiny (10 rows)")
    # Two groups are needed to compare: with one there is no proof of fairness.
    lonely = np.where(np.arange(ROWS) < 10, "tiny", "rest")
    alone = check.judge(_evidence(group=lonely))
    assert (alone.passed, alone.status, alone.value) == (False, "insufficient_data", None)


def test_what_counts_is_the_rows_a_rate_rests_on():
    # 100 rows of group b, 5 of them positive: too few to say how many positives are found.
    group = np.where(np.arange(ROWS) < 100, "b", "a")
    truth = np.where(group == "b", (np.arange(ROWS) < 5).astype(int), TRUTH)
    assert _check("accuracy_difference").assess(_evidence(truth, group=group)).value is not None
    found = _check("equal_opportunity_difference").assess(_evidence(truth, group=group))
    assert found.value is None
    assert {item["group"]: item["judged_rows"] for item in found.groups}["b"] == 5


def test_limits_and_confidence():
    value = ORACLE["accuracy_difference"]()
    assert _check("accuracy_difference", max=value + 1e-9).judge(_evidence()).passed
    assert not _check("accuracy_difference", max=value - 1e-9).judge(_evidence()).passed
    surely = _check("accuracy_difference", max=value + 1e-9, confidence=0.95).judge(_evidence())
    assert not surely.passed
    assert "upper end" in surely.text
    ratio = ORACLE["demographic_parity_ratio"]()
    assert _check("demographic_parity_ratio", min=ratio - 1e-9).judge(_evidence()).passed
    assert not _check("demographic_parity_ratio", min=ratio + 1e-9).judge(_evidence()).passed


def test_a_condition_makes_two_groups():
    evidence = _evidence()
    evidence = Evidence(
        **(evidence.__dict__ | {"groups": lambda text, path: (Group("group", GROUP == "a"),)})
    )
    labels = [item["group"] for item in _check("accuracy_difference").assess(evidence).groups]
    assert labels == ["group", "not group"]


@pytest.mark.parametrize(
    ("metric", "task"),
    [
        ("mean_error_difference", "binary"),
        ("demographic_parity_ratio", "multiclass"),
        ("accuracy_difference", "regression"),
    ],
)
def test_a_metric_of_another_task_points_into_the_spec(metric, task):
    with pytest.raises(StageError) as caught:
        _check(metric).assess(_evidence(task=task))
    assert caught.value.path == ("evaluation", "fairness", 0, "metric")


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"metric": "demographic_parity_ratio", "max": 0.1}, "greater ratio is fairer"),
        ({"metric": "accuracy_difference", "min": 0.1}, "smaller difference is fairer"),
    ],
)
def test_limits_on_the_wrong_side(block, said):
    with pytest.raises(ValidationError, match=said):
        _check(**block)
