"""What is done to the numbers of an estimator before they are an answer, as plain numbers in predictor.json.

It was learned from out-of-fold predictions after the search, and is applied wherever the model answers: server,
batch scoring, evaluation, reference of the monitor.
"""

from __future__ import annotations

import msgspec

from tenure.ml.calibration import Calibration
from tenure.ml.intervals import Floats, Intervals, Margins
from tenure.ml.predictions import Interval, Predictions, from_probabilities


class Postprocessing(msgspec.Struct, frozen=True, omit_defaults=True):
    """The steps, each None where the model has none: probabilities are calibrated, then the label of two classes
    follows from the threshold; numbers get an interval, around themselves or around two quantiles."""

    calibration: Calibration | None = None
    threshold: float | None = None
    intervals: Intervals | None = None
    margins: Margins | None = None

    @property
    def confidence(self) -> float | None:
        """That of the intervals; None where there are none."""
        found = self.margins or self.intervals
        return None if found is None else found.confidence

    def apply(self, said: Predictions, quantiles: tuple[Floats, Floats] | None = None) -> Predictions:
        """The answer, from what the estimator said; `quantiles` (rows,) each where it has margins for them."""
        if said.probabilities is None:
            if self.margins is not None:
                assert quantiles is not None, "a predictor with margins has quantiles"
                low, high = self.margins.around(*quantiles, said.labels)
                return Predictions(said.labels, None, (), Interval(low, high, self.margins.confidence))
            if self.intervals is None:
                return said
            low, high = self.intervals.around(said.labels)
            return Predictions(said.labels, None, (), Interval(low, high, self.intervals.confidence))
        if self.calibration is None and self.threshold is None:
            return said
        probabilities = said.probabilities
        if self.calibration is not None:
            probabilities = self.calibration.apply(probabilities)
        return from_probabilities(probabilities, said.classes, self.threshold)


NONE = Postprocessing()
"""What the estimator says is the answer."""
