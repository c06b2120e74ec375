"""How a model ends: dates, criteria, consumers, notice; always as a pure function of what is recorded."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tenure.plan.action import Action, Reason
from tenure.plan.view import View
from tenure.stages.retirement import lifecycle
from tenure.stages.retirement.section import Retirement
from tenure.state.record import Acknowledgement, Observation, Record

START = datetime(2026, 1, 1, tzinfo=UTC)


def record(local: str, value: dict[str, Any], at: datetime = START) -> Record:
    return Record(f"m/{local}", "binding", "", "", "", {}, {}, "sha256:x", value, {}, {}, at, "ann", "a", 1)  # type: ignore[arg-type]


def view(
    now: datetime = START, *, state: str = "active", value: dict[str, Any] | None = None, **more: Any
) -> View:
    records = {"training/model": record("training/model", {})}
    if value is not None:
        records["retirement/policy"] = record("retirement/policy", value)
    return View("m", state, now, records, {1: records["training/model"]}, **more)


ACTIVE: dict[str, Any] = lifecycle.standing(Retirement(), view()).value


def test_an_active_model_stays_active() -> None:
    target = lifecycle.standing(Retirement(), view(value=ACTIVE))
    assert target.value == ACTIVE
    assert not target.blockers


@pytest.mark.parametrize(
    ("criterion", "days", "matches"),
    [
        ({"type": "age", "since_last_training": "540d"}, 539, False),
        ({"type": "age", "since_last_training": "540d"}, 540, True),
        ({"type": "date", "on": "2026-01-11"}, 9, False),
        ({"type": "date", "on": "2026-01-11", "why": "the licence ends"}, 10, True),
    ],
)
def test_a_matched_criterion_proposes_or_deprecates(
    criterion: dict[str, Any], days: int, matches: bool
) -> None:
    now = START + timedelta(days=days)
    proposed = lifecycle.standing(Retirement(criteria=[criterion]), view(now, value=ACTIVE))  # type: ignore[arg-type]
    assert bool(proposed.notes) is matches
    assert proposed.value["state"] == "active"
    decided = lifecycle.standing(
        Retirement(criteria=[criterion], on_match="deprecate"), view(now, value=ACTIVE)
    )  # type: ignore[arg-type]
    assert (decided.value["state"] == "deprecated") is matches


def test_performance_counts_only_windows_that_could_be_judged() -> None:
    def seen(position: int, value: float | None, verdict: Any = "ok") -> Observation:
        start = START + timedelta(days=position)
        return Observation(
            "m", "performance", start, start + timedelta(days=1), verdict, value, {}, "1", start
        )

    rule = {"type": "performance", "below": 0.5, "violation_windows": 2, "evaluation_windows": 3}
    policy = Retirement(criteria=[rule])  # type: ignore[arg-type]
    bad = (
        seen(0, 0.4, "critical"),
        seen(1, None, "insufficient_data"),
        seen(2, 0.6),
        seen(3, 0.45, "critical"),
    )
    assert lifecycle.standing(policy, view(value=ACTIVE, observations=bad)).notes
    assert not lifecycle.standing(policy, view(value=ACTIVE, observations=bad[:3])).notes


def test_dates_deprecate_and_retire_by_themselves() -> None:
    policy = Retirement(deprecation_date="2026-02-01", retirement_date="2026-03-01")  # type: ignore[arg-type]
    early = lifecycle.standing(policy, view(START, value=ACTIVE))
    assert early.value["state"] == "active"
    middle = lifecycle.standing(policy, view(datetime(2026, 2, 1, tzinfo=UTC), value=ACTIVE))
    assert (middle.value["state"], middle.reason) == ("deprecated", Reason.DATE_PASSED)
    assert middle.value["sunset"] == "2026-03-01T00:00:00Z"
    recorded = middle.value | {"deprecated_at": "2026-02-01T00:00:00Z"}
    late = lifecycle.standing(policy, view(datetime(2026, 3, 1, tzinfo=UTC), value=recorded))
    assert (late.value["state"], late.action) == ("retired", Action.RETIRE)


def test_retirement_waits_for_required_consumers_and_only_for_those() -> None:
    policy = Retirement(consumers=[{"name": "crm"}, {"name": "lab", "acknowledge": "optional"}])  # type: ignore[list-item]
    deprecated = ACTIVE | {"state": "deprecated", "deprecated_at": "2026-01-01T00:00:00Z"}
    waiting = lifecycle.standing(policy, view(value=deprecated, state="retired"))
    assert [blocker.kind for blocker in waiting.blockers] == ["consumer"]
    assert "tenure acknowledge m --consumer crm" in waiting.blockers[0].hint
    assert waiting.value["state"] == "deprecated"
    known = (Acknowledgement("m", "crm", "bob", "moved", START),)
    assert (
        lifecycle.standing(policy, view(value=deprecated, state="retired", acknowledgements=known)).value[
            "state"
        ]
        == "retired"
    )


def test_a_blocked_retirement_deprecates_first_so_that_consumers_hear_of_it() -> None:
    policy = Retirement(consumers=[{"name": "crm"}])  # type: ignore[list-item]
    target = lifecycle.standing(policy, view(value=ACTIVE, state="retired"))
    assert target.value["state"] == "deprecated"
    assert target.blockers


def test_the_notice_has_to_run_out() -> None:
    policy = Retirement(minimum_notice="30d")
    deprecated = ACTIVE | {"state": "deprecated", "deprecated_at": "2026-01-01T00:00:00Z"}
    early = lifecycle.standing(policy, view(START + timedelta(days=29), value=deprecated, state="retired"))
    assert [blocker.kind for blocker in early.blockers] == ["notice"]
    late = lifecycle.standing(policy, view(START + timedelta(days=30), value=deprecated, state="retired"))
    assert late.value["state"] == "retired"


def test_what_was_never_released_is_not_retired() -> None:
    target = lifecycle.standing(Retirement(), replace(view(state="retired"), versions={}))
    assert target.blockers[0].kind == "never_active"
    assert target.value["state"] == "active"


def test_a_retired_model_stays_as_it_was_recorded() -> None:
    value = ACTIVE | {"state": "retired", "retired_at": "2026-01-01T00:00:00Z"}
    target = lifecycle.standing(Retirement(minimum_notice="90d"), view(value=value, state="active"))
    assert target.value == value


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"deprecation_date": "2027-01-01", "retirement_date": "2027-01-01"}, "after deprecation_date"),
        ({"consumers": [{"name": "a"}, {"name": "a"}]}, "same name"),
        ({"criteria": [{"type": "performance"}]}, "exactly one of below and above"),
        (
            {
                "criteria": [
                    {"type": "performance", "below": 1, "violation_windows": 5, "evaluation_windows": 4}
                ]
            },
            "more than",
        ),
    ],
)
def test_contradictions_are_refused(block: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Retirement.model_validate(block)


DAYS = st.integers(0, 800)


@given(
    now=DAYS,
    later=DAYS,
    deprecated=st.none() | DAYS,
    dates=st.lists(DAYS, min_size=2, max_size=2, unique=True).map(sorted),
    with_dates=st.tuples(st.booleans(), st.booleans()),
    age=st.none() | st.integers(1, 800),
    on=st.none() | DAYS,
    notice=st.none() | st.integers(1, 400),
    on_match=st.sampled_from(["propose", "deprecate"]),
)
def test_time_changes_nothing_before_the_moment_that_is_named(
    now: int,
    later: int,
    deprecated: int | None,
    dates: list[int],
    with_dates: tuple[bool, bool],
    age: int | None,
    on: int | None,
    notice: int | None,
    on_match: str,
) -> None:
    def day(number: int) -> datetime:
        return START + timedelta(days=number)

    criteria: list[dict[str, Any]] = []
    criteria += [] if age is None else [{"type": "age", "since_last_training": f"{age}d"}]
    criteria += [] if on is None else [{"type": "date", "on": day(on).date().isoformat()}]
    policy = Retirement(
        criteria=criteria,  # type: ignore[arg-type]
        on_match=on_match,
        deprecation_date=day(dates[0]).date() if with_dates[0] else None,
        retirement_date=day(dates[1]).date() if with_dates[1] else None,
        minimum_notice=None if notice is None else f"{notice}d",
    )
    since = {"state": "deprecated", "deprecated_at": day(deprecated or 0).isoformat()}
    value = ACTIVE if deprecated is None else ACTIVE | since
    first, last = sorted((now, later))
    before = lifecycle.standing(policy, view(day(first), value=value))
    after = lifecycle.standing(policy, view(day(last), value=value))
    if before.holds_until is None or day(last) < before.holds_until:
        assert msgspec.structs.replace(after, holds_until=None) == msgspec.structs.replace(
            before, holds_until=None
        )
    else:
        assert day(first) < before.holds_until
