"""What a schema says several times, said once: a smaller file for editors to load, which means the same.

Two things repeat a lot. A choice between blocks, such as the kinds of a dimension, stands at every field that takes it.
And a block whose keys a fragment may bring has the same fields as the whole block.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

Schema = dict[str, Any]

_REF = "#/$defs/"
_CHOICE = ("anyOf", "oneOf")
_DATA = ("default", "examples", "enum", "const")
_SHORT = 200
"""Characters of a schema that is not worth a reference."""


def shared(schema: Schema, partial: str) -> Schema:
    """The schema with each repeated choice as a definition of its own, `EitherA_B`; definitions that begin with
    `partial` refer to the fields of the definition without it, where these are the same. The argument is left alone."""
    counts: Counter[str] = Counter()

    def count(one: Schema) -> Schema:
        if _is_choice(one):
            counts[_text(one)] += 1
        return one

    _everywhere(schema, count)
    names: dict[str, str] = {}
    added: Schema = {}

    def replace(one: Schema) -> Schema:
        if not _is_choice(one) or counts[text := _text(one)] < 2:
            return one
        if text not in names:
            names[text] = _name(one, {*schema["$defs"], *added})
            added[names[text]] = one
        return {"$ref": f"{_REF}{names[text]}"}

    made: Schema = _everywhere(schema, replace)
    definitions = {**made["$defs"], **added}
    for name, block in definitions.items():
        whole = definitions.get(name.removeprefix(partial), {}).get("properties", {})
        if name.startswith(partial) and whole:
            fields = {
                key: {"$ref": f"{_REF}{name.removeprefix(partial)}/properties/{key}"}
                if value == whole.get(key)
                and len(_text(value)) > _SHORT
                and "/" not in key
                and "~" not in key
                else value
                for key, value in block["properties"].items()
            }
            definitions[name] = {**block, "properties": fields}
    return {**made, "$defs": definitions}


def _is_choice(one: Mapping[str, Any]) -> bool:
    """Whether a schema is a choice between definitions and nothing else, without words of its own."""
    keys = set(one) - {"discriminator"}
    if len(keys) != 1 or not keys <= set(_CHOICE):
        return False
    (members,) = (one[key] for key in keys)
    return len(members) > 1 and all("$ref" in member for member in members) and len(_text(one)) > _SHORT


def _name(choice: Schema, taken: set[str]) -> str:
    members = next(choice[key] for key in _CHOICE if key in choice)
    name = "Either" + "_".join(str(member["$ref"]).removeprefix(_REF) for member in members)
    number = 2
    while name in taken:
        name, number = f"{name.rstrip('0123456789')}{number}", number + 1
    return name


def _everywhere(schema: Any, change: Callable[[Schema], Schema]) -> Any:
    """The schema with every schema in it changed, the outermost first."""
    if isinstance(schema, list):
        return [_everywhere(one, change) for one in schema]
    if not isinstance(schema, dict):
        return schema
    changed = change(schema)
    if changed is not schema:
        return changed
    return {key: value if key in _DATA else _everywhere(value, change) for key, value in schema.items()}


def _text(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, sort_keys=True)
