"""What a review shows of an edit: entries of lists are told by what they are, not by where they stand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenure.core.digest import digest
from tenure.core.effect import Effect
from tenure.core.leaves import flatten
from tenure.graph.resource import Resource, Sort
from tenure.plan.fields import field_changes, listed

BASELINE = {"type": "baseline", "min_relative_change": 0.05}
RMSE = {"type": "metric", "metric": "rmse", "max": 4.2, "enforcement": "enforce"}
MAE = {"type": "metric", "metric": "mae", "max": 3.0, "enforcement": "enforce"}
SIZE = {"type": "size", "max": "5MB"}


def changed(old: Any, new: Any, effects: dict[str, Effect] | None = None) -> list[tuple[str, Any, Any]]:
    return [(item.path, item.old, item.new) for item in _fields(old, new, effects)]


def _fields(old: Any, new: Any, effects: dict[str, Effect] | None = None) -> tuple[Any, ...]:
    record: Any = _resource(old, effects or {})
    return field_changes(record, _resource(new, {"": Effect.EVALUATE} | (effects or {})))


def _resource(config: Any, effects: dict[str, Effect]) -> Resource:
    return Resource("m/a/b", Sort.ARTIFACT, config, effects, (), 1, digest(config), "")


def test_a_name_in_front_of_others_leaves_them_as_they_are() -> None:
    assert changed({"exclude": ["b", "c"]}, {"exclude": ["a", "b", "c"]}) == [("exclude[0]", None, "a")]
    assert changed({"exclude": ["a", "b", "c"]}, {"exclude": ["a", "c"]}) == [("exclude[1]", "b", None)]
    assert changed({"exclude": ["a", "b", "c"]}, {"exclude": ["x", "a", "c"]}) == [
        ("exclude[0]", None, "x"),
        ("exclude[1]", "b", None),
    ]


def test_a_value_in_the_place_of_another_is_that_value_changed() -> None:
    assert changed({"steps": [10, 50, 100]}, {"steps": [5, 50, 100]}) == [("steps[0]", 10, 5)]
    assert changed({"steps": [10, 50]}, {"steps": [5, 20, 50]}) == [
        ("steps[0]", 10, 5),
        ("steps[1]", None, 20),
    ]


def test_a_block_among_others_is_added_edited_and_removed_as_itself() -> None:
    assert changed({"gates": [BASELINE, RMSE]}, {"gates": [SIZE, BASELINE, RMSE]}) == [
        ("gates[0].type", None, "size"),
        ("gates[0].max", None, "5MB"),
    ]
    stricter = BASELINE | {"min_relative_change": 0.1}
    assert changed({"gates": [BASELINE, RMSE]}, {"gates": [SIZE, stricter, RMSE]})[2:] == [
        ("gates[1].min_relative_change", 0.05, 0.1)
    ]
    # Of two of a kind, each stays the one that it is most like.
    assert changed({"gates": [RMSE, MAE]}, {"gates": [MAE | {"max": 2.5}, RMSE | {"max": 4}]}) == [
        ("gates[0].max", 3.0, 2.5),
        ("gates[1].max", 4.2, 4),
    ]
    # Another type is another block, wherever it stands.
    assert changed({"gates": [SIZE]}, {"gates": [BASELINE]}) == [
        ("gates[0].type", "size", None),
        ("gates[0].max", "5MB", None),
        ("gates[0].type", None, "baseline"),
        ("gates[0].min_relative_change", None, 0.05),
    ]


def test_what_is_gone_costs_what_it_cost_where_it_stood() -> None:
    effects = {"columns[0]": Effect.METADATA, "columns[1]": Effect.BREAKING}
    assert [item.effect for item in _fields({"columns": ["a", "b"]}, {"columns": ["a"]}, effects)] == [
        Effect.BREAKING
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "a.b"),
        ({"exclude": []}, {"exclude": ["x"]}, "exclude[0]"),
        ({"exclude": ["x"]}, {"exclude": ["x", "y", "z"]}, "exclude"),
        ({"gates": [BASELINE], "a": 1}, {"gates": [RMSE], "a": 2}, "a, gates"),
        ({}, {"a": 1, "b": 1, "c": 1, "d": 1, "e": [1, 2]}, "a, b, c and 2 more"),
    ],
)
def test_a_list_is_named_once(old: Any, new: Any, said: str) -> None:
    assert listed(_fields(old, new)) == said


def test_very_long_lists_are_compared_place_by_place() -> None:
    old, new = list(range(5000)), [*range(4999), -1, -2]
    assert changed({"values": old}, {"values": new}) == [
        ("values[4999]", 4999, -1),
        ("values[5000]", None, -2),
    ]
    blocks = [{"name": f"n{i}", "value": i} for i in range(400)]
    shifted = [{"name": f"n{i}", "value": i + 0.5} for i in range(400)]
    assert len(changed({"blocks": blocks}, {"blocks": shifted})) == 400


VALUES = st.recursive(
    st.none() | st.integers(-3, 3) | st.sampled_from("abc"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=12,
)
CONFIGS = st.dictionaries(st.sampled_from(["type", "x", "y"]), VALUES, max_size=3)


@given(CONFIGS, CONFIGS)
def test_whatever_is_edited_the_leaves_add_up(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Old leaves without those that went, and with those that came, are the new ones."""
    fields = _fields(old, new)
    assert all(item.old != item.new for item in fields)

    def leaves(config: Any) -> list[str]:
        return sorted(repr(value) for _, value in flatten(config) if value not in (None, [], {}))

    def said(side: str) -> list[str]:
        values = [getattr(item, side) for item in fields]
        return [repr(value) for value in values if value not in (None, [], {})]

    left = leaves(old)
    for value in said("old"):
        left.remove(value)
    assert sorted([*left, *said("new")]) == leaves(new)
    if dict(flatten(old)) == dict(flatten(new)):
        assert not fields
