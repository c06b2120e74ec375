"""Calibration against scikit-learn, and what it does where there is little to learn from."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.naive_bayes import GaussianNB

from tenure.ml.calibration import (
    FEWEST_ROWS,
    Calibration,
    Isotonic,
    Sigmoid,
    Temperature,
    calibration_error,
    cross_calibrated,
    fit_calibration,
)

KINDS = ("isotonic", "sigmoid", "temperature")


def _model(classes: int, rows: int = 900, seed: int = 0):
    """A logistic regression, rows it has not seen, and their classes."""
    generator = np.random.default_rng(seed)
    matrix = generator.normal(size=(2 * rows, 3))
    score = matrix[:, 0] + generator.normal(size=2 * rows)
    codes = np.digitize(score, [-0.5, 0.7][: classes - 1])
    return LogisticRegression(C=100).fit(matrix[:rows], codes[:rows]), matrix[rows:], codes[rows:]


def _exaggerated(probabilities: np.ndarray) -> np.ndarray:
    """What an overfitted model says: everything nearer to 0 and 1."""
    raised = probabilities**3
    return raised / raised.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", ["isotonic", "temperature"])
def test_the_same_probabilities_as_scikit_learn(kind, classes):
    _, matrix, codes = _model(classes)
    # Without a decision function, which scikit-learn would calibrate instead.
    model = GaussianNB().fit(matrix[:300], codes[:300])
    theirs = (
        CalibratedClassifierCV(FrozenEstimator(model), method=kind).fit(matrix, codes).predict_proba(matrix)
    )
    given = model.predict_proba(matrix)
    ours = fit_calibration(kind, given, codes).apply(given)
    # Where scikit-learn's isotonic curve says 0, ours says one in so many rows.
    assert ours == pytest.approx(theirs, abs=2e-5 if kind == "temperature" else 2 / len(codes))
    assert np.median(np.abs(ours - theirs)) < 5e-4
    assert np.abs(ours - given).max() > 0.003


@pytest.mark.parametrize("rows", [90, 900])
def test_a_sigmoid_of_two_classes_is_what_scikit_learn_makes_of_the_log_odds(rows):
    model, matrix, codes = _model(2, rows)
    theirs = CalibratedClassifierCV(FrozenEstimator(model), method="sigmoid").fit(matrix, codes)
    given = model.predict_proba(matrix)
    ours = fit_calibration("sigmoid", given, codes).apply(given)
    assert ours == pytest.approx(theirs.predict_proba(matrix), abs=1e-4)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_exaggerated_probabilities_become_right_on_rows_not_used(kind, classes):
    model, matrix, codes = _model(classes, rows=3000)
    given = _exaggerated(model.predict_proba(matrix))
    found = fit_calibration(kind, given[:1500], codes[:1500])
    rest, truth = given[1500:], codes[1500:]
    after = found.apply(rest)
    assert after.sum(axis=1) == pytest.approx(1.0)
    assert log_loss(truth, after) < log_loss(truth, rest) - 0.05
    assert calibration_error(after, truth) < calibration_error(rest, truth) / 2


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_kept_as_plain_numbers(kind):
    model, matrix, codes = _model(3)
    given = model.predict_proba(matrix)
    found = fit_calibration(kind, given, codes)
    again = msgspec.json.decode(msgspec.json.encode(found), type=Calibration)
    assert again == found
    assert np.array_equal(again.apply(given), found.apply(given))


def test_the_order_of_the_rows_stays():
    model, matrix, codes = _model(2)
    given = _exaggerated(model.predict_proba(matrix))
    order = np.argsort(given[:, 1])
    for kind in KINDS:
        after = fit_calibration(kind, given, codes).apply(given)[order, 1]
        assert (np.diff(after) >= -1e-12).all()


def test_too_few_rows_of_a_class_teach_nothing_about_it():
    generator = np.random.default_rng(2)
    given = generator.dirichlet([1, 1, 1], 300)
    codes = np.r_[np.zeros(150, int), np.ones(150 - 3, int), np.full(3, 2)]
    curves = fit_calibration("isotonic", given, codes).curves
    assert curves[2] == ((), ())
    assert all(curves[k] != ((), ()) for k in (0, 1))
    assert fit_calibration("sigmoid", given, codes).lines[2] == (1.0, 0.0)
    few = np.r_[np.ones(FEWEST_ROWS - 1, int), np.zeros(200, int)]
    two = np.column_stack([np.linspace(0, 1, len(few)), np.linspace(1, 0, len(few))])
    assert all(fit_calibration(kind, two, few) is None for kind in KINDS)
    assert cross_calibrated("isotonic", two, few, 0) is None


def test_probabilities_of_exactly_0_and_1_stay_finite():
    codes = np.tile([0, 1], 60)
    given = np.column_stack([1.0 - codes, codes]).astype(float)
    given[:20] = given[:20, ::-1]
    for kind in KINDS:
        after = fit_calibration(kind, given, codes).apply(given)
        assert np.isfinite(after).all()
        assert ((after >= 0) & (after <= 1)).all()


def test_a_row_that_every_curve_calls_impossible_is_even():
    curves = Isotonic(tuple(((0.0, 1.0), (0.0, 0.0)) for _ in range(4)))
    assert curves.apply(np.array([[0.1, 0.2, 0.3, 0.4]])) == pytest.approx(np.full((1, 4), 0.25))


def test_judged_without_its_own_row_noise_gains_nothing():
    """An isotonic curve learned from noise fits it; the cross-calibrated figures must not show that as a gain."""
    generator = np.random.default_rng(5)
    said = generator.random(400)
    given, codes = np.column_stack([1 - said, said]), generator.integers(0, 2, 400)
    flattering = fit_calibration("isotonic", given, codes).apply(given)
    honest = cross_calibrated("isotonic", given, codes, 1)
    assert log_loss(codes, flattering) < np.log(2) < log_loss(codes, honest)
    assert np.array_equal(honest, cross_calibrated("isotonic", given, codes, 1))


def test_the_error_of_known_probabilities():
    said = np.repeat([0.2, 0.8], 500)
    right = np.column_stack([1 - said, said])
    # Bins hold equally many rows in the order given, so each bin needs the share itself.
    codes = np.r_[np.tile([1, 0, 0, 0, 0], 100), np.tile([1, 1, 1, 1, 0], 100)]
    assert calibration_error(right, codes) == pytest.approx(0.0, abs=1e-12)
    assert calibration_error(right, np.zeros(1000, int)) == pytest.approx(0.5)
    several = np.tile([0.6, 0.3, 0.1], (100, 1))
    assert calibration_error(several, np.tile([0, 0, 0, 1, 2], 20)) == pytest.approx(0.0, abs=1e-12)


def test_maps_that_change_nothing():
    given = np.random.default_rng(1).dirichlet([1, 1, 1], 20)
    for neutral in (Sigmoid(((1.0, 0.0),) * 3), Temperature(1.0), Isotonic((((), ()),) * 3)):
        assert neutral.apply(given) == pytest.approx(given)
