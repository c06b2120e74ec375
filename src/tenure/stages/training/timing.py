"""How long a fitted model takes to answer, here and now: for people, and never for a decision."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenure.ml.design import Design
    from tenure.ml.predictions import Predictions
    from tenure.ml.predictor import Predictor

_TIMES = 15


def answers(predictor: Predictor, design: Design) -> Predictions:
    """As `Predictor.predict`, from the design."""
    rows = design if predictor.preprocessor is None else predictor.preprocessor.transform(design)
    return predictor.predict_matrix(rows)


def milliseconds(predictor: Predictor, design: Design) -> float:
    """How long an answer for these rows takes, the middle of several."""
    times = []
    for _ in range(_TIMES):
        started = time.perf_counter()
        answers(predictor, design)
        times.append(time.perf_counter() - started)
    return round(1000 * statistics.median(times), 3)
