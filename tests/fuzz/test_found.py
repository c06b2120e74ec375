"""What sequences have found: the smallest ones, each with what was wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.fuzz.machine import Life


@pytest.fixture
def life() -> Iterator[Life]:
    life = Life()
    yield life
    life._always()
    life.teardown()


def test_an_edit_of_a_binding_does_not_hide_the_release_of_a_new_version(life: Life) -> None:
    """The endpoint was shown as updated, and apply put a version that nobody had been shown in charge of the traffic."""
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
