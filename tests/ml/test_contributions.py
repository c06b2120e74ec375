"""Contributions add up to what the model says, apart from a constant: for every library that computes them."""

from __future__ import annotations

import numpy as np
import pytest

from tenure.ml.contributions import contributions

GENERATOR = np.random.default_rng(2)
MATRIX = GENERATOR.normal(size=(120, 4))
TARGET = MATRIX @ np.array([2.0, -1.0, 0.0, 0.5])
CLASSES = np.digitize(TARGET, [-1, 1])


def _xgboost(target, **params):
    import xgboost

    data = xgboost.DMatrix(MATRIX, target)
    booster = xgboost.train({"nthread": 1, "max_depth": 3} | params, data, 10)
    return booster, booster.predict(data, output_margin=True)


def _lightgbm(target, **params):
    lightgbm = pytest.importorskip("lightgbm")
    given = {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 5} | params
    booster = lightgbm.train(given, lightgbm.Dataset(MATRIX, target), 10)
    return booster, booster.predict(MATRIX, raw_score=True)


def _catboost(target, **params):
    catboost = pytest.importorskip("catboost")
    model = catboost.CatBoost(
        {"iterations": 10, "thread_count": 1, "verbose": False, "allow_writing_files": False} | params
    )
    model.fit(catboost.Pool(MATRIX, target))
    return model, model.predict(MATRIX, prediction_type="RawFormulaVal")


@pytest.mark.parametrize(
    ("made", "outputs"),
    [
        (lambda: _xgboost(TARGET), 1),
        (lambda: _xgboost(TARGET > 0, objective="binary:logistic"), 1),
        (lambda: _xgboost(CLASSES, objective="multi:softprob", num_class=3), 3),
        (lambda: _lightgbm(TARGET, objective="regression"), 1),
        (lambda: _lightgbm(CLASSES, objective="multiclass", num_class=3), 3),
        (lambda: _catboost(TARGET, loss_function="RMSE"), 1),
        (lambda: _catboost(CLASSES, loss_function="MultiClass"), 3),
    ],
)
def test_they_add_up_to_the_margin(made, outputs):
    model, margin = made()
    found = contributions(model, MATRIX)
    assert found.shape == (120, outputs, 4)
    rest = np.reshape(margin, (120, outputs)) - found.sum(axis=2)
    assert np.ptp(rest, axis=0).max() < 1e-4
    assert np.abs(found).sum() > 1


def test_of_a_linear_model_they_are_slope_times_distance():
    from sklearn.linear_model import LogisticRegression, Ridge

    model = Ridge().fit(MATRIX, TARGET)
    found = contributions(model, MATRIX)[:, 0, :]
    assert found == pytest.approx((MATRIX - MATRIX.mean(axis=0)) * model.coef_)
    classes = LogisticRegression().fit(MATRIX, CLASSES)
    assert contributions(classes, MATRIX).shape == (120, 3, 4)


def test_a_forest_has_none():
    from sklearn.ensemble import RandomForestRegressor

    assert contributions(RandomForestRegressor(2).fit(MATRIX, TARGET), MATRIX) is None
