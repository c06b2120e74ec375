"""Approvals: bound to a version under its rules, counted by role and person, re-opened when the rules change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest

from tenure.plan.view import View
from tenure.stages.governance import approval
from tenure.state.record import Approval, Record

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RULES: dict[str, Any] = {
    "risk_tier": "low",
    "approvals": [{"role": "owner", "min": 1}, {"role": "risk", "min": 2}],
}


def version(number: int = 1, passed: bool = True) -> Record:
    value = {"number": number, "passed": passed}
    return Record(
        "m/governance/version",
        "artifact",
        "",
        "",
        "",
        {},
        {},
        f"sha256:v{number}",
        value,
        {},
        {},
        NOW,
        "a",
        "a",
        1,
    )  # type: ignore[arg-type]


def decision(
    role: str,
    by: str,
    decided: Literal["approve", "reject"] = "approve",
    *,
    subject: str = "",
    after: int = 0,
) -> Approval:
    return Approval(
        "m",
        subject or approval.subject_of("sha256:v1", RULES),
        role,
        decided,
        "why",
        by,
        NOW + timedelta(hours=after),
    )


def standing(*decisions: Approval, rules: dict[str, Any] = RULES, recorded: Any = None, **more: Any) -> Any:
    view = View("m", "active", NOW, {}, {}, approvals=decisions, **more)
    return approval.standing(rules, more.get("version", version()), recorded, view)


def test_everybody_is_missing_at_first_and_the_way_out_is_a_command() -> None:
    target = standing()
    assert target.value["missing"] == ["owner", "risk"]
    assert target.blockers[0].hint == 'tenure approve m@1 --role owner --reason "..."'


def test_a_role_needs_as_many_different_people_as_it_says() -> None:
    assert standing(
        decision("owner", "ann"), decision("risk", "bob"), decision("risk", "bob", after=1)
    ).value["missing"] == ["risk"]
    done = standing(decision("owner", "ann"), decision("risk", "bob"), decision("risk", "eve"))
    assert (done.value["state"], done.blockers) == ("granted", ())


def test_a_rejection_blocks_until_the_same_person_approves() -> None:
    rejected = standing(decision("owner", "ann", "reject"), decision("risk", "bob"), decision("risk", "eve"))
    assert rejected.value["state"] == "rejected"
    later = standing(
        decision("owner", "ann", "reject"),
        decision("owner", "ann", after=1),
        decision("risk", "bob"),
        decision("risk", "eve"),
    )
    assert later.value["state"] == "granted"


def test_approvals_of_another_version_or_of_other_rules_do_not_count() -> None:
    other = approval.subject_of("sha256:v2", RULES)
    assert standing(decision("owner", "ann", subject=other)).value["missing"] == ["owner", "risk"]
    stricter = RULES | {"risk_tier": "high"}
    granted = standing(decision("owner", "ann"), decision("risk", "bob"), decision("risk", "eve"))
    assert (
        standing(decision("owner", "ann"), rules=stricter, recorded=granted.value).value["state"] == "waiting"
    )


def test_approvals_of_the_applied_plan_count_and_are_remembered() -> None:
    plan = "sha256:plan"
    given = tuple(
        decision(role, by, subject=plan) for role, by in (("owner", "ann"), ("risk", "bob"), ("risk", "eve"))
    )
    applied = standing(*given, plan_digest=plan)
    assert applied.value["state"] == "granted"
    assert standing(*given, recorded=applied.value, plan_digest="sha256:another").value == applied.value
    assert standing(*given, plan_digest="sha256:another").value["state"] == "waiting"


@pytest.mark.parametrize(
    "recorded", [None, {"number": 1, "state": "granted", "subject": "s", "granted": {}, "missing": []}]
)
def test_a_version_that_failed_its_gates_asks_nobody(recorded: Any) -> None:
    view = View("m", "active", NOW, {}, {})
    target = approval.standing(RULES, version(2, passed=False), recorded, view)
    assert not target.blockers
    assert target.value == (recorded or target.value)
