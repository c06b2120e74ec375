from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tenure.lifecycle import Model
from tenure.spec.editor import PARTIAL
from tenure.spec.read import read
from tenure.spec.schema import schema_of

ROOT = Path(__file__).parents[2]
SPECS = [*sorted((ROOT / "specs").glob("*.yaml")), ROOT / "src/tenure/templates/demo/specs/weather.yaml"]
GOOD: dict[str, Any] = {"apiVersion": "tenure/v1", "kind": "Model", "name": "churn"}
HALF_A_SOURCE = {"sources": {"a": {"path": "x"}}}


def problems(document_class: type[Any], data: Any) -> list[str]:
    return [error.message for error in Draft202012Validator(schema_of(document_class)).iter_errors(data)]


@pytest.mark.parametrize(
    "defaults",
    [
        [{"sources": "shared"}],
        [{"limits": "quick"}, {"sources": "shared"}, "_self_"],
        ["base"],
        [{"experiment": "first"}],
        [{"limits@sources": "quick"}],
    ],
)
def test_what_a_fragment_may_bring_is_not_missing(document_class: type[Any], defaults: Any) -> None:
    assert not problems(document_class, GOOD | HALF_A_SOURCE | {"defaults": defaults})


@pytest.mark.parametrize(
    "defaults", [None, [], ["_self_"], [{"limits": "quick"}], [{"limits/deep": "x"}, "_self_"]]
)
def test_what_no_fragment_can_bring_is_missing(document_class: type[Any], defaults: Any) -> None:
    more = {} if defaults is None else {"defaults": defaults}
    assert problems(document_class, GOOD | HALF_A_SOURCE | more)
    assert problems(document_class, {"apiVersion": "tenure/v1", "kind": "Model"} | more)


@pytest.mark.parametrize(
    "more",
    [
        {"sources": {"a": {"type": "csv", "pth": "x"}}},
        {"sources": {"a": {"type": "cvs"}}},
        {"sources": {"a": {"path": 5}}},
        {"limits": {"max_trials": 0}},
        {"gates": [{"type": "champion"}]},
        {"gates": [{"min": 1}]},
    ],
)
def test_a_fragment_excuses_nothing_else(document_class: type[Any], more: dict[str, Any]) -> None:
    """A wrong key or value stays wrong. A list is taken as a whole, so its items are complete."""
    assert problems(document_class, GOOD | {"defaults": ["base"]} | more)


def test_the_argument_is_left_alone(document_class: type[Any]) -> None:
    from tenure.spec.editor import editor_schema

    plain = schema_of(document_class, composed=False)
    before = copy.deepcopy(plain)
    editor_schema(plain)
    assert plain == before


def keys(data: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of all keys that are reached through mappings only."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield (*path, key)
            yield from keys(value, (*path, key))


def without(data: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    data = copy.deepcopy(data)
    block = data
    for key in path[:-1]:
        block = block[key]
    del block[path[-1]]
    return data


@pytest.mark.parametrize("path", SPECS, ids=lambda path: f"{path.parent.parent.name}-{path.stem}")
def test_any_key_below_a_section_may_come_from_its_fragment(path: Path) -> None:
    """Whatever key of a real spec moves to a fragment of its section, the editor stays silent."""
    document, _ = read(path)
    assert document is not None
    validator = Draft202012Validator(schema_of(Model))
    strict = 0
    for moved in keys(document.data):
        section = moved[0]
        if section in ("apiVersion", "kind", "defaults", "variables", "state"):
            continue
        left = without(document.data, moved)
        others = [one for one in left.get("defaults", []) if one != {section: "standard"}]
        alone = (
            (left | {"defaults": others}) if others else {k: v for k, v in left.items() if k != "defaults"}
        )
        strict += not validator.is_valid(alone)
        asked = left | {"defaults": [*others, {section: "shared"}]}
        assert not list(validator.iter_errors(asked)), moved
    assert strict >= 5, "without a fragment several of these keys are missing"


def test_each_key_of_the_document_is_offered_once() -> None:
    """A key is held either by the document or by a condition; the other one must not be offered a second time."""
    schema = schema_of(Model)
    offered = [name for name, field in schema["properties"].items() if not field.get("doNotSuggest")]
    for one in schema["allOf"]:
        offered += one["else"].get("properties", {})
    assert sorted(offered) == sorted([*Model.model_json_schema()["properties"], "defaults", "variables"])


def test_only_blocks_that_demand_something_have_a_partial_twin() -> None:
    definitions = schema_of(Model)["$defs"]
    twins = {name for name in definitions if name.startswith(PARTIAL)}
    assert f"{PARTIAL}Training" in twins
    assert f"{PARTIAL}training_Limits" not in twins
    assert all(definitions[name] != definitions[name.removeprefix(PARTIAL)] for name in twins)
