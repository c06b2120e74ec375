"""The model: the winner of the search fitted to all training rows and stored in safe formats."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tenure.core.digest import digest
from tenure.stages.base import Output
from tenure.stages.training.algorithm import Rows
from tenure.stages.training.preparation import fit_preprocessor, load_rows

if TYPE_CHECKING:
    from tenure.ml.predictions import Predictions
    from tenure.stages.base import StageContext


_PROBE = 1000
"""Training rows on which the stored model must predict exactly what the fitted one does."""


def fit_winner(seed: int, context: StageContext) -> Output:
    """Fit, save, and read back: a model whose files predict otherwise than it did is never recorded."""
    import numpy as np

    from tenure.core.errors import StageError
    from tenure.ml.predictor import Predictor, load, save
    from tenure.stages.training.algorithms import Algorithms

    found = context.records["training/search"].value
    name, params = found["algorithm"], found["params"]
    rows = load_rows(context)
    algorithm = Algorithms.model_validate({name: {}}).listed()[name]
    started = time.perf_counter()
    fitted, matrix = fit_preprocessor(rows, np.arange(len(rows.frame)))
    fit = algorithm.fit(params, Rows(matrix, rows.codes), rows.setting(seed), None)
    seconds = time.perf_counter() - started
    predictor = Predictor(rows.recipe, rows.signature, fitted, fit.estimator)
    files = save(predictor)

    again = load(files)
    again.verify(rows.frame)
    before, after = (item.predict_matrix(matrix[:_PROBE]) for item in (predictor, again))
    if not (
        np.array_equal(before.labels, after.labels)
        and np.array_equal(_probabilities(before), _probabilities(after))
    ):
        raise StageError(
            "the stored model predicts something else",
            f"{name} was fitted, but its files give other predictions for the same rows",
            "please report this with the versions of the libraries",
        )
    artifacts = {name: context.artifacts.put(data) for name, data in sorted(files.items())}
    return Output(
        digest=digest(artifacts),
        value={
            "algorithm": name,
            "params": params,
            "metric": found["metric"],
            "score": found["score"],
            "trials": found["trials"],
            "rows": len(rows.frame),
            "features": int(matrix.shape[1]),
            "size": sum(len(data) for data in files.values()),
            "seconds": round(seconds, 3),
        },
        artifacts=artifacts,
        sentence=f"{name} on {len(rows.frame):,} rows and {matrix.shape[1]} inputs",
    )


def _probabilities(predictions: Predictions) -> Any:
    return () if predictions.probabilities is None else predictions.probabilities
