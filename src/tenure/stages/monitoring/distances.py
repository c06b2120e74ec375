"""The judgement that `data_drift` and `prediction_drift` share: distances of columns from the frozen reference."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from tenure.stages.monitoring.judging import (
    FEWEST_ROWS,
    ROWS_PER_BIN,
    Judgement,
    Level,
    WindowRows,
    insufficient,
    rounded,
    verdict_of,
)

if TYPE_CHECKING:
    from tenure.ml.drift import Drift
    from tenure.ml.profile import Column, Counts

Metric = Literal["population_stability_index", "jensen_shannon"]
SHORT: dict[str, str] = {"population_stability_index": "PSI", "jensen_shannon": "JS distance"}
HISTOGRAMS = 12
"""How many histograms a judgement keeps for the report: those of the columns that moved furthest."""


def judge_distances(
    rows: WindowRows, columns: Mapping[str, Column], metric: Metric, thresholds: Mapping[Level, float]
) -> Judgement:
    """Compare columns of the log (by their name there) with their profiles.

    A column breaches a threshold when its distance reaches it *and* is above its own noise floor.
    """
    from tenure.ml.drift import bins_in_use, compare
    from tenure.ml.profile import count, reference_for

    counted: dict[str, tuple[Column, Counts, Counts]] = {}
    few: list[dict[str, Any]] = []
    absent: list[str] = []
    for stored, column in columns.items():
        if stored not in rows.rows.column_names:
            absent.append(column.name)
            continue
        reference = reference_for(column, rows.window.months, rows.seasonal)
        window = count(column.bins, rows.rows.column(stored))
        needed = rows.min_rows or max(FEWEST_ROWS, ROWS_PER_BIN * bins_in_use(reference.bins, window.bins))
        if window.rows < needed or reference.rows < needed:
            few.append(
                {
                    "column": column.name,
                    "rows": window.rows,
                    "reference_rows": reference.rows,
                    "needed": needed,
                }
            )
        else:
            counted[column.name] = (column, reference, window)
    if not counted:
        return insufficient(_too_few(few, rows.rows.num_rows), too_few=few, not_logged=absent)
    found = compare(
        {name: (reference.bins, window.bins) for name, (_, reference, window) in counted.items()}, metric
    )
    loud = [item for item in found if item.above_noise]
    pressure = {
        level: rounded(max((item.value / threshold for item in loud), default=0.0))
        for level, threshold in thresholds.items()
    }
    first = found[0]
    verdict = verdict_of(pressure)
    return Judgement(
        verdict,
        rounded(first.value),
        pressure,
        _sentence(first, metric, thresholds, rows.seasonal),
        {
            "metric": metric,
            "thresholds": dict(thresholds),
            "columns": [_row(item, thresholds) for item in found],
            "histograms": list(_histograms(found, counted)),
            "too_few": few,
            "not_logged": absent,
            "seasonal": rows.seasonal,
        },
    )


def gate(value: float, above_noise: bool, effect: float) -> str:
    """Which of the two gates a value passed: `both`, `effect` (large, yet may be chance), `noise`, or `none`."""
    large = value >= effect
    return "both" if large and above_noise else "effect" if large else "noise" if above_noise else "none"


def _row(item: Drift, thresholds: Mapping[Level, float]) -> dict[str, Any]:
    reached = {level: item.value / limit if item.above_noise else 0.0 for level, limit in thresholds.items()}
    return {
        "column": item.column,
        "verdict": verdict_of(reached),
        "value": rounded(item.value),
        "floor": rounded(item.floor) if math.isfinite(item.floor) else None,
        "gate": gate(item.value, item.above_noise, min(thresholds.values())),
        "p_value": rounded(item.p_value, 3),
        "psi": rounded(item.psi),
        "js": rounded(item.js),
        "bins": item.bins,
        "rows": item.window_rows,
        "reference_rows": item.reference_rows,
    }


def _histograms(
    found: Iterable[Drift], counted: Mapping[str, tuple[Column, Counts, Counts]]
) -> Iterable[dict[str, Any]]:
    for item in list(found)[:HISTOGRAMS]:
        column, reference, window = counted[item.column]
        used = [i for i, (a, b) in enumerate(zip(reference.bins, window.bins, strict=True)) if a or b]
        labels = column.bins.labels
        yield {
            "column": item.column,
            "labels": [labels[i] for i in used],
            "reference": [rounded(reference.bins[i] / reference.rows, 4) for i in used],
            "window": [rounded(window.bins[i] / window.rows, 4) for i in used],
        }


def _sentence(first: Drift, metric: Metric, thresholds: Mapping[Level, float], seasonal: bool) -> str:
    name, against = SHORT[metric], "the same months of the reference" if seasonal else "the reference"
    if first.above_noise and first.value >= min(thresholds.values()):
        return f"{first.column} moved furthest from {against}: {name} {first.value:.3f}, noise floor {first.floor:.3f}"
    if first.above_noise:
        return f"{first.column} moved from {against}, yet too little to matter: {name} {first.value:.3f}"
    return (
        f"nothing moved from {against} by more than chance; furthest {first.column}: {name} {first.value:.3f}"
    )


def _too_few(few: list[dict[str, Any]], rows: int) -> str:
    if not few:
        return "none of the columns is in the prediction log"
    least = min(few, key=lambda item: item["needed"])
    if least["reference_rows"] < least["needed"]:
        return f"the reference has {least['reference_rows']} rows; a comparison needs {least['needed']}"
    return f"{rows} rows in the window; a comparison needs {least['needed']}"
