"""Which version gets which share: one life of an endpoint after another, decided without any I/O."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tenure.graph.resource import Sort
from tenure.plan.action import Action, Reason
from tenure.plan.view import Target, View
from tenure.stages.base import Identity
from tenure.stages.deployment import section
from tenure.state.record import Fact, Record

NOW = datetime(2026, 5, 3, 10, tzinfo=UTC)


class Life:
    """A model whose endpoint is decided again and again, as apply does it."""

    def __init__(self, **config: Any) -> None:
        self.now = NOW
        self.config = config
        self.versions: dict[int, dict[str, Any]] = {}
        self.approval: dict[str, Any] | None = None
        self.policy: dict[str, Any] | None = None
        self.endpoint: Record | None = None
        self.facts: list[Fact] = []
        self.renewing: frozenset[str] = frozenset()

    @property
    def resource(self) -> Any:
        spec = section.Deployment.model_validate(self.config)
        (declared,) = section.declare(Identity("churn", "active", metadata=None), spec)
        return declared

    def version(
        self, number: int, *, passed: bool = True, granted: bool = True, failed: tuple[str, ...] = ()
    ) -> None:
        self.versions[number] = {
            "number": number,
            "passed": passed,
            "failed": list(failed),
            "status": "candidate",
        }
        missing = [] if granted else ["model_owner"]
        self.approval = {"number": number, "state": "granted" if granted else "waiting", "missing": missing}

    def ask(self, version: int | None, above: int | None = None, *, do: str = "serve") -> None:
        evidence = {"version": version, "above": above or max(self.versions)} if version else {}
        at = self.now + timedelta(seconds=len(self.facts))
        self.facts.append(
            Fact(f"f{len(self.facts)}", "churn", "request", "k", do, "auto", "asked for", evidence, at, "ann")
        )

    def target(self) -> Target:
        records = {}
        values = {"governance/approval": self.approval, "retirement/policy": self.policy}
        for local, value in values.items():
            if value is not None:
                records[local] = _record(local, value)
        if self.endpoint is not None:
            records["deployment/endpoint"] = self.endpoint
        view = View(
            model="churn",
            lifecycle="active",
            now=self.now,
            records=records,
            versions={n: _record("governance/version", value) for n, value in self.versions.items()},
            facts=tuple(self.facts),
            renewing=self.renewing,
        )
        return section.target(self.resource, view)

    def apply(self) -> Target:
        """Take the step unless something stands in the way, and settle the requests."""
        target = self.target()
        if not target.blockers:
            self.endpoint = _record("deployment/endpoint", target.value, self.resource.content)
            self.facts.clear()
        return target

    @property
    def routes(self) -> dict[int, int]:
        assert self.endpoint is not None
        return {route["version"]: route["share"] for route in self.endpoint.value["routes"]}

    def settled(self) -> bool:
        """Whether another apply would change nothing and is held up by nothing."""
        target = self.target()
        assert self.endpoint is not None
        return target.value == self.endpoint.value and not target.blockers


def _record(local: str, value: dict[str, Any], content: str = "c") -> Record:
    return Record(
        address=f"churn/{local}", sort=Sort.BINDING, fingerprint="f", content=content, metadata="m", config={},
        effects={}, digest="d", value=value, artifacts={}, inputs={}, at=NOW, by="ann", apply_id="a", serial=1,
    )  # fmt: skip


CANARY = {"strategy": "canary", "steps": [10, 50, 100], "bake_time": "30m"}


def released(**config: Any) -> Life:
    life = Life(**config)
    life.version(1)
    life.apply()
    return life


def test_the_first_release_takes_all_traffic_even_under_a_canary():
    life = Life(rollout=CANARY)
    life.version(1)
    target = life.apply()
    assert (target.action, target.reason) == (Action.CREATE, Reason.NEW_VERSION)
    assert target.value["target"] == "http"
    assert target.value["state"] == "serving"
    assert life.routes == {1: 100}
    assert life.endpoint.value["rollout"] is None
    assert life.settled()


def test_all_at_once_swaps():
    life = released()
    life.version(2)
    target = life.apply()
    assert (target.action, target.reason) == (Action.PROMOTE, Reason.NEW_VERSION)
    assert life.routes == {2: 100}
    assert life.settled()


def test_a_canary_takes_one_step_per_bake_time():
    life = released(rollout=CANARY)
    life.version(2)
    life.apply()
    assert life.routes == {2: 10, 1: 90}
    assert life.endpoint.value["rollout"] == {
        "to": 2, "step": 0, "steps": [10, 50, 100],
        "since": "2026-05-03T10:00:00Z", "until": "2026-05-03T10:30:00Z",
    }  # fmt: skip
    life.now += timedelta(minutes=29, seconds=59)
    held = life.apply()
    assert held.value == life.endpoint.value
    assert [blocker.kind for blocker in held.blockers] == ["bake"]
    assert "10 % until 2026-05-03T10:30:00Z" in held.blockers[0].text
    life.now += timedelta(seconds=1)
    assert life.apply().reason is Reason.ROLLOUT
    assert life.routes == {2: 50, 1: 50}
    life.now += timedelta(minutes=30)
    assert life.apply().action is Action.PROMOTE
    assert life.routes == {2: 100}
    assert life.endpoint.value["rollout"] is None
    assert life.settled()


def test_a_canary_without_bake_time_takes_a_step_with_each_apply():
    life = released(rollout={"strategy": "canary", "steps": [10, 50, 100]})
    life.version(2)
    shares = []
    for _ in range(3):
        life.apply()
        shares.append(life.routes[2])
    assert shares == [10, 50, 100]
    assert life.settled()


def test_a_newer_version_restarts_the_canary_against_the_stable_one():
    life = released(rollout=CANARY)
    life.version(2)
    life.apply()
    life.version(3)
    life.apply()
    assert life.routes == {3: 10, 1: 90}
    assert life.endpoint.value["rollout"]["to"] == 3


def test_edited_steps_and_bake_time_apply_to_a_running_canary():
    life = released(rollout=CANARY)
    life.version(2)
    life.apply()
    life.config = {"rollout": CANARY | {"steps": [5, 10, 20, 100], "bake_time": "1h"}}
    target = life.apply()
    assert (target.action, target.reason) == (Action.UPDATE, Reason.CONFIG_CHANGED)
    assert life.routes == {2: 10, 1: 90}
    assert life.endpoint.value["rollout"]["step"] == 1
    assert life.endpoint.value["rollout"]["until"] == "2026-05-03T11:00:00Z"
    life.now += timedelta(hours=1)
    life.apply()
    assert life.routes == {2: 20, 1: 80}


def test_all_at_once_ends_a_running_canary():
    life = released(rollout=CANARY)
    life.version(2)
    life.apply()
    life.config = {}
    life.apply()
    assert life.routes == {2: 100}
    assert life.settled()


@pytest.mark.parametrize(
    ("version", "kind", "words"),
    [
        ({"passed": False, "failed": ("accuracy 0.61 < 0.65",)}, "gate", "accuracy 0.61 < 0.65"),
        ({"granted": False}, "approval", "not approved by model_owner"),
    ],
)
def test_a_candidate_that_may_not_serve_changes_nothing_and_says_why(version, kind, words):
    life = released()
    life.version(2, **version)
    target = life.apply()
    assert target.value == life.endpoint.value
    assert life.routes == {1: 100}
    (blocker,) = target.blockers
    assert blocker.kind == kind
    assert words in blocker.text
    assert blocker.hint.startswith("tenure ")


def test_the_first_candidate_that_fails_its_gates_gets_no_route():
    life = Life()
    life.version(1, passed=False, failed=("accuracy 0.61 < 0.65",))
    target = life.apply()
    assert target.value["routes"] == []
    assert [blocker.kind for blocker in target.blockers] == ["gate"]


def test_a_version_in_between_is_released_when_it_was_approved_and_the_latest_failed():
    life = released(rollout=CANARY)
    life.version(2)
    life.apply()
    life.version(3, passed=False, failed=("too slow",))
    life.now += timedelta(hours=1)
    target = life.apply()
    assert life.routes == {2: 50, 1: 50}
    assert not target.blockers
    assert any("too slow" in note for note in target.notes)


def test_a_champion_that_fails_its_reevaluation_keeps_serving_and_the_plan_says_so():
    life = released()
    life.version(2)
    life.apply()
    life.versions[2] |= {"passed": False, "failed": ["accuracy 0.61 < 0.65"]}
    target = life.apply()
    assert life.routes == {2: 100}
    assert "keeps serving" in target.blockers[0].text


def test_a_canary_whose_version_fails_its_reevaluation_stops_where_it_is():
    life = released(rollout=CANARY)
    life.version(2)
    life.apply()
    life.versions[2]["passed"] = False
    life.now += timedelta(days=1)
    target = life.apply()
    assert target.value == life.endpoint.value
    assert life.routes == {2: 10, 1: 90}
    assert [blocker.kind for blocker in target.blockers] == ["gate"]


def test_settings_are_updated_while_something_else_waits():
    life = released(rollout=CANARY)
    life.version(2)
    life.apply()
    life.config = {"rollout": CANARY, "limits": {"max_rows_per_request": 5, "max_body": "1KB"}}
    target = life.apply()
    assert (target.action, target.reason) == (Action.UPDATE, Reason.CONFIG_CHANGED)
    assert life.endpoint.value["limits"] == {
        "max_rows_per_request": 5,
        "max_body": 1000,
        "max_in_flight": 256,
    }
    assert life.routes == {2: 10, 1: 90}
    assert any("canary" in note for note in target.notes)


def test_rollback_holds_until_a_newer_version_is_eligible():
    life = released(rollout=CANARY)
    for number in (2, 3):
        life.version(number)
        for _ in range(3):
            life.apply()
            life.now += timedelta(hours=1)
    assert life.routes == {3: 100}
    life.ask(1)
    target = life.apply()
    assert (target.action, target.reason) == (Action.PROMOTE, Reason.REQUEST)
    assert "asked for" in target.sentence
    assert life.routes == {1: 100}
    assert life.settled()
    life.version(4, passed=False)
    assert [blocker.kind for blocker in life.apply().blockers] == ["gate"]
    assert life.routes == {1: 100}
    life.version(5)
    life.apply()
    assert life.routes == {5: 10, 1: 90}
    assert life.endpoint.value["hold"] is None


def test_rollback_and_forward():
    life = released()
    life.version(2)
    life.apply()
    life.ask(1)
    life.apply()
    assert life.routes == {1: 100}
    life.ask(2)
    life.apply()
    assert life.routes == {2: 100}
    assert life.endpoint.value["hold"] is None
    assert life.settled()


def test_an_open_request_is_obeyed_again_and_again_and_the_latest_one_wins():
    life = released()
    life.version(2)
    life.apply()
    life.ask(2)
    life.ask(1)
    asked = list(life.facts)
    life.apply()
    life.facts.extend(asked)
    assert life.routes == {1: 100}
    assert life.target().value == life.endpoint.value


def test_rollback_in_the_middle_of_a_canary():
    life = released(rollout=CANARY)
    life.version(2)
    life.apply()
    life.ask(1)
    life.apply()
    assert life.routes == {1: 100}
    assert life.endpoint.value["rollout"] is None
    assert life.settled()


def test_rollback_without_a_version_returns_to_the_one_before():
    life = released()
    for number in (2, 3):
        life.version(number)
        life.apply()
    life.ask(None, do="rollback")
    life.apply()
    assert life.routes == {2: 100}


@pytest.mark.parametrize(
    ("version", "words"), [(9, "no such version"), (2, "does not pass its gates"), (3, "never approved")]
)
def test_a_request_that_cannot_be_met_changes_nothing(version, words):
    life = released()
    life.version(2, passed=False)
    life.version(3, granted=False)
    life.ask(version)
    target = life.apply()
    assert target.value == life.endpoint.value
    assert words in target.blockers[0].text


def test_a_version_that_is_still_to_be_made_is_promised_not_named():
    life = released(rollout=CANARY)
    life.renewing = frozenset({"governance/version"})
    target = life.target()
    assert target.value == life.endpoint.value
    assert (target.action, target.reason) == (Action.PROMOTE, Reason.NEW_VERSION)
    assert "10 %" in target.sentence


def test_deprecation_is_announced_and_taken_back():
    life = released()
    life.policy = {
        "state": "deprecated",
        "deprecated_at": "2026-05-03",
        "sunset": "2026-08-01",
        "successor": "churn-2",
    }
    target = life.apply()
    assert (target.action, target.reason) == (Action.UPDATE, Reason.LIFECYCLE)
    value = life.endpoint.value
    assert (value["state"], value["sunset"], value["successor"]) == ("deprecated", "2026-08-01", "churn-2")
    assert life.routes == {1: 100}
    assert life.settled()
    life.policy = {"state": "active", "deprecated_at": None, "sunset": "2026-08-01", "successor": "churn-2"}
    life.apply()
    assert (life.endpoint.value["state"], life.endpoint.value["sunset"]) == ("serving", None)
    assert life.settled()


def test_retirement_closes_every_route_whatever_else_is_going_on():
    life = released(rollout=CANARY)
    life.version(2)
    life.apply()
    life.policy = {
        "state": "retired",
        "deprecated_at": "2026-01-01",
        "sunset": "2026-05-01",
        "successor": "churn-2",
    }
    target = life.apply()
    assert (target.action, target.reason) == (Action.RETIRE, Reason.RETIRED)
    assert "churn-2" in target.sentence
    assert life.routes == {}
    assert life.endpoint.value["state"] == "gone"
    assert life.settled()


def test_deciding_twice_gives_the_same_value():
    life = released(rollout=CANARY)
    life.version(2)
    assert life.target() == life.target()


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"rollout": {"strategy": "canary", "steps": [10, 10, 100]}}, "must grow"),
        ({"rollout": {"strategy": "canary", "steps": [10, 50]}}, "must be 100"),
        ({"rollout": {"steps": []}}, "at least 1"),
        ({"rollout": {"steps": [0, 100]}}, "greater than or equal to 1"),
        ({"rollout": {"bake_time": "soon"}}, "not a duration"),
        ({"target": {"type": "batch"}, "rollout": {"strategy": "canary"}}, "use all_at_once"),
        ({"target": {"type": "htp"}}, "htp"),
        ({"inference_log": {"sample": 1.5}}, "less than or equal to 1"),
        ({"limits": {"max_body": "10 pages"}}, "not a size"),
    ],
)
def test_a_block_that_makes_no_sense_is_refused(block, words):
    with pytest.raises(ValueError, match=words):
        section.Deployment.model_validate(block)


def test_no_deployment_section_declares_no_endpoint():
    assert list(section.declare(Identity("churn", "active", metadata=None), None)) == []


def test_a_bake_time_says_until_when_it_holds_everything_back() -> None:
    life = released(rollout=CANARY)
    assert life.target().holds_until is None
    life.version(2)
    assert life.apply().holds_until == life.now, "a step is dated: a moment later it is another one"
    assert life.target().holds_until == life.now + timedelta(minutes=30)
    held = life.target()
    life.now += timedelta(minutes=29)
    assert life.target() == held
    life.now += timedelta(minutes=1)
    assert life.target().value != held.value
