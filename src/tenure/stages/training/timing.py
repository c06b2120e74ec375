"""How long a fitted model takes to answer, here and now: for people, and where the spec has latency decide."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenure.ml.design import Design
    from tenure.ml.predictions import Predictions
    from tenure.ml.predictor import Predictor

_TIMES = 15
_MORE_TIMES = 60


def answers(predictor: Predictor, design: Design) -> Predictions:
    """As `Predictor.predict`, from the design."""
    rows = design if predictor.preprocessor is None else predictor.preprocessor.transform(design)
    return predictor.predict_matrix(rows)


def milliseconds(predictor: Predictor, design: Design) -> float:
    """How long an answer for these rows takes, the middle of several."""
    return round(1000 * statistics.median(_seconds(predictor, design, _TIMES)), 3)


def quickest_milliseconds(predictor: Predictor, design: Design) -> float:
    """How long an answer for these rows takes, the least of many: other work only ever makes it slower."""
    return round(1000 * min(_seconds(predictor, design, _MORE_TIMES)), 4)


def _seconds(predictor: Predictor, design: Design, times: int) -> list[float]:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        answers(predictor, design)
        taken.append(time.perf_counter() - started)
    return taken
