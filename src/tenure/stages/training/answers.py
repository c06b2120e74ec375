"""From the numbers of a model to its answers: calibration, threshold and intervals, learned from out-of-fold
predictions and recorded with what they are worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tenure.core.errors import StageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tenure.ml.intervals import Intervals, Margins
    from tenure.ml.postprocessing import Postprocessing
    from tenure.ml.signature import Signature
    from tenure.stages.training.finishing import Calibrate, DecisionThreshold, PredictionIntervals
    from tenure.stages.training.out_of_fold import OutOfFold


@dataclass(frozen=True)
class Wanted:
    """What the spec asks for, each None where it does not. `value` says what outcomes are worth."""

    calibration: Calibrate | None = None
    decision_threshold: DecisionThreshold | None = None
    intervals: PredictionIntervals | None = None
    value: Mapping[str, Any] = field(default_factory=dict)

    @property
    def learns(self) -> bool:
        """Whether anything is learned from out-of-fold predictions."""
        tuned = self.decision_threshold is not None and self.decision_threshold.type != "fixed"
        calibrated = self.calibration is not None and self.calibration.type != "none"
        return tuned or calibrated or self.intervals is not None

    @property
    def quantiles(self) -> tuple[float, float] | None:
        """Those that are to be estimated beside the model; None where there are none."""
        from tenure.ml.intervals import tails

        if self.intervals is None or self.intervals.type != "quantile":
            return None
        return tails(self.intervals.confidence)


@dataclass(frozen=True)
class Learned:
    """What came of it: what the predictor does, figures for the record, curves for a file, and remarks for people."""

    postprocessing: Postprocessing
    facts: dict[str, Any]
    curves: dict[str, Any]
    remarks: tuple[str, ...]


def check(wanted: Wanted, signature: Signature) -> None:
    """Raise StageError for what does not fit the task."""
    task = signature.task
    target = f"target {signature.target!r} is a {task} task"
    if wanted.calibration is not None and wanted.calibration.type != "none" and task == "regression":
        raise StageError(
            "a number has no probability",
            f"{target}, and calibration is of probabilities",
            "remove it; training.intervals says how sure a number is",
            path=("training", "calibration"),
        )
    if wanted.decision_threshold is not None and task != "binary":
        raise StageError(
            "a threshold needs two classes",
            f"{target}; a threshold parts a positive class from the other one",
            "remove it",
            path=("training", "decision_threshold"),
        )
    if wanted.intervals is not None and task != "regression":
        raise StageError(
            "an interval needs a number",
            f"{target}, so its answers come with probabilities instead",
            "remove it; training.calibration makes the probabilities mean what they say",
            path=("training", "intervals"),
        )


def learn(wanted: Wanted, found: OutOfFold | None, signature: Signature, seed: int) -> Learned:
    """Learn what is asked for. `found` may be None where nothing is to be learned. Raises StageError."""
    from tenure.ml.intervals import Margins
    from tenure.ml.postprocessing import Postprocessing

    facts: dict[str, Any] = {}
    curves: dict[str, Any] = {}
    remarks: list[str] = []
    calibration, said = None, None if found is None else found.said
    if wanted.calibration is not None and wanted.calibration.type != "none":
        assert found is not None
        calibration, facts["calibration"], remark = _calibrated(wanted.calibration, found, seed)
        if calibration is None:
            remarks.append(remark)
        else:
            said = calibration.apply(found.said)
    threshold = None
    if wanted.decision_threshold is not None:
        positive = None if found is None else found.truth == 1
        threshold, facts["decision_threshold"], curves["decision_threshold"] = _threshold(
            wanted.decision_threshold, wanted.value, said, positive
        )
    intervals = margins = None
    if wanted.intervals is not None:
        assert found is not None
        learned, facts["intervals"] = _intervals(wanted.intervals, found)
        if isinstance(learned, Margins):
            margins = learned
        else:
            intervals = learned
    postprocessing = Postprocessing(calibration, threshold, intervals, margins)
    return Learned(postprocessing, facts, curves, tuple(remarks))


def _calibrated(wanted: Calibrate, found: OutOfFold, seed: int) -> tuple[Any, dict[str, Any], str]:
    from tenure.ml.calibration import (
        FEWEST_ROWS,
        calibration_error,
        cross_calibrated,
        fit_calibration,
    )

    assert wanted.type != "none"
    before = {
        "error": calibration_error(found.said, found.truth),
        "log_loss": _log_loss(found.said, found.truth),
    }
    calibration = fit_calibration(wanted.type, found.said, found.truth)
    facts: dict[str, Any] = {"type": wanted.type, "rows": len(found), "before": before}
    if calibration is None:
        remark = (
            f"The probabilities are not calibrated: no class has {FEWEST_ROWS} out-of-fold rows and as many of the "
            "others."
        )
        return None, facts | {"applied": False, "note": remark}, remark
    # Judged on rows the map was not learned from; None where a part of them has too few.
    after = cross_calibrated(wanted.type, found.said, found.truth, seed)
    if after is not None:
        facts["after"] = {
            "error": calibration_error(after, found.truth),
            "log_loss": _log_loss(after, found.truth),
        }
    return calibration, facts | {"applied": True}, ""


def _log_loss(probabilities: npt.NDArray[np.float64], codes: npt.NDArray[np.int64]) -> float:
    import numpy as np

    chosen = probabilities[np.arange(len(codes)), codes]
    return float(-np.log(np.clip(chosen, np.finfo(np.float64).eps, 1.0)).mean())


def _threshold(
    wanted: DecisionThreshold,
    value: Mapping[str, Any],
    said: npt.NDArray[np.float64] | None,
    positive: npt.NDArray[np.bool_] | None,
) -> tuple[float, dict[str, Any], list[dict[str, float]]]:
    from tenure.ml.decision import OUTCOMES, best_by_metric, best_by_value, outcomes

    if wanted.type == "fixed":
        assert isinstance(wanted.value, float)
        return wanted.value, {"type": "fixed", "threshold": wanted.value}, []
    assert said is not None
    assert positive is not None
    counted = outcomes(said[:, 1], positive)
    facts: dict[str, Any] = {"type": "maximize", "rows": len(positive)}
    if wanted.metric is not None:
        choice = best_by_metric(counted, wanted.metric)
        facts["metric"] = wanted.metric
    else:
        choice = best_by_value(counted, {name: value.get(name) or 0.0 for name in OUTCOMES})
        facts |= {"value": "business", "currency": value["currency"]}
    name = "reached" if wanted.metric else "value_per_row"
    facts |= {"threshold": choice.threshold, name: choice.reached, "at_half": choice.at_half}
    return choice.threshold, facts, list(choice.curve)


def _intervals(wanted: PredictionIntervals, found: OutOfFold) -> tuple[Intervals | Margins, dict[str, Any]]:
    from tenure.ml.intervals import coverage, fit_intervals, fit_margins, rows_needed

    learned: Intervals | Margins | None
    if found.quantiles is not None:
        learned = margins = fit_margins(*found.quantiles, found.truth, wanted.confidence)
        ends = None if margins is None else margins.around(*found.quantiles, found.said)
        bands = {}
    else:
        learned = intervals = fit_intervals(found.said, found.truth, wanted.confidence, wanted.bands)
        ends = None if intervals is None else intervals.around(found.said)
        bands = {} if intervals is None else {"bands": len(intervals.above)}
    if learned is None or ends is None:
        raise StageError(
            "too few rows for intervals",
            f"{len(found)} out-of-fold rows do not tell what {wanted.confidence:.0%} of the errors stay within; it "
            f"takes {rows_needed(wanted.confidence)}",
            "add rows, or lower training.intervals.confidence",
            path=("training", "intervals"),
        )
    low, high = ends
    return learned, {
        "type": wanted.type,
        "confidence": wanted.confidence,
        **bands,
        "rows": len(found),
        "width": float((high - low).mean()),
        "coverage": coverage(low, high, found.truth),
    }
