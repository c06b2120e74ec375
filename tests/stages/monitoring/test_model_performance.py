from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from tests.stages.monitoring.conftest import START

from tenure.core.units import parse_duration
from tenure.ml.reference import Reference
from tenure.ml.windows import window_of
from tenure.stages.monitoring.judging import WindowRows
from tenure.stages.monitoring.model_performance import ModelPerformance


def reference(task="binary", classes=("no", "yes")):
    return Reference(1, 1, task, classes, "y", "training", 100, "sha256:s", (), ())


def labelled(right: int, wrong: int):
    return pa.table({"prediction": ["yes"] * (right + wrong), "label": ["yes"] * right + ["no"] * wrong})


def judge(signal, *tables, found=None, promised=None):
    """The judgement of the last table, the others being the windows before it."""
    *recent, table = tables
    return signal.judge(
        WindowRows(
            window=window_of(START, parse_duration("1mo")),
            rows=table,
            labelled=table,
            recent=recent,
            most_recent=len(recent),
            reference=found or reference(),
            min_rows=None,
            seasonal=False,
            redacted=frozenset(),
            promised=promised or {},
        )
    )


def accuracy(**limits):
    return ModelPerformance(type="model_performance", metric="accuracy", **limits)


def test_a_window_is_judged_by_its_own_rows_when_they_suffice():
    found = judge(accuracy(min=0.6), labelled(50, 50))
    assert (found.verdict, found.value) == ("warn", 0.5)
    found = judge(accuracy(min=0.6), labelled(200, 200))
    assert (found.verdict, found.evidence["pooled"]["windows"]) == ("critical", 1)
    assert found.evidence["pooled"]["high"] < 0.6


def test_the_interval_is_the_one_of_a_share():
    found = judge(accuracy(min=0.6), labelled(240, 160)).evidence["interval"]
    spread = 1.96 * np.sqrt(0.6 * 0.4 / 400)
    assert found["low"] == pytest.approx(0.6 - spread, abs=0.01)
    assert found["high"] == pytest.approx(0.6 + spread, abs=0.01)


def test_good_windows_before_do_not_hide_a_clear_loss_and_bad_ones_do_not_outlive_a_recovery():
    good, bad = labelled(380, 20), labelled(160, 240)
    assert judge(accuracy(min=0.6), good, good, bad).verdict == "critical"
    assert judge(accuracy(min=0.6), bad, bad, good).verdict == "ok"


def test_a_model_exactly_at_its_limit_is_rarely_called_critical():
    """Thirty rows a month, five months in each pool: at most the promised 2.5 % on one side, and rounding."""
    rng = np.random.default_rng(3)
    signal, critical, rounds = accuracy(min=0.6), 0, 150
    for _ in range(rounds):
        hits = rng.binomial(30, 0.6, size=5)
        critical += judge(signal, *(labelled(int(k), int(30 - k)) for k in hits)).verdict == "critical"
    assert critical / rounds < 0.06


def test_the_allowed_drop_is_counted_from_the_release_and_the_stricter_limit_holds():
    table = labelled(150, 50)
    assert judge(accuracy(max_drop=0.1), table, promised={"accuracy": 0.95}).verdict == "critical"
    assert judge(accuracy(max_drop=0.3), table, promised={"accuracy": 0.95}).verdict == "ok"
    both = judge(accuracy(min=0.5, max_drop=0.1), table, promised={"accuracy": 0.95})
    assert both.evidence["limit"] == pytest.approx(0.85)
    assert judge(accuracy(max_drop=0.1), table).verdict == "insufficient_data"


def test_an_error_is_limited_from_above():
    numbers = reference("regression", ())
    table = pa.table({"prediction": [1.0] * 50, "label": [3.0] * 50})
    signal = ModelPerformance(type="model_performance", metric="mae", max=1.0)
    assert judge(signal, table, found=numbers).verdict == "critical"
    assert judge(signal.model_copy(update={"max": 4.0}), table, found=numbers).pressure["warn"] == 0.5


def test_classes_are_compared_by_meaning_not_by_storage():
    table = pa.table({"prediction": [1, 0] * 20, "label": ["1", "0"] * 20})
    assert judge(accuracy(min=0.9), table, found=reference(classes=(0, 1))).value == 1.0
    table = pa.table({"prediction": [True, False] * 20, "label": ["true", "false"] * 20})
    assert judge(accuracy(min=0.9), table, found=reference(classes=(False, True))).value == 1.0


def test_a_class_the_model_does_not_know_is_a_wrong_prediction():
    table = pa.table({"prediction": ["yes"] * 40, "label": ["perhaps"] * 40})
    assert judge(accuracy(min=0.5), table).value == 0.0


def test_a_metric_that_is_not_defined_on_the_rows_is_not_a_verdict():
    table = labelled(40, 0)
    scores = table.append_column("score_no", pa.array([0.2] * 40)).append_column(
        "score_yes", pa.array([0.8] * 40)
    )
    signal = ModelPerformance(type="model_performance", metric="roc_auc", min=0.5)
    assert judge(signal, scores).verdict == "insufficient_data"
