"""Whose turn it is, and when a trial is hopeless."""

from __future__ import annotations

from collections import Counter

import pytest

from tenure.ml.metrics import metric
from tenure.stages.training.trying import Bars, FoldScore, verdict
from tenure.stages.training.turns import (
    CLEARLY,
    FAIR_TRIALS,
    bars_for,
    best_trial,
    foreseen,
    next_algorithm,
    noise_of,
)
from tenure.state.store import Trial

ACCURACY = metric("accuracy", "binary")
LOSS = metric("log_loss", "binary")


def trial(number, algorithm="a", *scores, status="done", **facts):
    mean = sum(scores) / len(scores) if scores and status == "done" else None
    return Trial(number, algorithm, {}, scores, mean, status, 0.1, **facts)


def around(number, name, level, noise=0.02, **facts):
    return trial(number, name, level - noise, level, level + noise, **facts)


def played(levels, turns, measure=ACCURACY, window=1, costs=None, rounds=None):
    """Which algorithm gets each turn, when trial n is chosen knowing those up to n - window."""
    trials, asked, order = [], Counter(), []
    for number in range(turns):
        known = trials[: max(0, number - window + 1)]
        name = next_algorithm(tuple(levels), known, asked, measure, costs or {})
        asked[name] += 1
        order.append(name)
        learned = ({"rounds": rounds[name]},) * 3 if rounds else ()
        trials.append(around(number, name, levels[name], learned=learned))
    return order


def test_all_get_a_fair_start_then_those_near_the_best_go_on():
    order = played({"good": 0.9, "near": 0.895, "bad": 0.87}, 19)
    assert order[: 3 * FAIR_TRIALS] == ["good", "near", "bad"] * FAIR_TRIALS
    assert order[3 * FAIR_TRIALS :] == ["good", "near"] * 5


def test_one_that_is_far_behind_gets_no_second_trial():
    assert Counter(played({"good": 0.9, "far": 0.6}, 9))["far"] == 1


def test_one_that_was_given_up_far_behind_gets_no_second_trial():
    known = [around(0, "good", 0.9), trial(1, "far", 0.6, status="stopped")]
    assert next_algorithm(("good", "far"), known, {"good": 9, "far": 1}, ACCURACY) == "good"
    # On the one fold that it had the best was weak too.
    uneven = [trial(0, "good", 0.7, 1.0, 1.0), trial(1, "near", 0.69, status="stopped")]
    assert next_algorithm(("good", "near"), uneven, {"good": 9, "near": 1}, ACCURACY) == "near"


def test_what_is_under_way_counts_as_a_turn():
    # Of b and c nothing is known yet at the fourth turn, and of c nothing at the sixth.
    assert played({"a": 0.9, "b": 0.9, "c": 0.9}, 6, window=4) == ["a", "b", "c", "a", "a", "b"]


def test_all_work_equally_much_so_that_the_quick_ones_try_more():
    order = Counter(played({"quick": 0.9, "slow": 0.9}, 44, costs={"quick": 1.0, "slow": 10.0}))
    assert order == {"quick": 40, "slow": 4}
    order = Counter(played({"few": 0.9, "many": 0.9}, 44, rounds={"few": 50, "many": 500}))
    assert order == {"few": 40, "many": 4}


def test_the_dear_ones_begin_when_the_others_have_worked_as_much():
    order = played({"quick": 0.9, "dear": 0.9}, 12, costs={"quick": 1.0, "dear": 2.5})
    assert order[:4] == ["quick", "quick", "dear", "quick"]
    # It gets no second trial before its first is known.
    waiting = [around(number, "quick", 0.9) for number in range(3)]
    assert next_algorithm(("quick", "dear"), waiting, {"quick": 3, "dear": 1}, ACCURACY) == "quick"


def test_every_algorithm_gets_a_trial_where_they_are_few():
    names, costs = ("quick", "dear"), {"quick": 1.0, "dear": 99.0}
    assert next_algorithm(names, [], {"quick": 2}, ACCURACY, costs, left=2) == "quick"
    assert next_algorithm(names, [], {"quick": 3}, ACCURACY, costs, left=1) == "dear"


def test_folds_that_agree_by_luck_do_not_shut_the_others_out():
    known = [around(n, "ab"[n % 2], 0.90, noise=0.02) for n in range(6)]
    lucky = [*known, around(6, "a", 0.915, noise=0.0001)]
    turns = [next_algorithm(("a", "b"), lucky, {"a": 4 + extra, "b": 3}, ACCURACY) for extra in (0, 9)]
    assert turns == ["a", "b"]


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
    # Nobody improves any more: both have worked about as much without it.
    assert [item.algorithm for item in trials[9:]] == ["a", "a", "a", "b", "a"]


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


@pytest.mark.parametrize("measure", [ACCURACY, LOSS])
def test_fold_gives_up_what_is_clearly_behind_the_best_on_the_same_folds(measure):
    sign = 1 if measure is ACCURACY else -1
    hard = (0.7, 0.9, 0.8)  # the folds are not equally hard

    def like(number, shift, wobble=0.0):
        own = [fold + shift + wobble * turn for fold, turn in zip(hard, (1, -1, 0), strict=True)]
        return trial(number, "a", *(sign * score for score in own))

    best = like(0, 0.0)
    known = [best, like(1, -0.05, 0.002), like(2, -0.08, 0.08), like(3, -0.06, 0.06)]
    bars = bars_for("fold", "b", known, 3, measure)
    # The differences to the best vary by 0.002, 0.08 and 0.06 from fold to fold; the median counts, with what the
    # folds to come may still bring.
    assert bars.means[1] == pytest.approx(sign * (0.7 - CLEARLY * 0.06 * (2 / 3) ** 0.5))
    worst = 0.7
    assert bars.means[2] == pytest.approx(sign * max(worst, 0.8 - CLEARLY * 0.06 * (1 / 6) ** 0.5))
    behind = verdict(scored(sign * 0.5), {}, 3, bars, measure)
    assert (behind.status, behind.note) == ("stopped", "behind after 1 of 3 folds")
    assert verdict(scored(sign * 0.6), {}, 3, bars, measure) is None
    # What differences vary by is not known from two.
    assert 1 not in bars_for("fold", "b", known[:3], 3, measure).means


def test_where_many_trials_come_to_the_same_the_noise_of_the_best_counts():
    known = [trial(number, "a", 0.7, 0.9, 0.8) for number in range(5)]
    noise = noise_of(known[0])
    bars = bars_for("fold", "b", known, 3, ACCURACY)
    assert bars.means[1] == pytest.approx(0.7 - CLEARLY * noise * (2 / 3) ** 0.5)


def test_what_was_given_up_is_expected_to_stay_as_far_behind():
    best = trial(0, "a", 0.7, 0.9, 0.8)
    assert foreseen(best, None) == best.score == pytest.approx(0.8)
    assert foreseen(trial(1, "a", 0.65, status="stopped"), best) == pytest.approx(0.75)
    assert foreseen(trial(1, "a", 0.65, 0.87, status="stopped"), best) == pytest.approx(0.76)
    assert foreseen(trial(1, "a", 0.65, status="stopped"), None) == 0.65
    assert foreseen(trial(1, "a", status="stopped"), best) is None


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
