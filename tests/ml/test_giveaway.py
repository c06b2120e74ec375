from __future__ import annotations

import numpy as np
import pytest

from tenure.ml.giveaway import FEWEST_OF_A_CLASS, giveaway


def test_precision_and_recall_are_those_of_the_value_for_the_class():
    values = np.array([1] * 40 + [0] * 60 + [1] * 10 + [0] * 90)
    classes = np.array([2] * 100 + [0] * 100)
    found = giveaway(values, classes)
    # Rows without the value, 150, of which 90 are of class 0: precision 0.6, recall 0.9. No other pair does better.
    assert (found.klass, found.value, found.present) == (0, 0, True)
    assert (found.precision, found.recall) == (pytest.approx(0.6), pytest.approx(0.9))
    assert found.score == pytest.approx(0.6)


def test_a_value_that_all_others_hold_gives_a_class_of_many_values_away():
    values = np.array([0] * 300 + list(range(1, 41)))
    classes = np.array([0] * 150 + [1] * 150 + [2] * 40)
    found = giveaway(values, classes)
    assert (found.klass, found.value, found.present, found.score) == (2, 0, False, 1.0)


def test_pairs_may_be_counted_beforehand():
    values, classes = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    counts = np.array([70, 2, 5, 60])
    assert giveaway(values, classes, counts) == giveaway(
        np.repeat(values, counts), np.repeat(classes, counts)
    )


def test_classes_and_values_of_few_rows_are_left_out():
    rows = FEWEST_OF_A_CLASS - 1
    few = np.array([0] * 200 + [1] * rows)
    assert giveaway(few, few) is None
    enough = np.array([0] * 200 + [1] * (rows + 1))
    assert giveaway(enough, enough).score == 1.0
    assert giveaway(np.arange(200), np.arange(200) % 2) is None


def test_a_measurement_that_separates_a_class_does_not():
    chance = np.random.default_rng(0)
    classes = np.repeat([0, 1, 2], 60)
    centimetres = np.round(np.where(classes == 0, 1.4, 5.0) + 0.3 * chance.normal(size=180), 1)
    _, places = np.unique(centimetres, return_inverse=True)
    assert giveaway(places, classes).score < 0.5
