"""Adopting instead of making, whatever the stage: when it happens, what follows, and what an approval is bound to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tenure.core.digest import digest
from tenure.graph.declare import resource
from tenure.graph.resource import Adoption, Resource, Sort
from tenure.plan.action import Action, Reason
from tenure.plan.change import Change, ModelPlan
from tenure.plan.diff import Desired, diff
from tenure.plan.view import Inputs, Target
from tenure.state.record import ModelState, Record

NOW = datetime(2026, 5, 3, tzinfo=UTC)
FILE = {"path": "a.skops"}


def resources(given: dict[str, Any] | None, version: int = 1) -> tuple[Resource, ...]:
    """Data, a search that may adopt, a model that follows it, and a report that is always made."""
    adopts = Adoption("it", until="t/model", given=given, notes=("mind this",)) if given else None
    follows = Adoption("with it", until="t/model", follows="t/search")
    return (
        resource("m", "d/data", Sort.ARTIFACT, {}, triggers=("retrain", "new_data")),
        resource("m", "t/search", Sort.ARTIFACT, {}, needs=("d/data",), version=version, adoption=adopts),
        resource("m", "t/model", Sort.ARTIFACT, {}, needs=("t/search",), adoption=follows),
        resource("m", "e/report", Sort.ARTIFACT, {}, needs=("t/model",)),
    )


def state(items: tuple[Resource, ...], *locals_: str, adopted: dict[str, Any] | None = None) -> ModelState:
    """What is recorded when only these resources have been made; the search and the model adopted, or not."""
    records: dict[str, Record] = {}
    for item in items:
        if item.local not in locals_:
            continue
        inputs = {need: records[need].digest for need in item.needs}
        value = {"adopted": {"given": adopted}} if adopted and item.local.startswith("t/") else {}
        records[item.local] = Record(
            item.address, item.sort, item.fingerprint(inputs), item.content, item.metadata, item.config, item.effects,
            digest([item.local, adopted]), value, {}, inputs, NOW, "ann", "a1", 1,
        )  # fmt: skip
    return ModelState("m", "lineage", len(records), records)


def planned(
    items: tuple[Resource, ...], recorded: ModelState | None = None, *, new_data: bool = False
) -> ModelPlan:
    desired = Desired(
        "m",
        "m.yaml",
        "active",
        "spec",
        items,
        lambda *_: Target({}),
        lambda _: (),
        lambda item: f"make {item.local}",
    )
    return diff(desired, recorded, {"d/data": Inputs(changed=new_data, sentences=("new rows",))}, NOW)


def actions(plan: ModelPlan) -> dict[str, Action]:
    return {change.address.removeprefix("m/"): change.action for change in plan.changes}


def at(plan: ModelPlan, local: str) -> Change:
    return next(change for change in plan.changes if change.address == f"m/{local}")


ALL = ("d/data", "t/search", "t/model", "e/report")


def test_nothing_recorded_the_named_thing_is_adopted_and_what_follows_it_too() -> None:
    plan = planned(resources(FILE))
    assert list(actions(plan).values()) == [Action.CREATE, Action.ADOPT, Action.ADOPT, Action.CREATE]
    search = at(plan, "t/search")
    assert (search.reason, search.sentence, search.notes, search.known) == (
        Reason.ADOPTED,
        "it",
        ("mind this",),
        False,
    )
    assert at(plan, "t/model").sentence == "with it"


def test_without_a_block_everything_is_made() -> None:
    assert set(actions(planned(resources(None))).values()) == {Action.CREATE}


@pytest.mark.parametrize("block", [FILE, {"path": "b.skops"}, None])
def test_once_recorded_the_block_changes_nothing(block: dict[str, Any] | None) -> None:
    recorded = state(resources(FILE), *ALL, adopted=FILE)
    assert not planned(resources(block), recorded).changed


@pytest.mark.parametrize("block", [FILE, None])
def test_a_later_change_makes_it_anew(block: dict[str, Any] | None) -> None:
    recorded = state(resources(FILE), *ALL, adopted=FILE)
    for plan in (
        planned(resources(block, version=2), recorded),
        planned(resources(block), recorded, new_data=True),
    ):
        assert at(plan, "t/search").action is Action.REPLACE
        assert at(plan, "t/model").action is Action.REPLACE


@pytest.mark.parametrize("block", [FILE, None])
def test_interrupted_in_between_the_model_still_follows(block: dict[str, Any] | None) -> None:
    recorded = state(resources(FILE), "d/data", "t/search", adopted=FILE)
    plan = planned(resources(block), recorded)
    assert list(actions(plan).values()) == [Action.NONE, Action.NONE, Action.ADOPT, Action.CREATE]


def test_until_then_another_block_or_other_inputs_adopt_again() -> None:
    recorded = state(resources(FILE), "d/data", "t/search", adopted=FILE)
    for plan in (
        planned(resources({"path": "b.skops"}), recorded),
        planned(resources(FILE), recorded, new_data=True),
    ):
        assert at(plan, "t/search").action is Action.ADOPT
        assert at(plan, "t/model").action is Action.ADOPT


def test_until_then_a_search_that_was_made_gives_way() -> None:
    recorded = state(resources(None), "d/data", "t/search")
    assert at(planned(resources(FILE), recorded), "t/search").action is Action.ADOPT


def test_without_the_block_a_model_is_made_from_a_search_that_is_made_again() -> None:
    recorded = state(resources(FILE), "d/data", "t/search", adopted=FILE)
    plan = planned(resources(None), recorded, new_data=True)
    assert at(plan, "t/search").action is Action.REPLACE
    assert at(plan, "t/model").action is Action.CREATE


def test_an_approval_is_bound_to_what_is_adopted_while_it_is() -> None:
    assert planned(resources(FILE)).digest != planned(resources({"path": "b.skops"})).digest
    recorded = state(resources(FILE), *ALL, adopted=FILE)
    retrained = [planned(resources(block), recorded, new_data=True).digest for block in (FILE, None)]
    assert retrained[0] == retrained[1]
