from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenure.stages.monitoring.alerts import Alert, AlertState, Rule, alerts, follow
from tenure.state.record import Observation

START = datetime(2013, 1, 1, tzinfo=UTC)
PRESSURE = {"ok": 0.3, "near": 0.9, "warn": 1.2, "critical": 3.0, "none": 0.0}
WINDOWS = st.lists(st.sampled_from(["ok", "near", "warn", "critical", "none"]), max_size=25)
RULES = st.builds(
    lambda fire, more: Rule(fire, fire + more, 0.8), fire=st.integers(1, 4), more=st.integers(0, 3)
)


def observed(kinds, signal="s"):
    """`near` is no breach, yet not clear; `none` could not be judged."""
    return [
        Observation(
            model="m",
            signal=signal,
            window_start=START + timedelta(days=day),
            window_end=START + timedelta(days=day + 1),
            verdict={"near": "ok", "none": "insufficient_data"}.get(kind, kind),
            value=None,
            evidence={"pressure": {"warn": PRESSURE[kind], "critical": PRESSURE[kind] / 2.5}},
            subject="1",
            at=START,
        )
        for day, kind in enumerate(kinds)
    ]


def state(kinds, rule=None, level="warn"):
    return follow("s", level, observed(kinds), rule or Rule(2, 3, 0.8)).state


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ([], AlertState.OK),
        (["warn"], AlertState.PENDING),
        (["warn", "ok", "ok"], AlertState.PENDING),
        (["warn", "ok", "ok", "ok"], AlertState.OK),
        (["warn", "ok", "warn"], AlertState.FIRING),
        (["warn", "ok", "ok", "warn"], AlertState.PENDING),
        (["warn", "warn", "ok"], AlertState.RESOLVING),
        (["warn", "warn", "near", "near", "near"], AlertState.FIRING),
        (["warn", "warn", "ok", "near"], AlertState.FIRING),
        (["warn", "warn", "ok", "ok"], AlertState.OK),
        (["warn", "warn", "ok", "ok", "warn"], AlertState.PENDING),
        (["warn", "warn", "none", "none", "none", "none"], AlertState.FIRING),
        (["none", "none"], AlertState.OK),
    ],
)
def test_two_of_three(kinds, expected):
    assert state(kinds) == expected


def test_a_warning_is_no_breach_of_the_critical_level_and_a_critical_window_is_one_of_both():
    kinds = ["critical", "warn", "warn"]
    assert state(kinds, level="critical") == AlertState.PENDING
    assert state(["critical", "critical"], level="warn") == AlertState.FIRING


def test_an_incident_keeps_its_beginning():
    found = follow("s", "warn", observed(["ok", "warn", "ok", "warn", "warn", "warn"]), Rule(2, 3))
    assert found.since == START + timedelta(days=1)
    assert found.confirmed_at == START + timedelta(days=4)
    assert len(found.breaches) == 3


@given(WINDOWS, RULES)
def test_windows_that_cannot_be_judged_change_nothing(kinds, rule):
    full, judged = observed(kinds), [item for item in observed(kinds) if item.verdict != "insufficient_data"]
    assert follow("s", "warn", full, rule) == follow("s", "warn", judged, rule)


@given(WINDOWS, RULES, st.randoms())
def test_the_order_of_arrival_does_not_matter(kinds, rule, random):
    shuffled = observed(kinds)
    random.shuffle(shuffled)
    assert follow("s", "warn", shuffled, rule) == follow("s", "warn", observed(kinds), rule)


@given(WINDOWS, RULES)
def test_it_starts_to_fire_only_with_enough_breaches_and_stops_only_after_enough_clear_windows(kinds, rule):
    judged = [kind for kind in kinds if kind != "none"]
    before = Alert("s", "warn")
    for end in range(1, len(judged) + 1):
        now = follow("s", "warn", observed(judged[:end]), rule)
        breaches = sum(kind in ("warn", "critical") for kind in judged[max(0, end - rule.of) : end])
        if now.state.confirmed and not before.state.confirmed:
            assert breaches >= rule.fire
        if before.state.confirmed and not now.state.confirmed:
            assert judged[end - rule.fire : end] == ["ok"] * rule.fire
        if before.state.confirmed and now.state.confirmed:
            assert now.since == before.since
        before = now


@given(WINDOWS, RULES)
def test_it_fires_by_the_time_there_are_enough_breaches_in_a_row(kinds, rule):
    assert state([*kinds, *["warn"] * rule.fire], rule) == AlertState.FIRING
    assert state([*kinds, *["warn"] * rule.fire, *["ok"] * rule.fire], rule) == AlertState.OK


def test_every_signal_has_an_alert_at_every_level():
    found = alerts(["a", "b"], observed(["warn", "warn", "warn"], "b"), Rule(2, 3))
    assert [(item.signal, item.level, item.state.value) for item in found] == [
        ("a", "warn", "ok"),
        ("a", "critical", "ok"),
        ("b", "warn", "firing"),
        ("b", "critical", "ok"),
    ]
