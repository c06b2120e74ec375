"""SHAP values as the libraries of tree ensembles compute them, and as linear models have them exactly.

The contribution of a feature to the prediction of a row, on the scale of the model: log odds for classes, the unit of
the target for numbers. With their base value the contributions of a row add up to its prediction (Lundberg and Lee
2017; TreeSHAP: Lundberg et al. 2020).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tenure.ml.estimators.registry import format_of

Floats = npt.NDArray[np.float64]


def contributions(estimator: Any, matrix: Any) -> Floats | None:
    """(rows, outputs, features) for preprocessed rows (rows, features); None where the model cannot tell."""
    match format_of(estimator).name:
        case "xgboost":
            return _xgboost(estimator, matrix)
        case "lightgbm":
            return _lightgbm(estimator, matrix)
        case "catboost":
            return _catboost(estimator, matrix)
        case _:
            return _linear(estimator, matrix)


def _xgboost(estimator: Any, matrix: Any) -> Floats:
    import xgboost

    # `matrix` has no names; a booster that was trained with some would miss them.
    found = np.asarray(
        estimator.predict(xgboost.DMatrix(np.asarray(matrix)), pred_contribs=True, validate_features=False),
        dtype=np.float64,
    )
    return _without_base(found if found.ndim == 3 else found[:, None, :])


def _lightgbm(estimator: Any, matrix: Any) -> Floats:
    found = np.asarray(estimator.predict(matrix, pred_contrib=True), dtype=np.float64)
    return _without_base(found.reshape(len(found), -1, np.shape(matrix)[1] + 1))


def _catboost(estimator: Any, matrix: Any) -> Floats:
    import catboost

    found = np.asarray(
        estimator.get_feature_importance(
            catboost.Pool(np.asarray(matrix)), type="ShapValues", thread_count=1
        ),
        dtype=np.float64,
    )
    return _without_base(found if found.ndim == 3 else found[:, None, :])


def _linear(estimator: Any, matrix: Any) -> Floats | None:
    """Coefficient times distance from the mean row: exact where features count as independent."""
    coefficients = getattr(estimator, "coef_", None)
    if coefficients is None or not isinstance(matrix, np.ndarray) or not np.isfinite(matrix).all():
        return None
    slopes = np.atleast_2d(np.asarray(coefficients, dtype=np.float64))
    if slopes.shape[1] != matrix.shape[1]:
        return None
    distances = matrix - matrix.mean(axis=0)
    result: Floats = distances[:, None, :] * slopes[None, :, :]
    return result


def _without_base(found: Floats) -> Floats:
    """The last column is what the model says of no row in particular."""
    result: Floats = found[:, :, :-1]
    return result
