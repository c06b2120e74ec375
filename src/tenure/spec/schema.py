"""Document class -> JSON Schema (draft 2020-12): what editors complete, explain on hover and check while one types.

One thing differs from what pydantic generates: a scalar that is not free text may also be a reference (`${var.x}`),
which validation sees only after composition. What editors need beyond that is added in `spec/editor.py`.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from tenure.spec.base import SpecModel
from tenure.spec.editor import REFERENCE, editor_schema

_REFERENCE_SCHEMA = {
    "title": "Reference",
    # No description: editors would show it over a field instead of the field's own.
    "$comment": "`${var.name}`, `${env:NAME}` or `${env:NAME,fallback}`, replaced before the spec is checked.",
    "type": "string",
    "pattern": r"\$\{",
}
_ANNOTATIONS = ("title", "description", "default", "examples", "x-effect", "deprecated")


class _Generator(GenerateJsonSchema):
    """Pydantic's generator, which leaves out the defaults that a factory makes."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        factory = schema.get("default_factory")
        if "default" not in made and factory is not None and not schema.get("default_factory_takes_data"):
            value = factory()  # type: ignore[call-arg]
            if isinstance(value, SpecModel):
                value = value.model_dump(mode="json", by_alias=True, exclude_defaults=True)
            made["default"] = self.encode_default(value)
        return made


def schema_of(document: type[SpecModel], *, composed: bool = True) -> dict[str, Any]:
    """The JSON Schema of a document class: of a file that is still to be composed, or of what composition makes of it.

    `composed` is true for the file in an editor: `defaults` and `variables` may stand in it, and fragments bring keys.
    """
    made = document.model_json_schema(by_alias=True, schema_generator=_Generator, mode="validation")
    made = _with_short_names(made)
    definitions = made.pop("$defs", {})
    _relax_default_kinds({"top": made, **definitions}, definitions)
    for block in (made, *definitions.values()):
        for name, value in block.get("properties", {}).items():
            block["properties"][name] = {**_with_reference(value, definitions), "title": _title(name)}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **made,
        "$defs": {**definitions, REFERENCE: _REFERENCE_SCHEMA},
    }
    return editor_schema(schema) if composed else schema


def _with_short_names(schema: dict[str, Any]) -> dict[str, Any]:
    """Where two blocks share a name pydantic spells out their modules; the folder is enough to tell them apart."""
    text = json.dumps(schema)
    for name in schema.get("$defs", {}):
        if len(parts := name.split("__")) > 2:
            text = text.replace(f'#/$defs/{name}"', f'#/$defs/{parts[-3]}_{parts[-1]}"')
            text = text.replace(f'"{name}": {{', f'"{parts[-3]}_{parts[-1]}": {{')
    short: dict[str, Any] = json.loads(text)
    return short


def _title(name: str) -> str:
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def _with_reference(schema: dict[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a field, with a reference allowed wherever a scalar is expected that is not free text."""
    schema = _inside(schema, definitions)
    if "anyOf" in schema:
        schema["anyOf"] = [_inside(member, definitions) for member in schema["anyOf"]]
    members = schema.get("anyOf", [schema])
    if "const" in schema or not any(_is_scalar(member, definitions) for member in members):
        return schema
    if any(_is_free_text(member) for member in members):
        return schema
    kept = {key: schema.pop(key) for key in _ANNOTATIONS if key in schema}
    return {**kept, "anyOf": [*schema.get("anyOf", [schema]), {"$ref": f"#/$defs/{REFERENCE}"}]}


def _inside(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """The same for the items of a list and the values of a mapping."""
    inner = dict(schema)
    for key in ("items", "additionalProperties"):
        if isinstance(inner.get(key), dict):
            inner[key] = _with_reference(inner[key], definitions)
    if "prefixItems" in inner:
        inner["prefixItems"] = [_with_reference(item, definitions) for item in inner["prefixItems"]]
    return inner


def _is_scalar(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> bool:
    if "$ref" in schema:
        return "enum" in definitions.get(str(schema["$ref"]).rpartition("/")[2], {})
    return "enum" in schema or schema.get("type") in ("integer", "number", "boolean", "string")


def _is_free_text(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "string" and not {"enum", "const", "pattern", "format", "maxLength"} & set(
        schema
    )


def _relax_default_kinds(schema: Any, definitions: dict[str, Any]) -> None:
    """A union with a default kind: the block of that kind may leave out what tells the kinds apart."""
    if isinstance(schema, dict):
        kind = schema.pop("x-default-kind", None)
        if kind is not None and "discriminator" in schema:
            key = schema["discriminator"]["propertyName"]
            member = definitions[str(schema["discriminator"]["mapping"][kind]).rpartition("/")[2]]
            member["required"] = [name for name in member.get("required", []) if name != key]
        for value in schema.values():
            _relax_default_kinds(value, definitions)
    elif isinstance(schema, list):
        for item in schema:
            _relax_default_kinds(item, definitions)


def files(documents: Mapping[str, type[SpecModel]]) -> dict[str, str]:
    """The schema files by name: `{"model": Model}` -> `{"model.schema.json": "{...}"}`."""
    return {
        f"{name}.schema.json": json.dumps(schema_of(document), indent=1, ensure_ascii=False) + "\n"
        for name, document in documents.items()
    }


def write(folder: Path, documents: Mapping[str, type[SpecModel]]) -> list[Path]:
    """Write the schema of each document class into `folder`; returns the files that changed."""
    folder.mkdir(parents=True, exist_ok=True)
    changed: list[Path] = []
    for name, text in files(documents).items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


def check(folder: Path, documents: Mapping[str, type[SpecModel]]) -> list[str]:
    """What differs between `folder` and what would be written, a sentence each; empty when nothing does."""
    differences: list[str] = []
    for name, text in files(documents).items():
        path = folder / name
        if not path.is_file():
            differences.append(f"{path} is missing.")
        elif (there := path.read_text(encoding="utf-8")) != text:
            pairs = zip(there.splitlines(), text.splitlines(), strict=False)
            same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
            differences.append(f"{path} is out of date from line {same + 1} on.")
    return differences
