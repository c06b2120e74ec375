"""The monitoring report: one self-contained page per model. It shows aggregates only, never a row of data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from tenure.core.units import format_instant
from tenure.ml.report.page import markup, render
from tenure.ml.report.plots import histogram
from tenure.stages.monitoring.alerts import Alert
from tenure.stages.monitoring.distances import SHORT
from tenure.stages.monitoring.plots import Limit, Point, timeline
from tenure.state.record import Fact, ModelState, Observation

TEMPLATE = "report.html.jinja"
WORDS = {"ok": "OK", "warn": "Warning", "critical": "Critical", "insufficient_data": "Not enough data"}
MARKS = {"ok": "✓", "warn": "!", "critical": "✕", "insufficient_data": "○"}
STATES = {"ok": "quiet", "pending": "pending", "firing": "firing", "resolving": "resolving"}
GATES = {
    "both": "passes both gates",
    "effect": "large, but may be chance",
    "noise": "real, but too small to matter",
    "none": "passes neither gate",
}


def report_of(state: ModelState, now: datetime) -> str | None:
    """The report of a recorded model; None when nothing watches it."""
    from tenure.stages.monitoring.section import alerts_of

    record = state.records.get("monitoring/monitor")
    if record is None:
        return None
    found = alerts_of(record.value, state.observations)
    return report_html(state.model, record.value, state.observations, state.facts, found, now)


def report_html(
    model: str,
    value: Mapping[str, Any],
    observations: Sequence[Observation],
    facts: Iterable[Fact],
    alerts: Iterable[Alert],
    now: datetime,
) -> str:
    """The page. `value` is that of the recorded monitor, whose version the alerts are about.

    Timelines go through all versions; the verdicts are about the version that is watched.
    """
    ordered = sorted(observations, key=lambda item: item.window_start)
    by_level = {(alert.signal, alert.level): alert for alert in alerts}
    signals = [
        _signal(
            name, block, [item for item in ordered if item.signal == name], by_level, str(value["version"])
        )
        for name, block in value["signals"].items()
    ]
    verdict, headline = _headline(signals, value)
    return render(
        __package__,
        TEMPLATE,
        words=WORDS,
        marks=MARKS,
        gates=GATES,
        model=model,
        value=value,
        now=format_instant(now.replace(microsecond=0)),
        verdict=verdict,
        headline=headline,
        signals=signals,
        span=_span(ordered),
        windows=len({item.window_start for item in ordered}),
        causes=[_cause(fact) for fact in sorted(facts, key=lambda item: item.at, reverse=True)],
        foreign_reference=any(
            item.evidence.get("foreign_reference", False)
            for item in ordered
            if item.subject == str(value["version"])
        ),
        unreadable=max((item.evidence.get("unreadable_files", 0) for item in ordered), default=0),
    )


def _signal(
    name: str,
    block: Mapping[str, Any],
    observations: Sequence[Observation],
    alerts: Mapping[tuple[str, Any], Alert],
    version: str,
) -> dict[str, Any]:
    own = [item for item in observations if item.subject == version]
    # Until a new version has been judged, the page shows what was seen of the one before.
    judged = [item for item in own or observations if item.verdict != "insufficient_data"]
    latest = own[-1] if own else None
    found = [alert for level in ("critical", "warn") if (alert := alerts.get((name, level))) is not None]
    confirmed = next((alert for alert in found if alert.state.confirmed), None)
    status = confirmed.level if confirmed else latest.verdict if latest else "insufficient_data"
    return {
        "name": name,
        "kind": block["type"].replace("_", " "),
        "type": block["type"],
        "block": block,
        "status": status,
        "latest": latest,
        "sentence": _glance(latest, judged[-1] if judged else None, confirmed),
        "judged": judged[-1] if judged else None,
        "judged_window": window_text(judged[-1]) if judged else None,
        "alert": confirmed,
        "alerts": [_alert(alert) for alert in found],
        "confirmed": _alert(confirmed) if confirmed else None,
        "charts": [
            {"title": title, "svg": markup(chart)} for title, chart in _charts(name, block, observations)
        ],
        "histograms": [
            {
                "column": item["column"],
                "svg": markup(histogram(item["labels"], item["reference"], item["window"], item["column"])),
            }
            for item in (judged[-1].evidence.get("histograms", []) if judged else [])
        ],
        "history": [
            {"window": window_text(item), "item": item, "evidence": item.evidence}
            for item in reversed(observations)
        ],
    }


def _glance(latest: Observation | None, judged: Observation | None, confirmed: Alert | None) -> str:
    """What to say of a signal first: a confirmed breach stays the news while newer windows wait for data."""
    if latest is None:
        return "nothing observed of this version yet"
    if confirmed is not None and judged is not None and judged is not latest:
        return f"{window_text(judged)}: {judged.evidence.get('sentence', '')}; not enough data since"
    return str(latest.evidence.get("sentence", ""))


def _charts(
    name: str, block: Mapping[str, Any], observations: Sequence[Observation]
) -> Iterable[tuple[str, str]]:
    if block["type"] == "model_performance":
        limits = [item.evidence["limit"] for item in observations if "limit" in item.evidence]
        below = any(item.evidence.get("goal") == "maximize" for item in observations)
        points = [_point(item, item.value, item.evidence.get("interval", {})) for item in observations]
        shown = [Limit(limits[-1], "critical", below, "limit")] if limits else []
        sure = [item.evidence["confidence"] for item in observations if "confidence" in item.evidence]
        title = block["metric"] + (f", with {100 * sure[-1]:.3g} % confidence intervals" if sure else "")
        yield title, timeline(points, shown, name=name, height=220)
    elif block["type"] == "data_quality":
        for key, text in (("missing", "missing_increase"), ("unseen", "unseen_rate")):
            shown = [Limit(block[text], "warn"), Limit(block[f"{text}_critical"], "critical")]
            points = [_of_limits(_point(item, item.evidence.get(key)), shown) for item in observations]
            title = (
                "largest increase of missing values" if key == "missing" else "largest share of unseen values"
            )
            yield title, timeline(points, shown, name=f"{name}: {title}", height=130, percent=True)
    else:
        points = [_point(item, item.value) for item in observations]
        shown = [Limit(block["warn"], "warn"), Limit(block["critical"], "critical")]
        what = "the predictions" if block["type"] == "prediction_drift" else "the column that moved furthest"
        title = f"{SHORT[block['metric']]} of {what}; grey: what chance alone may give"
        yield title, timeline(points, shown, name=name)


def _of_limits(point: Point, limits: Sequence[Limit]) -> Point:
    """One measure of several is coloured by its own thresholds, as far as the whole verdict goes."""
    reached = [limit.level for limit in limits if point.value is not None and point.value >= limit.value]
    if point.verdict == "insufficient_data" or point.verdict in reached:
        return point
    return msgspec.structs.replace(point, verdict=reached[-1] if reached and point.verdict != "ok" else "ok")


def _point(item: Observation, value: float | None, interval: Mapping[str, Any] | None = None) -> Point:
    interval = interval or {}
    title = f"{window_text(item)}: {WORDS[item.verdict]}. {item.evidence.get('sentence', '')}"
    first: Mapping[str, Any] = next(iter(item.evidence.get("columns", ())), {})
    return Point(
        _tick(item),
        value,
        item.verdict,
        title,
        interval.get("low"),
        interval.get("high"),
        first.get("floor"),
        item.subject,
    )


def window_text(item: Observation) -> str:
    """A window for people: `April 2013`, `3 May 2013`, or both ends to the minute."""
    start, end = item.window_start, item.window_end
    last = end - timedelta(microseconds=1)
    if (end - start) >= timedelta(days=1) and not (start.hour or start.minute or end.hour or end.minute):
        if start.day == 1 and end.day == 1:
            first, final = f"{start:%B %Y}", f"{last:%B %Y}"
        else:
            first, final = f"{start.day} {start:%B %Y}", f"{last.day} {last:%B %Y}"
        return first if first == final else f"{first} to {final}"
    return f"{start.day} {start:%B %Y %H:%M} to {end:%H:%M}"


def _tick(item: Observation) -> str:
    start, length = item.window_start, item.window_end - item.window_start
    if length >= timedelta(days=28):
        return f"{start:%b %Y}"
    return f"{start.day} {start:%b}" if length >= timedelta(days=1) else f"{start.day} {start:%b %H:%M}"


def _headline(signals: Sequence[Mapping[str, Any]], value: Mapping[str, Any]) -> tuple[str, str]:
    if value["state"] == "stopped":
        return "insufficient_data", f"Version {value['version']} no longer serves; this is what was seen"
    for level in ("critical", "warn"):
        confirmed = [item for item in signals if item["alert"] is not None and item["alert"].level == level]
        if confirmed:
            since = [f"{item['name']} since {_day(item['alert'].since)}" for item in confirmed]
            return level, f"Confirmed {WORDS[level].lower()}: {', '.join(since)}"
    for level in ("critical", "warn"):
        latest = [item["name"] for item in signals if item["status"] == level]
        if latest:
            return "warn", f"{', '.join(latest)}: {WORDS[level].lower()} in the latest window, not confirmed"
    if all(item["status"] == "insufficient_data" for item in signals):
        return "insufficient_data", "Not enough data to judge this version yet"
    waiting = [item["name"] for item in signals if item["status"] == "insufficient_data"]
    return "ok", "Nothing to report" + (f"; not enough data for {', '.join(waiting)}" if waiting else "")


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"


def _alert(alert: Alert) -> dict[str, Any]:
    return {
        "level": alert.level,
        "state": STATES[alert.state.value],
        "confirmed": alert.state.confirmed,
        "since": format_instant(alert.since)[:10] if alert.since else None,
        "count": f"{len(alert.breaches)} of the last {alert.windows} judged windows"
        if alert.windows
        else "none judged",
    }


def _cause(fact: Fact) -> dict[str, Any]:
    if fact.settled_at:
        state = f"settled {format_instant(fact.settled_at)[:10]}"
    else:
        state = "open"
    return {"at": format_instant(fact.at)[:16].replace("T", " "), "fact": fact, "state": state}


def _span(observations: Sequence[Observation]) -> str:
    if not observations:
        return "no window judged yet"
    last = max(item.window_end for item in observations) - timedelta(microseconds=1)
    first = observations[0].window_start
    return f"{first.day} {first:%B %Y} to {last.day} {last:%B %Y}"
