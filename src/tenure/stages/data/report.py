"""The data report: one self-contained page about a snapshot. It shows aggregates only, never a row of data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tenure.core.units import format_instant
from tenure.ml.report.axes import number, short
from tenure.ml.report.page import markup, render
from tenure.ml.report.plots import Bar, bars, heat, histogram
from tenure.stages.data.statistics import decode, instant

if TYPE_CHECKING:
    from tenure.artifacts.store import ArtifactStore
    from tenure.ml.profile import Bins, Counts
    from tenure.stages.data.statistics import ColumnStatistics, PartStatistics, Statistics
    from tenure.state.record import ModelState, Record

TEMPLATE = "report.html.jinja"
SNAPSHOT, ARTIFACT = "data/snapshot", "statistics"
WARN, CRITICAL = 0.1, 0.25
"""PSI from which a column has moved, and moved far: the thresholds usual since credit scoring."""
SUSPECT = 0.95
_MOST_BARS, _MOST_MOVED, _MOST_CLASSES, _LISTED = 30, 25, 20, 10
_WHY_HIDDEN = {
    "personal": "personal data: no value is shown",
    "sensitive": "sensitive: no value is shown",
    "distinct": "most rows have a text of their own: none is shown",
}


def report_of(state: ModelState, artifacts: ArtifactStore, now: datetime) -> str | None:
    """The report of a recorded snapshot; None when there is none, or it was made before there were statistics."""
    record = state.records.get(SNAPSHOT)
    if record is None or ARTIFACT not in record.artifacts:
        return None
    found = decode(artifacts.get(record.artifacts[ARTIFACT]))
    return None if found is None else report_html(state.model, record, found, now)


def report_html(model: str, record: Record, found: Statistics, now: datetime) -> str:
    """The page."""
    value = record.value
    checks = [_check(item) for item in value["checks"]]
    suspects = [item for item in found.columns if (item.association or 0.0) >= SUSPECT]
    moved = _moved(found.columns)
    leakage = value.get("leakage", [])
    verdict, headline = _headline(checks, suspects, moved, [item for item in leakage if item["blocks"]])
    return render(
        __package__,
        TEMPLATE,
        model=model,
        value=value,
        snapshot=record.digest.removeprefix("sha256:")[:12],
        made=format_instant(record.at.replace(microsecond=0)),
        now=format_instant(now.replace(microsecond=0)),
        verdict=verdict,
        headline=headline,
        found=found,
        balance=_balance(found.parts, value["classes"]),
        associations=_associations(found.columns, value["target"]),
        suspects=[item.name for item in suspects],
        checks=checks,
        leakage=leakage,
        joins=value.get("joins", []),
        cleaning=value["cleaning"],
        moved=moved,
        columns=[_column(item, found.rows, value["target"]) for item in found.columns],
    )


def _headline(
    checks: Sequence[Mapping[str, Any]],
    suspects: Sequence[ColumnStatistics],
    moved: Sequence[Mapping[str, Any]],
    leaks: Sequence[Mapping[str, Any]],
) -> tuple[str, str]:
    said = []
    if suspects:
        said.append(f"{_listed([item.name for item in suspects])} nearly gives the target away")
    if leaks:
        said.append("what is tested was seen in training")
    failed = [check for check in checks if not check["passed"]]
    if failed:
        said.append(f"{len(failed)} check{'s' if len(failed) > 1 else ''} with violations")
    far = [item["name"] for item in moved if item["verdict"] == "critical"]
    if far:
        said.append(f"{_listed(far)} moved far since the snapshot before")
    if not said:
        return "ok", "Nothing stands out"
    text = "; ".join(said)
    return ("critical" if suspects or leaks else "warn"), text[:1].upper() + text[1:]


def _check(item: Mapping[str, Any]) -> dict[str, Any]:
    level = "ok" if item["passed"] else "critical" if item["severity"] == "error" else "warn"
    word = "holds" if item["passed"] else f"{item['violations']:,} violation(s)"
    return {**item, "level": level, "word": word}


def _balance(parts: Sequence[PartStatistics], classes: Sequence[Any]) -> Any:
    """The shares of the classes in each part, as a table in shades; None for numbers."""
    if not classes:
        return None
    shown = classes[:_MOST_CLASSES]
    shares = [[part.classes[i] / max(part.rows, 1) for i in range(len(shown))] for part in parts]
    return markup(
        heat(
            [part.part for part in parts],
            [str(value) for value in shown],
            shares,
            name="share of each class in each part of the split",
            texts=[[number(share, percent=True) for share in row] for row in shares],
            titles=[
                [
                    f"{part.part}, {value}: {part.classes[i]:,} of {part.rows:,} rows"
                    for i, value in enumerate(shown)
                ]
                for part in parts
            ],
        )
    )


def _associations(columns: Sequence[ColumnStatistics], target: str) -> Any:
    known = [item for item in columns if item.association is not None and item.name != target]
    ranked = sorted(known, key=lambda item: (-(item.association or 0.0), item.name))[:_MOST_BARS]
    if not ranked:
        return None
    rows = [
        Bar(
            item.name,
            item.association or 0.0,
            f"{item.name} alone explains {number(item.association, percent=True)} of {target}",
            kind="critical" if (item.association or 0.0) >= SUSPECT else "series",
        )
        for item in ranked
    ]
    return markup(
        bars(rows, name=f"share of {target} that each column alone explains", percent=True, most=1.0)
    )


def _moved(columns: Sequence[ColumnStatistics]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for item in columns:
        if item.moved is None:
            continue
        far = item.moved.above_noise and item.moved.psi >= WARN
        verdict = ("critical" if item.moved.psi >= CRITICAL else "warn") if far else "ok"
        missing = item.drift_counts.missing_rate if item.drift_counts else 0.0
        found.append({"name": item.name, "moved": item.moved, "verdict": verdict, "missing": missing})
    rank = {"critical": 0, "warn": 1, "ok": 2}
    return sorted(found, key=lambda item: (rank[item["verdict"]], -item["moved"].psi))[:_MOST_MOVED]


def _column(item: ColumnStatistics, rows: int, target: str) -> dict[str, Any]:
    counts = item.drift_counts
    numeric = item.type in ("number", "integer") and counts is not None and counts.numbers
    facts = []
    if numeric and counts is not None:
        facts = [
            ("mean", number(counts.mean)),
            ("deviation", number(counts.deviation)),
            ("from", number(counts.minimum)),
            ("to", number(counts.maximum)),
        ]
    elif item.type == "timestamp" and counts is not None and counts.minimum is not None:
        facts = [("from", instant(counts.minimum)), ("to", instant(counts.maximum or counts.minimum))]
    shown = None
    if item.shown is not None and item.shown_counts is not None:
        labels, shares = _bins(item, item.shown, item.shown_counts)
        shown = markup(histogram(labels, None, shares, item.name))
    return {
        "name": item.name,
        "type": item.type,
        "target": item.name == target,
        "hidden": _WHY_HIDDEN.get(item.hidden or ""),
        "svg": shown,
        "missing": item.nulls / rows if rows else 0.0,
        "nulls": item.nulls,
        "distinct": item.distinct,
        "association": item.association,
        "facts": facts,
        "constant": item.distinct <= 1,
    }


def _bins(item: ColumnStatistics, bins: Bins, counts: Counts) -> tuple[list[str], list[float]]:
    """Labels and shares of the bins: frequent categories, the rest as one; missing values only where there are any."""
    labels = list(bins.labels)
    if item.type == "timestamp":
        labels = _times(bins)
    pairs = list(zip(labels, counts.bins, strict=True))
    if bins.kind == "categories":
        listed, special = pairs[: len(bins.values)], dict(pairs[len(bins.values) :])
        other = sum(times for _, times in listed[_LISTED:]) + special["__other__"] + special["__unseen__"]
        pairs = [(short(label, 40), times) for label, times in listed[:_LISTED]]
        pairs += [("__other__", other)] if other else []
        pairs += [("__null__", special["__null__"])] if special["__null__"] else []
    else:
        pairs = [(label, times) for label, times in pairs if times or not label.startswith("__")]
    return [label for label, _ in pairs], [times / max(counts.rows, 1) for _, times in pairs]


def _times(bins: Bins) -> list[str]:
    if bins.kind == "values":
        return [*(instant(float(value)) for value in bins.values), "__unseen__", "__null__"]
    edges = [instant(edge) for edge in bins.edges]
    if not edges:
        return ["any", "__null__"]
    middle = [f"{low} to {high}" for low, high in pairwise(edges)]
    return [f"before {edges[0]}", *middle, f"from {edges[-1]}", "__null__"]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
