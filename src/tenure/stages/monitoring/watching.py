"""One look at a running version: the log and the labels, window by window, give verdicts; verdicts give causes.

A window is judged again only when something it is judged by has changed: its segments, the labels, the reference, or
the settings of the signal. Everything else is taken from the recorded observations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tenure.core.digest import digest, short
from tenure.core.units import parse_duration
from tenure.ml.inference_log import LogIndex, feature_column, index_log, join_labels, read_labels, read_log
from tenure.ml.reference import Reference, decode
from tenure.ml.windows import Window, completed
from tenure.stages.base import Observed, StageContext
from tenure.stages.monitoring.alerts import Rule, alerts
from tenure.stages.monitoring.judging import Judgement, Signal, WindowRows, rounded
from tenure.stages.monitoring.policies import Incident, Policy, follow_policies, no_longer_true
from tenure.state.record import Observation

if TYPE_CHECKING:
    import pyarrow as pa

    from tenure.plan.view import View

ENDPOINT = "deployment/endpoint"
MOST_WINDOWS = 60
JUDGING_VERSION = 1
"""Raised when the same rows get another judgement, so that recorded ones are made anew."""


def look(
    context: StageContext,
    value: Mapping[str, Any],
    reference: str,
    signals: Mapping[str, Signal],
    policies: Sequence[Policy],
    rule: Rule,
) -> Observed:
    """Judge the completed windows of the watched version, and follow the policies. `reference` is a blob digest."""
    version: int = value["version"]
    watch = _Watch(context, value, reference, signals, rule)
    fresh = watch.observations()
    places = {(item.signal, item.window_start): item for item in (*watch.recorded.values(), *fresh)}
    known = sorted(places.values(), key=lambda item: (item.window_start, item.signal))
    confirmed = {(alert.signal, alert.level): alert for alert in alerts(signals, known, rule)}
    incident = Incident(
        model=context.model,
        version=version,
        rule=rule,
        alerts=confirmed,
        quality=_broken(value, known, confirmed),
        cooldown=value["alerting"]["cooldown"],
        now=context.now,
        challenger=_challenger(context.view, version),
    )
    return Observed(
        observations=fresh,
        facts=follow_policies(policies, incident, context.view.facts),
        cleared=no_longer_true(incident, context.view.facts),
    )


class _Watch:
    """The rows of one version, read window by window and at most once each."""

    def __init__(
        self,
        context: StageContext,
        value: Mapping[str, Any],
        reference: str,
        signals: Mapping[str, Signal],
        rule: Rule,
    ) -> None:
        self.context = context
        self.value = value
        self.signals = signals
        self.rule = rule
        self.version: int = value["version"]
        self.reference_digest = reference
        self.reference: Reference = decode(context.artifacts.get(reference))
        self.log: LogIndex = index_log(context.folders.predictions)
        self.labels = read_labels(context.folders.labels)
        endpoint = context.view.value(ENDPOINT) or {}
        settings = endpoint.get("log", {})
        self.id_column: str | None = settings.get("id_column")
        self.redacted = frozenset(settings.get("redact", ()))
        self.recorded = {
            (item.signal, item.window_start): item
            for item in context.view.observations
            if item.subject == str(self.version) and item.signal in signals
        }
        self.windows = self._completed()
        self.rows = lru_cache(maxsize=rule.of + 1)(self._rows)
        self.labelled = lru_cache(maxsize=rule.of + 1)(self._labelled)
        self.truth = lru_cache(maxsize=None)(self._truth)

    def observations(self) -> tuple[Observation, ...]:
        """Those that are new or changed, by window."""
        found: list[Observation] = []
        started = False
        for position, window in enumerate(self.windows):
            for name, signal in self.signals.items():
                inputs = self._inputs(name, signal, position)
                before = self.recorded.get((name, window.start))
                if before is not None and before.evidence.get("inputs") == inputs:
                    started = True
                    continue
                if not started and self.rows(position).num_rows == 0:
                    continue  # the version did not serve yet
                started = True
                found.append(self._observe(name, signal, position, inputs))
        return tuple(found)

    def _observe(self, name: str, signal: Signal, position: int, inputs: str) -> Observation:
        window, rows = self.windows[position], self.rows(position)
        empty = rows.slice(0, 0)
        judged = signal.judge(
            WindowRows(
                window=window,
                rows=rows,
                labelled=self.labelled(position) if signal.needs_labels else empty,
                recent=[self.labelled(other) for other in self._earlier(position)]
                if signal.needs_labels
                else (),
                most_recent=self.rule.of - 1,
                reference=self.reference,
                min_rows=self.value["window"].get("min_rows"),
                seasonal=self.value["reference"]["season"] is not None,
                redacted=self.redacted,
                promised=self.value["released"],
            )
        )
        return Observation(
            model=self.context.model,
            signal=name,
            window_start=window.start,
            window_end=window.end,
            verdict=judged.verdict,
            value=judged.value,
            evidence=self._evidence(judged, rows, inputs, type(signal).__name__),
            subject=str(self.version),
            at=self.context.now,
        )

    def _evidence(self, judged: Judgement, rows: pa.Table, inputs: str, kind: str) -> dict[str, Any]:
        found = {
            "kind": kind,
            "sentence": judged.sentence,
            "pressure": {level: rounded(number) for level, number in judged.pressure.items()},
            "rows": rows.num_rows,
            "inputs": inputs,
            **judged.evidence,
        }
        record = self.context.view.versions.get(self.version)
        learned_from = record.value.get("lineage", {}).get("data", {}).get("digest") if record else None
        if learned_from not in (None, self.reference.snapshot):
            # A version that serves again after newer data was read, and whose own reference was not kept.
            found["foreign_reference"] = True
        unreadable = len(self.log.unreadable) + len(self.labels.unreadable)
        return found | {"unreadable_files": unreadable} if unreadable else found

    def _completed(self) -> tuple[Window, ...]:
        if self.log.first is None or self.log.last is None:
            return ()
        return completed(
            self.log.first,
            min(self.log.last, self.context.now),
            parse_duration(self.value["window"]["size"]),
            now=self.context.now,
            lateness=parse_duration(self.value["window"]["allowed_lateness"]),
            most=MOST_WINDOWS,
        )

    def _inputs(self, name: str, signal: Signal, position: int) -> str:
        """Digest of everything the judgement of one window depends on."""
        positions = [position, *(self._earlier(position) if signal.needs_labels else ())]
        segments = [
            segment.path.name
            for segment in self.log.segments
            if any(_touches(segment.first, segment.last, self.windows[other]) for other in positions)
        ]
        return short(
            digest(
                [
                    JUDGING_VERSION,
                    self.version,
                    self.value["signals"][name],
                    self.value["window"],
                    self.reference_digest,
                    self.value["reference"],
                    self.value["released"],
                    self.rule.of,
                    sorted(self.redacted),
                    [self.windows[position].start.isoformat(), segments],
                    [self.truth(other) for other in positions] if signal.needs_labels else None,
                ]
            )
        )

    def _earlier(self, position: int) -> range:
        """The windows before this one that count towards the same alert."""
        return range(max(0, position - self.rule.of + 1), position)

    def _truth(self, position: int) -> str:
        """Digest of the labels that have arrived for one window; reads the columns that takes and no more."""
        named = [] if self.id_column is None else [self.id_column, feature_column(self.id_column)]
        labelled = self._join(self._rows(position, ("model_version", "prediction_id", *named)))
        return digest([str(label) for label in labelled.column("label").to_pylist()])

    def _rows(self, position: int, columns: Sequence[str] | None = None) -> pa.Table:
        import pyarrow.compute as pc

        window = self.windows[position]
        touched = tuple(item for item in self.log.segments if _touches(item.first, item.last, window))
        table = read_log(LogIndex(touched), window.start, window.end, columns=columns).table
        return table.filter(pc.fill_null(pc.equal(table.column("model_version"), self.version), False))

    def _labelled(self, position: int) -> pa.Table:
        return self._join(self.rows(position))

    def _join(self, rows: pa.Table) -> pa.Table:
        try:
            return join_labels(rows, self.labels.table, self.id_column)
        except KeyError:  # no row of this window was logged with the column that labels are joined by
            return join_labels(rows.slice(0, 0), self.labels.table)


def _broken(
    value: Mapping[str, Any], known: Sequence[Observation], confirmed: Mapping[Any, Any]
) -> tuple[Observation, ...]:
    """The data-quality signals whose data is broken now: critical in the latest judged window, or confirmed."""
    found = []
    for name, block in value["signals"].items():
        judged = [item for item in known if item.signal == name and item.verdict != "insufficient_data"]
        if block["type"] != "data_quality" or not judged:
            continue
        if judged[-1].verdict == "critical" or confirmed[name, "critical"].state.confirmed:
            found.append(judged[-1])
    return tuple(found)


def _challenger(view: View, watched: int) -> int | None:
    """A newer version that passed its gates and waits for an approval or a step of its rollout. One that was released
    before and taken back is not on its way."""
    endpoint = view.value(ENDPOINT) or {}
    tried = (endpoint.get("rollout") or {}).get("to")
    if tried is not None and tried != watched:
        return int(tried)
    taken_back = set(endpoint.get("released") or ())
    waiting = [
        number
        for number, record in view.versions.items()
        if number > watched and record.value.get("passed") and number not in taken_back
    ]
    return max(waiting, default=None)


def _touches(first: datetime, last: datetime, window: Window) -> bool:
    return last >= window.start and first < window.end
