from __future__ import annotations

import math

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from tenure.ml.association import associations

RNG = np.random.default_rng(3)


def score(values, target, kind, *, classes):
    connection = duckdb.connect()
    connection.register("t", pa.table({"x": values, "y": target}))
    (found,) = associations(connection, "t", {"x": kind}, "y", classes=classes)
    return found.score


def by_hand_classes(bins, target):
    """Every row predicted from the others of its bin, one by one."""
    shares = {c: np.mean([t == c for t in target]) for c in set(target)}
    loss = naive = 0.0
    for i, (b, t) in enumerate(zip(bins, target, strict=True)):
        others = [target[j] for j in range(len(bins)) if j != i and bins[j] == b]
        loss -= math.log((others.count(t) + shares[t]) / (len(others) + 1))
        naive -= math.log(shares[t])
    return max(0.0, 1 - loss / naive)


def by_hand_numbers(bins, target):
    mean, loss, naive = float(np.mean(target)), 0.0, 0.0
    for i, (b, t) in enumerate(zip(bins, target, strict=True)):
        others = [target[j] for j in range(len(bins)) if j != i and bins[j] == b]
        loss += (t - (sum(others) + mean) / (len(others) + 1)) ** 2
        naive += (t - mean) ** 2
    return max(0.0, 1 - loss / naive)


def test_classes_are_as_computed_row_by_row():
    bins = [str(value) for value in RNG.integers(0, 5, 200)] + [None] * 20
    target = ["yes" if str(b) in "01" and RNG.random() < 0.8 else "no" for b in bins]
    assert score(bins, target, "category", classes=True) == pytest.approx(
        by_hand_classes(bins, target), abs=1e-6
    )


def test_numbers_are_as_computed_row_by_row():
    bins = [float(value) for value in RNG.integers(0, 6, 200)] + [None] * 10
    target = [1e6 + (0.0 if b is None else b) + RNG.normal() for b in bins]
    assert score(bins, target, "number", classes=False) == pytest.approx(
        by_hand_numbers(bins, target), abs=1e-6
    )


@pytest.mark.parametrize("kind", ["number", "category"])
@pytest.mark.parametrize("classes", [True, False])
def test_an_identifier_explains_nothing_and_the_target_itself_everything(kind, classes):
    n = 2000
    ids = RNG.permutation(n) if kind == "number" else [f"id{i}" for i in range(n)]
    target = RNG.integers(0, 2, n) if classes else RNG.normal(size=n)
    assert score(ids, target, kind, classes=classes) < 0.01
    itself = target if kind == "number" else [str(v) for v in (target if classes else np.round(target, 1))]
    assert score(itself, target, kind, classes=classes) > 0.95


def test_a_constant_and_a_column_without_values_explain_nothing():
    target = RNG.normal(size=50)
    assert score([1.0] * 50, target, "number", classes=False) == 0
    assert score(pa.array([None] * 50, pa.float64()), target, "number", classes=False) == 0
    assert score([1.0] * 50, ["a"] * 50, "number", classes=True) == 0


def test_times_and_columns_with_odd_names():
    times = pa.array(np.arange(300) * 86_400_000_000, pa.timestamp("us"))
    connection = duckdb.connect()
    connection.register("t", pa.table({'a "b"': times, "tar get": np.arange(300) // 100}))
    (found,) = associations(connection, "t", {'a "b"': "time"}, "tar get", classes=True)
    assert found.score > 0.8
    assert found.bins == 20


def test_rows_without_a_target_are_not_looked_at():
    bins, target = ["a", "b"] * 40 + ["c"] * 20, ["x", "y"] * 40 + [None] * 20
    assert score(bins, target, "category", classes=True) == score(
        bins[:80], target[:80], "category", classes=True
    )


def test_the_order_of_columns_is_that_of_their_scores():
    n = 400
    target = RNG.integers(0, 2, n)
    near = np.where(RNG.random(n) < 0.9, target, 1 - target)
    table = pa.table({"noise": RNG.normal(size=n), "near": near, "y": target})
    connection = duckdb.connect()
    connection.register("t", table)
    found = associations(connection, "t", {"noise": "number", "near": "number"}, "y", classes=True)
    assert [item.column for item in found] == ["near", "noise"]
