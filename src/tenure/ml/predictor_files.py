"""What the files of a predictor are called; apart from `ml/predictor.py`, so that naming them loads no library."""

from __future__ import annotations

PREDICTOR = "predictor.json"
PREPROCESSOR = "preprocessor.msgpack"
ADOPTED_PREPROCESSOR = "preprocessor.skops"
"""That of an estimator that was fitted elsewhere."""
SKOPS_ESTIMATOR = "estimator.skops"
BOOSTER = "estimator.ubj"
LIGHTGBM = "estimator.txt"
CATBOOST = "estimator.cbm"
ENSEMBLE = "estimator.zip"
ESTIMATORS = (SKOPS_ESTIMATOR, BOOSTER, LIGHTGBM, CATBOOST, ENSEMBLE)
"""One of these, by the format of the estimator (`ml/estimators/`)."""
LOW, HIGH = "low", "high"
QUANTILES = tuple(
    name.replace("estimator", end) for name in ESTIMATORS if name != ENSEMBLE for end in (LOW, HIGH)
)
"""Two estimators of quantiles beside it, in the same format, where a model gives intervals from them."""
FILES = (PREDICTOR, PREPROCESSOR, ADOPTED_PREPROCESSOR, *ESTIMATORS, *QUANTILES)
"""Every file a predictor may have; a version keeps other artifacts beside them."""
