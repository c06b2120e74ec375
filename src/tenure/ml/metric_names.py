"""The names of the metrics, for blocks of the spec: readable without any numerical library."""

from __future__ import annotations

from typing import Literal

MetricName = Literal[
    "accuracy",
    "balanced_accuracy",
    "f1_macro",
    "f1",
    "precision",
    "recall",
    "roc_auc",
    "average_precision",
    "log_loss",
    "brier",
    "mae",
    "rmse",
    "r2",
    "mape",
    "median_absolute_error",
]

MINIMIZED: frozenset[str] = frozenset({"log_loss", "brier", "mae", "rmse", "mape", "median_absolute_error"})
"""Metrics of which less is better; of all others more is."""
