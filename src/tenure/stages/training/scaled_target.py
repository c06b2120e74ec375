"""Regression on a target of mean 0 and standard deviation 1, for algorithms whose parameters depend on its unit."""

from __future__ import annotations

from typing import Any


def on_scaled_target(estimator: Any) -> Any:
    """The estimator wrapped so that it learns the scaled target and predicts the real one."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.preprocessing import StandardScaler

    return TransformedTargetRegressor(estimator, transformer=StandardScaler(), check_inverse=False)
