"""The names of the metrics, for blocks of the spec: readable without any numerical library."""

from __future__ import annotations

from typing import Literal

MetricName = Literal[
    "accuracy",
    "balanced_accuracy",
    "f1_macro",
    "f1_weighted",
    "precision_macro",
    "f1",
    "precision",
    "recall",
    "specificity",
    "matthews_correlation",
    "cohen_kappa",
    "top_3_accuracy",
    "roc_auc",
    "average_precision",
    "kolmogorov_smirnov",
    "top_decile_lift",
    "log_loss",
    "brier",
    "expected_calibration_error",
    "mae",
    "rmse",
    "rmsle",
    "r2",
    "explained_variance",
    "mape",
    "smape",
    "median_absolute_error",
    "max_error",
]

MINIMIZED: frozenset[str] = frozenset(
    {
        "log_loss",
        "brier",
        "expected_calibration_error",
        "mae",
        "rmse",
        "rmsle",
        "mape",
        "smape",
        "median_absolute_error",
        "max_error",
    }
)
"""Metrics of which less is better; of all others more is."""

ThresholdMetric = Literal["accuracy", "balanced_accuracy", "f1", "f1_macro", "matthews_correlation"]
"""Metrics that a decision threshold can maximize."""
