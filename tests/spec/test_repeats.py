"""What is said once means what was said several times."""

from __future__ import annotations

import json
from typing import Any

from tenure.lifecycle import Model
from tenure.spec import editor
from tenure.spec.repeats import shared
from tenure.spec.schema import schema_of

CAT = {
    "$ref": "#/$defs/Cat",
    "description": "A cat is an animal that sleeps most of the day, and hunts at night.",
}
DOG = {"$ref": "#/$defs/Dog", "description": "A dog is an animal that follows people, and has to be led."}
PET = {"oneOf": [CAT, DOG], "discriminator": {"propertyName": "type"}}
WORDS = {"title": "Pet", "description": "The animal of the house. " * 10}


def _spelled_out(schema: Any, whole: dict[str, Any]) -> Any:
    """The schema with what it shares put back in place."""
    if isinstance(schema, list):
        return [_spelled_out(one, whole) for one in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref", "")
    if reference.startswith("#/$defs/Either") or "/properties/" in reference:
        assert list(schema) == ["$ref"]
        found: Any = whole
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        return _spelled_out(found, whole)
    return {key: _spelled_out(value, whole) for key, value in schema.items()}


def test_the_schema_means_the_same_and_is_half_as_large(monkeypatch):
    small = schema_of(Model)
    monkeypatch.setattr(editor, "shared", lambda schema, partial: schema)
    large = schema_of(Model)
    spelled_out = _spelled_out(small, small)
    spelled_out["$defs"] = {
        name: block for name, block in spelled_out["$defs"].items() if not name.startswith("Either")
    }
    assert spelled_out == large
    assert len(json.dumps(small)) < 0.66 * len(json.dumps(large))


def test_a_choice_that_stands_once_stays_where_it_is():
    schema = {
        "properties": {"pet": {**PET, **WORDS}, "other": {"anyOf": [PET, {"type": "null"}]}},
        "$defs": {},
    }
    assert shared(schema, "Partial_") == schema


def test_a_repeated_choice_becomes_a_definition():
    fields = {name: {"anyOf": [PET, {"type": "null"}], "title": name} for name in ("first", "second")}
    made = shared({"properties": fields, "$defs": {"EitherCat_Dog": {}}}, "Partial_")
    assert made["properties"]["first"]["anyOf"] == [{"$ref": "#/$defs/EitherCat_Dog2"}, {"type": "null"}]
    assert made["$defs"] == {"EitherCat_Dog": {}, "EitherCat_Dog2": PET}


def test_data_that_look_like_a_choice_are_data():
    schema = {"properties": {"a": {"default": PET}, "b": {"examples": [PET]}}, "$defs": {}}
    assert shared(schema, "Partial_") == schema


def test_fields_of_a_relaxed_block_are_those_of_the_whole_where_they_are_equal():
    whole = {"properties": {"same": WORDS, "other": {**WORDS, "type": "string"}, "short": {"type": "null"}}}
    relaxed = {"properties": {"same": WORDS, "other": WORDS, "short": {"type": "null"}}}
    made = shared({"$defs": {"House": whole, "Partial_House": relaxed}}, "Partial_")["$defs"]
    assert made["House"] == whole
    assert made["Partial_House"]["properties"] == {
        "same": {"$ref": "#/$defs/House/properties/same"},
        "other": WORDS,
        "short": {"type": "null"},
    }
