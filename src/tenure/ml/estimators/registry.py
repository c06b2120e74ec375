"""Every format of estimators there is. A new one is a file, and a line here."""

from __future__ import annotations

from typing import Any

from tenure.ml.estimators.catboost import CatBoost
from tenure.ml.estimators.ensemble import Ensembles
from tenure.ml.estimators.format import Format, Raw
from tenure.ml.estimators.lightgbm import LightGbm
from tenure.ml.estimators.skops import Skops
from tenure.ml.estimators.xgboost import Xgboost
from tenure.ml.signature import Signature

_ALONE: tuple[Format, ...] = (Xgboost(), LightGbm(), CatBoost(), Skops())
FORMATS: tuple[Format, ...] = (Ensembles(_ALONE), *_ALONE)
"""The last one keeps what no other does."""


def format_of(estimator: Any) -> Format:
    """The format that keeps an estimator."""
    return next(item for item in FORMATS if item.owns(estimator))


def format_named(name: str) -> Format | None:
    """The format of a name in predictor.json; None for one that this version does not know."""
    return next((item for item in FORMATS if item.name == name), None)


def raw_predictions(estimator: Any, matrix: Any, signature: Signature) -> Raw:
    """What an estimator says of rows (rows, features): numbers (rows,) or (rows, levels), or probabilities
    (rows, classes)."""
    return format_of(estimator).raw(estimator, matrix, signature)
