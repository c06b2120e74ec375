"""What the files of a predictor are called; apart from `ml/predictor.py`, so that naming them loads no library."""

from __future__ import annotations

PREDICTOR = "predictor.json"
PREPROCESSOR = "preprocessor.skops"
SKOPS_ESTIMATOR = "estimator.skops"
BOOSTER = "estimator.ubj"
FILES = (PREDICTOR, PREPROCESSOR, SKOPS_ESTIMATOR, BOOSTER)
"""Every file a predictor may have; a version keeps other artifacts beside them."""
