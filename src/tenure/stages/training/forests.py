"""What forests have in common: their parameters, and how they are grown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from tenure.core.effect import Effect
from tenure.spec.base import SpecModel, field
from tenure.stages.training.algorithm import Fit, Rows, Setting, limited_threads
from tenure.stages.training.space import Dimension, Fixed, Int, Takes, Uniform


class ForestSpace(SpecModel):
    """Parameters of a forest that are searched."""

    n_estimators: Annotated[Dimension, Takes("whole", 1)] = field(
        Effect.RETRAIN,
        "Number of trees: more is never worse, only larger and slower.",
        Fixed(type="fixed", value=100),
    )
    max_features: Annotated[Dimension, Takes("number", 0, 1, above=True)] = field(
        Effect.RETRAIN,
        "Share of the features considered at each split.",
        Uniform(type="uniform", low=0.1, high=1.0),
    )
    min_samples_leaf: Annotated[Dimension, Takes("whole", 1)] = field(
        Effect.RETRAIN, "Fewest rows in a leaf; more is smoother.", Int(type="int", low=1, high=20, log=True)
    )
    max_depth: Annotated[Dimension, Takes("whole", 0)] = field(
        Effect.RETRAIN, "Greatest depth of a tree; 0 for no limit.", Fixed(type="fixed", value=0)
    )


def grown(kind: Any, params: Mapping[str, Any], rows: Rows, setting: Setting) -> Fit:
    """A forest of a class of scikit-learn, fitted."""
    estimator = kind(
        n_estimators=int(params["n_estimators"]),
        max_features=float(params["max_features"]),
        min_samples_leaf=int(params["min_samples_leaf"]),
        max_depth=int(params["max_depth"]) or None,
        random_state=setting.seed,
        n_jobs=setting.threads,
    )
    with limited_threads(setting.threads):
        estimator.fit(rows.matrix, rows.target, rows.weights)
    # With several jobs the trees are added up in the order they finish, which changes the last digits.
    estimator.set_params(n_jobs=1)
    return Fit(estimator)
