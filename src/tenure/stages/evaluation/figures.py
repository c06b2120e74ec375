"""The figures of the report: confusion, curves and distributions of the predictions, each of bounded size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt

    from tenure.ml.predictions import Predictions

_MOST_CLASSES = 50


def figures_of(truth: npt.NDArray[Any], predictions: Predictions) -> dict[str, Any]:
    """Everything that is drawn of the predictions for rows with a known truth (rows,)."""
    from tenure.ml import curves
    from tenure.ml.metrics import scored

    if not predictions.classes:
        return _numbers(truth, predictions)
    rows = scored(truth, predictions)
    found: dict[str, Any] = {
        "confusion": confusion(truth, predictions),
        "by_class": _by_class(truth, predictions),
    }
    if rows.probabilities is None:
        return found
    found["calibration"] = curves.calibration_curve(rows)
    if rows.classes == 2:
        positive = rows.probabilities[:, 1]
        found["roc"] = curves.roc_points(rows.truth, positive)
        found["precision_recall"] = curves.precision_recall_points(rows.truth, positive)
        found["gains"] = curves.gains(rows.truth, positive)
        found["brier"] = curves.brier_parts(rows.truth, positive)
        found["distribution"] = {
            "low": 0.0,
            "high": 1.0,
            "negative": curves.histogram(positive[rows.truth == 0], 0.0, 1.0),
            "positive": curves.histogram(positive[rows.truth == 1], 0.0, 1.0),
        }
    return found


def confusion(truth: npt.NDArray[Any], predictions: Predictions) -> dict[str, Any] | None:
    """Rows by true class (lines) and predicted class (columns); None for regression and very many classes."""
    import numpy as np

    from tenure.ml.metrics import scored

    if not predictions.classes or len(predictions.classes) > _MOST_CLASSES:
        return None
    rows = scored(truth, predictions)
    counts = np.zeros((rows.classes, len(predictions.classes)), dtype=int)
    np.add.at(counts, (rows.truth, rows.guess), 1)
    return {"classes": list(predictions.classes), "counts": counts[: len(predictions.classes)].tolist()}


def _by_class(truth: npt.NDArray[Any], predictions: Predictions) -> list[dict[str, Any]]:
    """Rows, precision, recall and F1 of each class; the most frequent ones where there are very many."""
    import numpy as np

    from tenure.ml.metrics import scored

    rows = scored(truth, predictions)
    known = len(predictions.classes)
    true, said = (np.bincount(side, minlength=rows.classes) for side in (rows.truth, rows.guess))
    hits = np.bincount(rows.truth[rows.truth == rows.guess], minlength=rows.classes)
    shown = sorted(np.argsort(-true[:known], kind="stable")[:_MOST_CLASSES].tolist())
    return [
        {
            "class": predictions.classes[k],
            "rows": int(true[k]),
            "predicted": int(said[k]),
            "precision": float(hits[k] / said[k]) if said[k] else None,
            "recall": float(hits[k] / true[k]) if true[k] else None,
            "f1": float(2 * hits[k] / (true[k] + said[k])) if true[k] + said[k] else None,
        }
        for k in shown
    ]


def _numbers(truth: npt.NDArray[Any], predictions: Predictions) -> dict[str, Any]:
    import numpy as np

    from tenure.ml import curves
    from tenure.ml.intervals import coverage

    guess = np.asarray(predictions.labels, dtype=np.float64)
    low, high = (float(edge) for edge in np.quantile(np.r_[truth, guess], [0.005, 0.995]))
    if high <= low:
        low, high = low - 1.0, high + 1.0
    found: dict[str, Any] = {
        "confusion": None,
        "residuals": curves.residuals(truth, guess),
        "distribution": {
            "low": low,
            "high": high,
            "truth": curves.histogram(truth, low, high),
            "prediction": curves.histogram(guess, low, high),
        },
    }
    if (ends := predictions.interval) is not None:
        found["intervals"] = {
            "confidence": ends.confidence,
            "coverage": coverage(ends.low, ends.high, truth),
            "mean_width": float(np.mean(ends.high - ends.low)),
        }
    return found
