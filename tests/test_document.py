"""The document as a whole: every field explained and priced, the committed schema up to date, the examples valid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tenure.core.effect import Effect
from tenure.lifecycle import Model
from tenure.spec.base import effect_of
from tenure.spec.fragments import Fragments
from tenure.spec.schema import check, schema_of
from tenure.spec.shape import blocks
from tenure.spec.validate import load

ROOT = Path(__file__).parents[1]
SPECS = sorted((ROOT / "specs").glob("*.yaml"))
FIELDS = [(block, name) for block in blocks(Model) for name in block.model_fields]


@pytest.mark.parametrize("block", list(blocks(Model)), ids=lambda block: block.__qualname__)
def test_every_block_says_what_it_is(block: type[Any]) -> None:
    own = block.__dict__.get("__doc__")
    assert own
    assert own.strip().endswith((".", "`"))


@pytest.mark.parametrize(("block", "name"), FIELDS, ids=lambda item: getattr(item, "__qualname__", item))
def test_every_field_is_described_and_has_an_effect(block: type[Any], name: str) -> None:
    info = block.model_fields[name]
    effect = effect_of(info)
    assert isinstance(effect, Effect)
    assert info.description is not None
    own, _, priced = info.description.rpartition(effect.sentence)
    assert priced == ""
    assert len(own.split()) >= 2, "a description tells more than the name"


def test_the_committed_schema_is_the_generated_one() -> None:
    assert check(ROOT / "schemas", {"model": Model}) == [], "run: tenure schema"


def test_the_schema_is_a_schema_and_has_every_field() -> None:
    Draft202012Validator.check_schema(schema_of(Model))
    schema = schema_of(Model, composed=False)
    Draft202012Validator.check_schema(schema)
    described = [
        field
        for block in (schema, *schema["$defs"].values())
        for field in block.get("properties", {}).values()
    ]
    assert len(described) == len(FIELDS)
    assert all({"title", "description", "x-effect"} <= field.keys() for field in described)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_every_example_is_valid_by_both(path: Path) -> None:
    loaded = load(
        path,
        Model,
        fragments=Fragments(ROOT / "conf"),
        variables={"max_trials": 6},
        file=f"specs/{path.name}",
    )
    assert loaded.value is not None, loaded.diagnostics
    assert not loaded.diagnostics
    assert not list(Draft202012Validator(schema_of(Model)).iter_errors(loaded.data))


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_every_example_names_the_schema_for_editors(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=../schemas/model.schema.json"


def test_the_schema_is_readable_json_with_stable_names() -> None:
    text = (ROOT / "schemas" / "model.schema.json").read_text(encoding="utf-8")
    assert "tenure__" not in text
    assert json.loads(text)["title"] == "Model"


def test_a_description_of_the_editor_holds_the_effect() -> None:
    seed = schema_of(Model)["$defs"]["Training"]["properties"]["seed"]
    assert seed["x-effect"] == "retrain"
    assert seed["description"].endswith(
        "Changing it retrains, starting at the first step whose input changed."
    )
