"""Specs as plain data: every edit their schema allows, and the many ways to write the same thing down."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

import yaml

from tenure.lifecycle import Model
from tenure.spec.schema import schema_of

Path = tuple[str | int, ...]
Edit = tuple[Path, Any]
"""A path of a document and the value to put there; None removes the key."""

FIXED = {("apiVersion",), ("kind",), ("metadata", "name"), ("lifecycle", "moved_from")}
"""What makes the document another one is not an edit of it; renaming a model is a rule of its own."""
DAYS = ("2026-05-10", "2026-06-01", "2026-12-31", "2027-05-01")
"""Dates near the time at which sequences begin: some are soon over."""
STYLES = ("plain", "backwards", "flow", "commented", "json", "windows")


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of a spec, as editors get it."""
    return schema_of(Model, composed=False)


def edits(document: dict[str, Any]) -> tuple[Edit, ...]:
    """Every single edit of a document: another value, one more, one fewer; most of them are valid."""
    return _edits(json.dumps(document))


@lru_cache(maxsize=256)
def _edits(document: str) -> tuple[Edit, ...]:
    return tuple(_object(schema(), json.loads(document), ()))


def edited(document: dict[str, Any], edit: Edit) -> dict[str, Any]:
    """The document with one edit. Blocks on the way that are not there are begun."""
    path, value = edit
    result = copy.deepcopy(document)
    place: Any = result
    for key in path[:-1]:
        if isinstance(place, dict) and place.get(key) is None:
            place[key] = {}
        place = place[key]
    last = path[-1]
    if value is not None:
        if isinstance(place, list) and last == len(place):
            place.append(value)
        else:
            place[last] = value
    elif isinstance(place, list):
        del place[last]
    else:
        place.pop(last, None)
    return result


def text(document: dict[str, Any], style: str) -> str:
    """A document as YAML in one of the `STYLES`: the same meaning each time."""
    match style:
        case "backwards":
            return yaml.safe_dump(_backwards(document), sort_keys=False)
        case "flow":
            return "---\n" + yaml.safe_dump(document, sort_keys=False, default_flow_style=True, width=60)
        case "commented":
            lines = yaml.safe_dump(document, sort_keys=True, indent=4).splitlines()
            return "# what this is\n\n" + "".join(f"{line}  # so\n\n" for line in lines)
        case "json":
            return json.dumps(document, indent=1)
        case "windows":
            return yaml.safe_dump(document, sort_keys=False).replace("\n", "\r\n")
        case _:
            return yaml.safe_dump(document, sort_keys=False)


def _backwards(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _backwards(value[key]) for key in reversed(value)}
    return [_backwards(item) for item in value] if isinstance(value, list) else value


def _object(node: dict[str, Any], value: dict[str, Any], path: Path) -> Iterator[Edit]:
    node = _resolved(node, value)
    required = node.get("required", ())
    for key, child in node.get("properties", {}).items():
        here = (*path, key)
        if here in FIXED:
            continue
        present = value.get(key)
        for candidate in _candidates(child) if here != ("metadata",) else ():
            if candidate != present:
                yield here, candidate
        if present is not None:
            if key not in required:
                yield here, None
            yield from _inside(child, present, here)
        elif key not in required and "properties" in _resolved(child, {}):
            yield from _object(child, {}, here)
    more = node.get("additionalProperties")
    if isinstance(more, dict):
        for key, present in value.items():
            if len(value) > 1:
                yield (*path, key), None
            yield from _inside(more, present, (*path, key))


def _inside(node: dict[str, Any], value: Any, path: Path) -> Iterator[Edit]:
    if isinstance(value, dict):
        yield from _object(node, value, path)
    elif isinstance(value, list):
        items = _resolved(node, value).get("items", {})
        for position, item in enumerate(value):
            if len(value) > 1:
                yield (*path, position), None
            for candidate in _candidates(items):
                if candidate != item and not isinstance(candidate, dict):
                    yield (*path, position), candidate
            yield from _inside(items, item, (*path, position))


def _resolved(node: dict[str, Any], value: Any = None) -> dict[str, Any]:
    """The schema behind references, and of several kinds the one that the value is of."""
    while True:
        if "$ref" in node:
            node = schema()["$defs"][node["$ref"].rsplit("/", 1)[1]]
            continue
        kinds = [
            kind for kind in (*node.get("oneOf", ()), *node.get("anyOf", ())) if "properties" not in node
        ]
        if not kinds:
            return node
        kinds = [_resolved(kind, value) for kind in kinds]
        fitting = [kind for kind in kinds if _fits(kind, value)]
        node = (fitting or kinds)[0]


def _fits(kind: dict[str, Any], value: Any) -> bool:
    if isinstance(value, dict):
        named = kind.get("properties", {}).get("type", {}).get("const")
        return kind.get("type") == "object" and (named is None or value.get("type", named) == named)
    return kind.get("type") == ("array" if isinstance(value, list) else None)


def _candidates(node: dict[str, Any]) -> list[Any]:
    """Values for a field: its examples, its limits and what lies beside its default."""
    found: list[Any] = [*node.get("examples", ())]
    for kind in node.get("oneOf", node.get("anyOf", (node,))):
        found += _of(_resolved(kind) if "$ref" in kind else kind)
    if node.get("default") is not None:
        found.append(node["default"])
    unique: list[Any] = []
    for item in found:
        if item is not None and item not in unique:
            unique.append(item)
    return unique


def _of(node: dict[str, Any]) -> list[Any]:
    found: list[Any] = [*node.get("examples", ())]
    if "const" in node:
        return [node["const"]]
    if "enum" in node:
        return list(node["enum"])
    match node.get("type"):
        case "boolean":
            found += [True, False]
        case "integer":
            low = node.get("minimum", node.get("exclusiveMinimum", 0) + 1)
            found += [low, low + 1, min(node.get("maximum", low + 3), low + 3)]
        case "number":
            low, high = node.get("minimum", 0.25), node.get("maximum", 0.75)
            found += [low, round((low + high) / 2, 3), high]
        case "string":
            pattern = node.get("pattern", "")
            if node.get("format") == "date":
                found += list(DAYS)
            elif not found and "d|w" in pattern:
                found += ["1d", "36h", "2w", "0s"]
            elif not found and "KB" in pattern:
                found += ["2MB", "512KB"]
            elif not found and not pattern:
                found += ["Some words.", "other"]
        case "array":
            first = _candidates(node.get("items", {}))[:2]
            found += [[], *([item] for item in first)]
        case "object":
            if "properties" in node:
                found.append(_smallest(node))
            elif isinstance(node.get("additionalProperties"), dict):
                more = _candidates(node["additionalProperties"])
                found += [{"extra": more[0]}] if more else []
    return found


def _smallest(node: dict[str, Any]) -> dict[str, Any]:
    """The least that may stand in a block."""
    made = {}
    for key in node.get("required", ()):
        values = _candidates(node["properties"][key])
        if values:
            made[key] = values[0]
    return made
