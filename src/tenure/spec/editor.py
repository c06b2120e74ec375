"""The schema of a document -> what an editor needs of it while somebody types.

Three things are added to what validation knows. Over every key an editor shows what the field is and what changing it
costs, also where the field holds a block with words of its own. `defaults:` and `variables:`, which composition
consumes, are keys of the document. And what a fragment may bring is not missing: a key that validation demands is
demanded of the document itself only where no fragment named under `defaults:` can hold it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tenure.core.effect import Effect
from tenure.spec.compose.composed import DEFAULTS, VARIABLES
from tenure.spec.repeats import shared

Schema = dict[str, Any]

PARTIAL = "Partial_"
"""Begins the name of a definition whose required keys may come from a fragment."""

REFERENCE = "Reference"
"""The definition of a reference such as `${var.x}`, which may stand in the place of a scalar."""

_REF = "#/$defs/"
_IN_PLACE = ("anyOf", "oneOf", "allOf")
_INSIDE = ("items", "additionalProperties")
_DEMANDS = ("required", "minProperties", "discriminator")
_DATA = ("default", "examples", "enum", "const")
_WORDS = ("title", "description", "default", "examples", "x-effect", "$comment")
_COMPOSITION: dict[str, Schema] = {
    DEFAULTS: {
        "title": "Defaults",
        "description": "Fragments to build on, from `conf/<section>/<name>.yaml`. What the spec says itself wins, "
        "unless `_self_` stands earlier in the list. Its effect is that of the keys it brings.",
        "type": "array",
        "items": {
            "anyOf": [
                {"type": "string"},
                {
                    "type": "object",
                    "additionalProperties": {
                        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
                    },
                    "minProperties": 1,
                    "maxProperties": 1,
                },
            ]
        },
        "examples": [[{"monitoring": "standard"}, {"training": "quick"}]],
    },
    VARIABLES: {
        "title": "Variables",
        "description": "Values used as `${var.name}`; the environment's variables win. "
        "Its effect is that of the fields that use them.",
        "type": "object",
        "additionalProperties": True,
        "examples": [{"trials": 40}],
    },
}


def editor_schema(document: Schema) -> Schema:
    """The schema of a document (as `spec.schema` makes it, with `$defs`) for editors. The argument is left alone."""
    definitions = {name: _priced_block(block, document["$defs"]) for name, block in document["$defs"].items()}
    top = _priced_block({key: value for key, value in document.items() if key != "$defs"}, document["$defs"])
    required = top.pop("required", [])
    sections = [name for name in top["properties"] if _is_section(top["properties"][name], definitions)]
    conditions: list[Schema] = []
    partial = _Partial(definitions)
    envelope = [name for name in required if name not in sections]
    if envelope:
        demanded = {name: top["properties"][name] for name in envelope}
        # The editor offers the keys that this demands in one go: the beginning of an empty document.
        conditions.append(
            {"if": _brings(sections, ""), "else": {"properties": demanded, "required": envelope}}
        )
    for name in sections:
        whole = top["properties"][name]
        relaxed = partial.of(whole)
        otherwise: Schema = {} if relaxed == whole else {"properties": {name: whole}}
        if name in required:
            otherwise["allOf"] = [{"required": [name]}]
        if otherwise:
            then = {} if relaxed == whole else {"then": {"properties": {name: relaxed}}}
            conditions.append({"if": _brings(sections, name), **then, "else": otherwise})
    # Where a condition says what a key holds, the key itself is only allowed and explained here: offered once.
    held = {key for one in conditions for key in one["else"].get("properties", {})}
    for name in held:
        words = {key: value for key, value in top["properties"][name].items() if key in _WORDS}
        top["properties"][name] = {**words, "doNotSuggest": True}
    top["properties"] |= {name: dict(value) for name, value in _COMPOSITION.items()}
    schema: Schema = _with_markup({**top, "allOf": conditions, "$defs": definitions | partial.definitions})
    return shared(schema, PARTIAL)


# ---- what is shown over a key ----------------------------------------------------------------------------------------


def _priced_block(block: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """A block whose fields say their cost wherever an editor looks for words."""
    if "properties" not in block:
        return dict(block)
    fields = {name: _priced(value, definitions) for name, value in block["properties"].items()}
    return {**block, "properties": fields}


def _priced(field: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """A field with its words repeated at what it holds: of several descriptions an editor shows the innermost."""
    field = dict(field)
    if field.get("default", ...) is None:
        # Offered as the text to begin with otherwise, and nobody means to write `monitoring: null`.
        del field["default"]
    if "$ref" in field:
        # With a key that it does not know beside `$ref`, yaml-language-server shows the words of the block instead.
        field["$comment"] = f"x-effect: {field.pop('x-effect')}"
        return field
    effect = Effect(field["x-effect"])
    blocks = [one for one in _members(field) if one.get("type") != "null" and not _is_reference(one)]
    if len(blocks) == 1:
        (block,) = blocks
        if (kind := _kind(block, definitions)) in ("object", "array") and "type" not in field:
            field["type"] = [kind, "null"]
        said = {id(block): {"title": field["title"], "description": field["description"]}}
    else:
        said = {}
    return {**field, **_with_cost(field, effect, definitions, said)}


def _with_cost(
    schema: Schema, effect: Effect, definitions: Mapping[str, Schema], said: Mapping[int, Schema]
) -> Schema:
    """The parts of a schema that lead to blocks; a block has the words of `said`, else its own and the cost."""

    def described(one: Schema) -> Schema:
        if "$ref" not in one or _is_reference(one):
            return {**one, **_with_cost(one, effect, definitions, said)}
        if id(one) in said:
            return {**one, **said[id(one)]}
        own = definitions[_name(one)].get("description", "")
        return {**one, "description": f"{own} {effect.sentence}".strip()}

    found: Schema = {key: [described(one) for one in schema[key]] for key in _IN_PLACE if key in schema}
    found |= {key: described(schema[key]) for key in _INSIDE if isinstance(schema.get(key), dict)}
    if "patternProperties" in schema:
        found["patternProperties"] = {key: described(one) for key, one in schema["patternProperties"].items()}
    return found


def _with_markup(schema: Any) -> Any:
    """The same, with words that hold code between backticks given a second time as Markdown, for editors to show so."""
    if isinstance(schema, list):
        return [_with_markup(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: value if key in _DATA else _with_markup(value) for key, value in schema.items()}
    words = schema.get("description")
    if isinstance(words, str) and ("`" in words or "$ref" in schema):
        # Beside `$ref` always: the words of what is referred to would be taken otherwise, where those are Markdown.
        found["markdownDescription"] = words
    return found


def _members(schema: Schema) -> Iterator[Schema]:
    for key in _IN_PLACE:
        yield from schema.get(key, ())


def _is_reference(schema: Schema) -> bool:
    return bool(schema.get("$ref") == f"{_REF}{REFERENCE}")


def _kind(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    return str((definitions[_name(schema)] if "$ref" in schema else schema).get("type", ""))


def _name(schema: Schema) -> str:
    return str(schema["$ref"]).removeprefix(_REF)


# ---- what a fragment may bring ---------------------------------------------------------------------------------------


def _is_section(field: Schema, definitions: Mapping[str, Schema]) -> bool:
    """Whether a key of the document holds a block, so that a fragment can bring a part of it."""
    kinds = {_kind(one, definitions) for one in (field, *_members(field))}
    return "object" in kinds


def _brings(sections: list[str], name: str) -> Schema:
    """Holds for a document whose `defaults` name a fragment that may bring something for the section `name`.

    An entry such as `monitoring: standard` fills its own section. Anything else (a fragment that says itself where its
    keys go, one named by a plain path) may fill any.
    """
    others = "|".join(re.escape(one) for one in sections if one != name)
    elsewhere = {"type": "object", "propertyNames": {"pattern": f"^({others})(/[^@]*)?$"}}
    return {
        "required": [DEFAULTS],
        "properties": {DEFAULTS: {"contains": {"not": {"anyOf": [{"const": "_self_"}, elsewhere]}}}},
    }


class _Partial:
    """Schemas that demand nothing a fragment may bring, and the definitions they need.

    A list is taken as a whole when layers are merged, so its items are demanded complete.
    """

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._whole = definitions
        self.definitions: dict[str, Schema] = {}

    def of(self, schema: Schema) -> Schema:
        """The same schema without demands."""
        found: Schema = {}
        for key, value in schema.items():
            if key == "$ref":
                found[key] = self._ref(_name(schema))
            elif key == "oneOf":
                # Without what tells the kinds apart a block may fit several of them.
                found["anyOf"] = [self.of(one) for one in value]
            elif key in ("anyOf", "allOf"):
                found[key] = [self.of(one) for one in value]
            elif key == "additionalProperties" and isinstance(value, dict):
                found[key] = self.of(value)
            elif key in ("properties", "patternProperties"):
                found[key] = {name: self.of(one) for name, one in value.items()}
            elif key not in _DEMANDS:
                found[key] = value
        return found

    def _ref(self, name: str) -> str:
        short = f"{PARTIAL}{name}"
        if short not in self.definitions:
            whole = self._whole[name]
            # Held before it is made: a block may hold blocks of its own kind.
            self.definitions[short] = whole
            relaxed = self.of(whole)
            if relaxed == whole:
                del self.definitions[short]
                return f"{_REF}{name}"
            self.definitions[short] = relaxed
        return f"{_REF}{short}"
