"""Slices: the metrics in parts of the test rows, where a good mean may hide a bad model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tenure.ml.metrics import Metric
    from tenure.stages.evaluation.gates.gate import Evidence

MOST_WORST = 5


def measure_slices(measures: Sequence[Metric], primary: Metric, evidence: Evidence) -> list[dict[str, Any]]:
    """Each slice with its groups: rows, every metric, and the primary one with its interval.

    A group with fewer rows than `evidence.min_slice_rows` has status `insufficient_data` and no metrics.
    """
    from tenure.ml.metrics import scored, value_of
    from tenure.ml.predictions import taken
    from tenure.ml.resampling import intervals

    found = []
    for position, name in enumerate(evidence.slices):
        groups = []
        for group in evidence.groups(name, ("evaluation", "slices", position)):
            count = int(group.rows.sum())
            entry: dict[str, Any] = {
                "group": group.label,
                "rows": count,
                "status": "ok" if count >= evidence.min_slice_rows else "insufficient_data",
            }
            if entry["status"] == "ok":
                rows = scored(evidence.truth[group.rows], taken(evidence.model, group.rows))
                interval = intervals(
                    (primary,),
                    rows,
                    confidence=evidence.confidence,
                    resamples=evidence.resamples,
                    seed=evidence.seed,
                )[primary.name]
                entry["metrics"] = {item.name: finite(value_of(item, rows)) for item in measures}
                entry["primary"] = {
                    "value": finite(interval.value),
                    "low": finite(interval.low),
                    "high": finite(interval.high),
                }
            groups.append(entry)
        found.append({"slice": name, "groups": groups})
    return found


def worst_of(slices: Sequence[dict[str, Any]], primary: Metric, overall: float) -> list[dict[str, Any]]:
    """The groups in which the primary metric is worst, compared with all rows; `surely` where the whole interval is.

    Only what is worse than on all rows is listed.
    """
    sign = 1.0 if primary.goal == "maximize" else -1.0
    listed = []
    for item in slices:
        for group in item["groups"]:
            value = group.get("primary", {}).get("value")
            if value is None or sign * (overall - value) <= 0:
                continue
            better_end = group["primary"]["high" if sign > 0 else "low"]
            listed.append(
                {
                    "slice": item["slice"],
                    "group": group["group"],
                    "rows": group["rows"],
                    "value": value,
                    "low": group["primary"]["low"],
                    "high": group["primary"]["high"],
                    "behind": sign * (overall - value),
                    "surely": better_end is not None and sign * (overall - better_end) > 0,
                }
            )
    listed.sort(key=lambda entry: (not entry["surely"], -entry["behind"], entry["slice"], entry["group"]))
    return listed[:MOST_WORST]


def finite(value: float) -> float | None:
    """JSON has no NaN: a metric that is not defined has no value."""
    import math

    return value if math.isfinite(value) else None
