"""What the figures of a report are drawn from: curves, tables and histograms of predictions, each of bounded size."""

from __future__ import annotations

from typing import Any

import numpy as np

from tenure.ml.formulas import Array, Floats, Scored, calibration_bins

POINTS = 101
"""The most points of a curve."""
BINS = 20
"""Bars of a histogram."""


def roc_points(truth: Array, score: Floats) -> dict[str, list[float]] | None:
    """False and true positive rates by falling threshold, from (0, 0) to (1, 1); None where a class is missing."""
    hits, misses, _ = _by_threshold(truth, score)
    if not hits[-1] or not misses[-1]:
        return None
    chosen = _spread(np.r_[0.0, misses / misses[-1]] + np.r_[0.0, hits / hits[-1]])
    return {
        "false_positive_rate": np.r_[0.0, misses / misses[-1]][chosen].tolist(),
        "true_positive_rate": np.r_[0.0, hits / hits[-1]][chosen].tolist(),
    }


def precision_recall_points(truth: Array, score: Floats) -> dict[str, list[float]] | None:
    """Recall and precision by falling threshold, with the threshold; None without positive rows."""
    hits, misses, thresholds = _by_threshold(truth, score)
    if not hits[-1]:
        return None
    # Nothing new is found after the last positive row.
    last = int(np.argmax(hits == hits[-1])) + 1
    recall, precision = hits[:last] / hits[-1], hits[:last] / (hits + misses)[:last]
    chosen = _spread(recall)
    return {
        "recall": recall[chosen].tolist(),
        "precision": precision[chosen].tolist(),
        "threshold": thresholds[:last][chosen].tolist(),
    }


def calibration_curve(rows: Scored) -> list[dict[str, float]]:
    """For each of ten bins of the promised probability that holds rows: how many, the mean promise, and the share in
    which it came true with its 95 % interval (Wilson 1927)."""
    codes, promised, happened = calibration_bins(rows)
    found = []
    for code in np.unique(codes):
        inside = codes == code
        n, share = int(inside.sum()), float(happened[inside].mean())
        low, high = wilson(share, n)
        found.append(
            {
                "rows": n,
                "promised": float(promised[inside].mean()),
                "happened": share,
                "low": low,
                "high": high,
            }
        )
    return found


def wilson(share: float, n: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """The interval of a share among n rows."""
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def brier_parts(truth: Array, score: Floats) -> dict[str, float]:
    """The Brier score in its parts (Murphy 1973), over the ten bins of the calibration curve.

    `brier = reliability - resolution + uncertainty + within`: how far promises are from what happens (less is better),
    how far what happens in the bins is from the mean (more is better), how uncertain the outcome is in itself, and
    what is lost by looking at bins (Stephenson et al. 2008).
    """
    positive = (truth == 1).astype(np.float64)
    mean = positive.mean()
    codes = np.minimum((score * 10).astype(np.int64), 9)
    reliability = resolution = 0.0
    for code in np.unique(codes):
        inside = codes == code
        share = inside.mean()
        reliability += share * (score[inside].mean() - positive[inside].mean()) ** 2
        resolution += share * (positive[inside].mean() - mean) ** 2
    uncertainty = mean * (1 - mean)
    brier = float(np.mean((score - positive) ** 2))
    return {
        "brier": brier,
        "reliability": float(reliability),
        "resolution": float(resolution),
        "uncertainty": float(uncertainty),
        "within": float(brier - reliability + resolution - uncertainty),
    }


def gains(truth: Array, score: Floats, parts: int = 10) -> list[dict[str, float]]:
    """Rows by falling probability in parts of equal size: positives found, as a share of all, and the lift.

    Rows of equal probability count alike, wherever the border runs through them.
    """
    hits, misses, _ = _by_threshold(truth, score)
    size = np.r_[0.0, hits + misses]
    found = np.r_[0.0, hits]
    total, positives = float(size[-1]), float(found[-1])
    table = []
    before = 0.0
    for part in range(1, parts + 1):
        upto = float(np.interp(total * part / parts, size, found))
        rows = total / parts
        share = (upto - before) / rows
        table.append(
            {
                "share_of_rows": part / parts,
                "positive_share": share,
                "lift": share / (positives / total) if positives else 0.0,
                "found": upto / positives if positives else 0.0,
            }
        )
        before = upto
    return table


def histogram(values: Floats, low: float, high: float) -> list[int]:
    """Counts in `BINS` bins of equal width; what lies outside counts in the first or last one."""
    counts, _ = np.histogram(np.clip(values, low, high), bins=BINS, range=(low, high))
    found: list[int] = counts.tolist()
    return found


def residuals(truth: Floats, guess: Floats) -> dict[str, Any]:
    """Errors (prediction less truth): their distribution, and by size of the prediction in ten parts of equal count."""
    errors = guess - truth
    low, high = (float(edge) for edge in np.quantile(errors, [0.005, 0.995]))
    if high <= low:
        low, high = low - 1.0, high + 1.0
    order = np.argsort(guess, kind="stable")
    bands = []
    for part in np.array_split(order, min(10, len(order))):
        quantiles = np.quantile(errors[part], [0.1, 0.5, 0.9])
        bands.append(
            {
                "predicted": float(guess[part].mean()),
                "true": float(truth[part].mean()),
                "mean": float(errors[part].mean()),
                "low": float(quantiles[0]),
                "median": float(quantiles[1]),
                "high": float(quantiles[2]),
                "rows": len(part),
            }
        )
    return {
        "mean": float(errors.mean()),
        "sd": float(errors.std()),
        "low": low,
        "high": high,
        "counts": histogram(errors, low, high),
        "bands": bands,
    }


def _by_threshold(truth: Array, score: Floats) -> tuple[Floats, Floats, Floats]:
    """Positive and negative rows whose score is at least each distinct score, falling; and these scores."""
    order = np.argsort(-score, kind="stable")
    said, positive = score[order], truth[order] == 1
    last = np.r_[np.flatnonzero(np.diff(said)), len(said) - 1]
    hits = np.cumsum(positive)[last].astype(np.float64)
    return hits, last + 1.0 - hits, said[last]


def _spread(progress: Floats) -> Array:
    """At most `POINTS` positions of a rising curve, spread evenly along it, first and last included."""
    if len(progress) <= POINTS:
        return np.arange(len(progress))
    wanted = np.linspace(progress[0], progress[-1], POINTS)
    return np.unique(
        np.r_[0, np.searchsorted(progress, wanted), len(progress) - 1].clip(0, len(progress) - 1)
    )
