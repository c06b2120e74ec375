"""What sequences have found: the smallest ones, each with what was wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.fuzz import standins
from tests.fuzz.machine import DAY, Life

from tenure.core.errors import TenureError


@pytest.fixture
def life() -> Iterator[Life]:
    life = Life()
    try:
        yield life
        life._always()
    finally:
        life.teardown()


def test_an_edit_of_a_binding_does_not_hide_the_release_of_a_new_version(life: Life) -> None:
    """The endpoint was shown as updated, and apply gave the traffic to a version that nobody had been shown."""
    life.begin(models=["plain"], applied=True)
    life.retune(file="specs/plain.yaml", change=(("training", "seed"), 2))
    life.edit(edit=("specs/plain.yaml", (("deployment", "rollout", "bake_time"), "36h")), style="plain")
    plan = life.world.plan("dev")
    assert plan is not None
    shown = {change.address: change for change in plan.models[0].changes}
    endpoint = shown["plain/deployment/endpoint"]
    assert not endpoint.known
    assert "release the new version" in endpoint.sentence
    assert [item.path for item in endpoint.fields] == ["deployment.rollout.bake_time"]
    assert endpoint.conditions
    assert shown["plain/monitoring/monitor"].action.acts
    life.apply(env="dev")


def test_a_model_that_is_too_old_and_trained_again_is_released_at_once(life: Life) -> None:
    """Its deprecation ended in the middle of the apply, which nobody had been shown: the version was not released."""
    life.begin(models=["changing"], applied=True)
    life.pass_time(seconds=40 * DAY)
    life.apply(env="dev")
    assert life.world.states("dev")["changing"].records["retirement/policy"].value["state"] == "deprecated"
    life.retune(file="specs/changing.yaml", change=(("training", "seed"), 2))
    plan = life.world.plan("dev")
    assert plan is not None
    shown = {change.address: change for change in plan.models[0].changes}
    policy = shown["changing/retirement/policy"]
    assert policy.action.acts
    assert not policy.known
    assert "once the model is trained again" in policy.sentence
    life.apply(env="dev")
    state = life.world.states("dev")["changing"]
    assert state.records["retirement/policy"].value["state"] == "active"
    assert state.records["deployment/endpoint"].value["routes"] == [{"version": 2, "share": 100}]


def test_a_model_that_is_too_old_and_comes_out_as_it_was_is_deprecated(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was to be trained again, so nobody had been shown its deprecation; the search found the winner it had."""
    monkeypatch.setattr(standins, "_number", lambda name, below: below - 1)
    life.begin(models=["changing"], applied=True)
    before = life.world.states("dev")["changing"].records["training/model"]
    life.pass_time(seconds=40 * DAY)
    life.edit(edit=("specs/changing.yaml", (("training", "limits", "max_trials"), 3)), style="plain")
    life.apply(env="dev")
    records = life.world.states("dev")["changing"].records
    assert records["training/model"] == before
    assert records["retirement/policy"].value["state"] == "deprecated"
    assert records["deployment/endpoint"].value["state"] == "deprecated"


def test_what_is_renamed_is_not_forgotten_by_the_same_apply(life: Life) -> None:
    """Two plans for the same records: whichever came first took them from the other."""
    life.begin(models=["plain"], applied=False)
    life.edit(edit=("specs/plain.yaml", (("monitoring",), None)), style="plain")
    life.edit(edit=("specs/plain.yaml", (("deployment",), None)), style="plain")
    life.apply(env="dev")
    life.rename_model(file="specs/plain.yaml", name="renamed", said=True)
    life.set_removed(models=["plain"])
    with life.world.project("dev") as project, pytest.raises(TenureError, match="A removed model is moved"):
        project.plan()
    life.set_removed(models=[])
    life.apply(env="dev")
    assert life.world.states("dev")["renamed"].records


def test_whatever_else_is_wrong_the_same_is_said_first(life: Life) -> None:
    """With something to remember a plan was refused for another reason than without."""
    life.begin(models=["plain", "changing"], applied=True)
    life.rename_model(file="specs/plain.yaml", name="guarded", said=True)
    life.rename_model(file="specs/changing.yaml", name="plain", said=False)
    life.set_removed(models=["guarded"])
    with life.world.project("dev") as project, pytest.raises(TenureError, match="has a spec"):
        project.plan()
