"""When a verdict counts as confirmed: an alert per signal and level, a pure function of the windows judged so far.

    ok -> pending     a breach among the last n judged windows
    pending -> firing k breaches among the last n judged windows
    firing -> resolving -> ok     k judged windows in a row that are clear, that is below `clear_ratio` of the threshold
A window between clear and breach keeps a firing alert firing (hysteresis). A window that could not be judged changes
nothing: no data never raises an alert and never resolves one.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from tenure.stages.monitoring.judging import LEVELS, Level
from tenure.state.record import Observation


class AlertState(enum.StrEnum):
    """Where an alert stands."""

    OK = "ok"
    PENDING = "pending"
    FIRING = "firing"
    RESOLVING = "resolving"

    @property
    def confirmed(self) -> bool:
        """Whether the breach is confirmed and not yet over."""
        return self in (AlertState.FIRING, AlertState.RESOLVING)


class Rule(msgspec.Struct, frozen=True):
    """`fire` breaches among the last `of` judged windows; clear below `clear_ratio` of the threshold."""

    fire: int = 3
    of: int = 5
    clear_ratio: float = 0.8


class Alert(msgspec.Struct, frozen=True):
    """One signal at one level. `since` is the start of the first breach of the incident, `confirmed_at` the end of the
    window that confirmed it; `breaches` are the breaching windows among those that count (`windows` of them)."""

    signal: str
    level: Level
    state: AlertState = AlertState.OK
    since: datetime | None = None
    confirmed_at: datetime | None = None
    breaches: tuple[Observation, ...] = ()
    windows: int = 0


def follow(signal: str, level: Level, observations: Iterable[Observation], rule: Rule) -> Alert:
    """The alert after all observations of one signal and one version. Their order does not matter."""
    alert = Alert(signal, level)
    recent: deque[Observation] = deque(maxlen=rule.of)
    clear = 0
    for item in sorted(observations, key=lambda found: found.window_start):
        if item.verdict == "insufficient_data":
            continue
        recent.append(item)
        breaches = tuple(found for found in recent if _breach(found, level))
        if alert.state.confirmed:
            clear = clear + 1 if _clear(item, level, rule) else 0
            if clear >= rule.fire:
                # What led to this incident must not count towards the next one.
                recent.clear()
                alert, clear = Alert(signal, level), 0
            else:
                state = AlertState.RESOLVING if clear else AlertState.FIRING
                alert = msgspec.structs.replace(alert, state=state, breaches=breaches, windows=len(recent))
        elif len(breaches) >= rule.fire:
            alert = Alert(
                signal,
                level,
                AlertState.FIRING,
                breaches[0].window_start,
                item.window_end,
                breaches,
                len(recent),
            )
        else:
            state = AlertState.PENDING if breaches else AlertState.OK
            since = breaches[0].window_start if breaches else None
            alert = Alert(signal, level, state, since, None, breaches, len(recent))
    return alert


def alerts(signals: Iterable[str], observations: Sequence[Observation], rule: Rule) -> tuple[Alert, ...]:
    """The alerts of every signal at every level, in order; `observations` are those of one version."""
    return tuple(
        follow(signal, level, [item for item in observations if item.signal == signal], rule)
        for signal in signals
        for level in LEVELS
    )


def _breach(item: Observation, level: Level) -> bool:
    return item.verdict == "critical" or item.verdict == level


def _clear(item: Observation, level: Level, rule: Rule) -> bool:
    if _breach(item, level):
        return False
    pressure = item.evidence.get("pressure", {}).get(level, 0.0)
    return bool(pressure < rule.clear_ratio)
