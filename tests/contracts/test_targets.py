"""What every deployment target must do, run against each member of the union."""

from __future__ import annotations

import json
import typing
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter

from tenure.core.effect import Effect
from tenure.graph.resource import Sort
from tenure.plan.action import Action
from tenure.plan.view import View
from tenure.spec.base import SpecModel, config_of, effect_of
from tenure.stages.base import Identity
from tenure.stages.deployment import section
from tenure.state.record import Record

NOW = datetime(2026, 5, 3, 10, tzinfo=UTC)
KINDS: tuple[type[SpecModel], ...] = typing.get_args(typing.get_args(section.AnyTarget)[0])


def declared(kind: type[SpecModel], **more: Any) -> Any:
    block = {"target": {"type": kind.model_fields["type"].annotation.__args__[0]}} | more  # type: ignore[union-attr]
    nothing: Any = None
    (resource,) = section.declare(
        Identity("churn", "active", nothing), section.Deployment.model_validate(block)
    )
    return resource


def view(endpoint: dict[str, Any] | None = None, content: str = "", **policy: Any) -> View:
    records = {
        "governance/approval": record(
            "governance/approval", {"number": 1, "state": "granted", "missing": []}
        ),
        "retirement/policy": record("retirement/policy", {"state": "active"} | policy),
    }
    if endpoint is not None:
        records["deployment/endpoint"] = record("deployment/endpoint", endpoint, content)
    version = record("governance/version", {"number": 1, "passed": True, "failed": []})
    return View("churn", "active", NOW, records, {1: version})


def record(local: str, value: dict[str, Any], content: str = "c") -> Record:
    return Record(
        address=f"churn/{local}", sort=Sort.BINDING, fingerprint="f", content=content, metadata="m", config={},
        effects={}, digest="d", value=value, artifacts={}, inputs={}, at=NOW, by="ann", apply_id="a", serial=1,
    )  # fmt: skip


def test_there_is_more_than_one_target():
    assert len(KINDS) >= 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_target_is_described_for_the_person_who_writes_it(kind):
    assert kind.__doc__
    for name, info in kind.model_fields.items():
        assert info.description, name
        assert effect_of(info) in (Effect.REDEPLOY, Effect.RELEASE), "a target never retrains"


@pytest.mark.parametrize("kind", KINDS)
def test_its_name_alone_is_enough_and_round_trips(kind):
    resource = declared(kind)
    block = section.Deployment.model_validate(resource.config["deployment"])
    assert config_of(block) == resource.config["deployment"]
    schema = TypeAdapter(section.AnyTarget).json_schema()
    assert resource.config["deployment"]["target"]["type"] in schema["discriminator"]["mapping"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_released_version_gets_everything_and_nothing_changes_after_that(kind):
    resource = declared(kind)
    first = section.target(resource, view())
    assert first.action is Action.CREATE
    assert first.value["routes"] == [{"version": 1, "share": 100}]
    recorded = json.loads(json.dumps(first.value))
    again = section.target(resource, view(recorded, resource.content))
    assert again.value == recorded
    assert not again.blockers


@pytest.mark.parametrize("kind", KINDS)
def test_a_retired_model_has_no_routes(kind):
    resource = declared(kind)
    recorded = section.target(resource, view()).value
    gone = section.target(resource, view(recorded, resource.content, state="retired", successor="churn-2"))
    assert gone.action is Action.RETIRE
    assert (gone.value["state"], gone.value["routes"], gone.value["successor"]) == ("gone", [], "churn-2")


def test_changing_the_target_redeploys_the_same_version():
    http, other = (declared(kind) for kind in KINDS[:2])
    recorded = section.target(http, view()).value
    changed = section.target(other, view(recorded, http.content))
    assert changed.action is Action.UPDATE
    assert changed.value["routes"] == recorded["routes"]
    assert changed.value["target"] != recorded["target"]
