"""Whose turn it is, and when a trial is hopeless."""

from __future__ import annotations

from collections import Counter

import pytest

from tenure.ml.metrics import metric
from tenure.stages.training.trying import Bars, FoldScore, verdict
from tenure.stages.training.turns import FAIR_TRIALS, bars_for, best_trial, next_algorithm, noise_of
from tenure.state.store import Trial

ACCURACY = metric("accuracy", "binary")
LOSS = metric("log_loss", "binary")


def trial(number, algorithm="a", *scores, status="done", **facts):
    mean = sum(scores) / len(scores) if scores and status == "done" else None
    return Trial(number, algorithm, {}, scores, mean, status, 0.1, **facts)


def around(number, name, level, noise=0.02):
    return trial(number, name, level - noise, level, level + noise)


def played(levels, turns, measure=ACCURACY, window=1):
    """Which algorithm gets each turn, when trial n is chosen knowing those up to n - window."""
    trials, asked, order = [], Counter(), []
    for number in range(turns):
        name = next_algorithm(tuple(levels), trials[: max(0, number - window + 1)], asked, measure)
        asked[name] += 1
        order.append(name)
        trials.append(around(number, name, levels[name]))
    return order


def test_all_get_a_fair_start_then_those_near_the_best_go_on():
    order = played({"good": 0.9, "near": 0.895, "bad": 0.86}, 19)
    assert order[: 3 * FAIR_TRIALS] == ["good", "near", "bad"] * FAIR_TRIALS
    assert order[3 * FAIR_TRIALS :] == ["good", "near"] * 5


def test_one_that_is_far_behind_gets_no_second_trial():
    assert Counter(played({"good": 0.9, "far": 0.6}, 9))["far"] == 1


def test_what_is_under_way_counts_as_a_turn():
    assert played({"a": 0.9, "b": 0.9, "c": 0.9}, 6, window=4) == ["a", "b", "c"] * 2


def test_who_improves_keeps_the_turn():
    trials, asked = [], Counter()
    for number in range(6):
        trials.append(around(number, "ab"[number % 2], 0.9))
        asked["ab"[number % 2]] += 1
    for number in range(6, 9):
        assert next_algorithm(("a", "b"), trials, asked, ACCURACY) == "a"
        trials.append(around(number, "a", 0.9 + number / 1000))
        asked["a"] += 1
    for number in range(9, 14):
        name = next_algorithm(("a", "b"), trials, asked, ACCURACY)
        trials.append(around(number, name, 0.5))
        asked[name] += 1
    # Nobody improves any more: both have gone about as many trials without it.
    assert [item.algorithm for item in trials[9:]] == ["a", "a", "b", "a", "b"]


def test_one_that_only_fails_drops_out():
    failed = [trial(number, "a", status="failed") for number in range(3)]
    assert next_algorithm(("a", "b"), failed, {"a": 3, "b": 3}, ACCURACY) == "b"
    assert next_algorithm(("a",), failed, {"a": 3}, ACCURACY) is None
    # A failure at first is not hopeless yet.
    assert next_algorithm(("a", "b"), [failed[0], around(1, "b", 0.9)], {"a": 1, "b": 1}, ACCURACY) == "a"


def test_the_best_is_the_earliest_of_equals_and_noise_comes_from_folds_or_parts():
    assert best_trial([trial(0, "a", 0.5), trial(1, "b", 0.7), trial(2, "c", 0.7)], ACCURACY).number == 1
    assert best_trial([trial(0, "a", 0.5), trial(1, "b", 0.7)], LOSS).number == 0
    assert best_trial([trial(0, "a", 0.9, status="stopped")], ACCURACY) is None
    assert noise_of(trial(0, "a", 0.1, 0.3)) == pytest.approx(0.1)
    assert noise_of(trial(0, "a", 0.1, noise=0.02)) == 0.02
    assert noise_of(trial(0, "a", 0.1)) == 0.0


def scored(*values):
    return [FoldScore(value, 0.1) for value in values]


def test_fold_gives_up_what_is_worse_than_the_worst_fold_of_the_best_after_two():
    known = [trial(0, "a", 0.8, 0.9, 0.85), trial(1, "a", 0.5, 0.9, 0.6)]
    bars = bars_for("fold", "b", known, 3, ACCURACY)
    assert bars == Bars({2: 0.8})
    assert verdict(scored(0.1), {}, 3, bars, ACCURACY) is None
    stopped = verdict(scored(0.7, 0.8), {}, 3, bars, ACCURACY)
    assert (stopped.status, stopped.note) == ("stopped", "behind after 2 of 3 folds")
    assert verdict(scored(0.7, 0.9), {}, 3, bars, ACCURACY) is None
    assert verdict(scored(0.7, 0.9, 0.1), {}, 3, bars, ACCURACY).status == "done"
    assert bars_for("fold", "b", [trial(0, "a", 0.3, 0.4, 0.2)], 3, LOSS) == Bars({2: 0.4})


def test_more_folds_than_it_would_have_got_to_do_not_count():
    bars = Bars({2: 0.8})
    assert verdict(scored(0.7, 0.8, 0.99), {}, 3, bars, ACCURACY).folds == tuple(scored(0.7, 0.8))


def test_folds_without_a_score_are_left_out():
    nan = float("nan")
    assert verdict(scored(nan, 0.9), {}, 2, Bars(), ACCURACY).status == "done"
    nothing = verdict(scored(nan, nan), {}, 2, Bars(), ACCURACY)
    assert (nothing.status, nothing.note) == ("failed", "accuracy is not defined on any fold")


def test_median_compares_with_half_of_the_earlier_ones_after_as_many_folds_and_rounds():
    known = [trial(n, "a", n / 10, 0.5, 0.5, curve={10: n / 10}) for n in range(5)]
    bars = bars_for("median", "a", known, 3, ACCURACY)
    assert bars.means == {1: 0.2, 2: pytest.approx(0.35)}
    assert bars.losses == {10: 0.2}
    assert bars_for("median", "b", known, 3, ACCURACY).losses == {}
    assert bars_for("median", "a", known[:4], 3, ACCURACY) == Bars()


def test_hyperband_lets_a_third_pass_each_rung():
    known = [
        trial(n, "a", 0.5, 0.5, curve={10: n / 10, 30: n / 20} if n < 5 else {10: n / 10}) for n in range(9)
    ]
    bars = bars_for("hyperband", "a", known, 2, ACCURACY)
    assert bars.losses == {10: 0.3, 30: 0.05}
    assert verdict([], {10: 0.31}, 2, bars, ACCURACY).note == "behind after 10 rounds"
    assert verdict([], {10: 0.3, 30: 0.05}, 2, bars, ACCURACY) is None


def test_none_gives_up_nothing():
    assert bars_for("none", "a", [trial(0, "a", 0.8, 0.9)] * 9, 2, ACCURACY) == Bars()
