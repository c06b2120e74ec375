"""The reference page of a document: every block, kind and field, from the same classes as the schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from tenure.spec.base import SpecModel, effect_of
from tenure.spec.shape import AnyOf, Block, Kinds, Leaf, ListOf, MappingOf, Shape, shape_of_field

_MOST_CHOICES = 12


def reference(model: type[SpecModel], title: str) -> str:
    """A Markdown page. Each block comes once, where it is first used; fields in the order of the class."""
    lines = [f"# {title}", "", *_intro(model), *_block(model, "", set())]
    return "\n".join(lines).rstrip() + "\n"


def _intro(model: type[SpecModel]) -> Iterator[str]:
    yield _doc(model)
    yield ""
    yield "This page is written from the code that validates specs. The last column says what changing a field costs."
    yield ""


def _block(model: type[SpecModel], path: str, seen: set[type[SpecModel]]) -> Iterator[str]:
    seen.add(model)
    yield "| key | what it is | default | effect |"
    yield "|---|---|---|---|"
    for name, info in model.model_fields.items():
        yield f"| `{info.alias or name}` | {_what(info)} | {_default(info)} | {effect_of(info).value} |"
    yield ""
    for name, info in model.model_fields.items():
        where = f"{path}.{info.alias or name}" if path else (info.alias or name)
        yield from _below(shape_of_field(info), where, seen)


def _below(shape: Shape, path: str, seen: set[type[SpecModel]]) -> Iterator[str]:
    """The blocks inside a field, each under a heading with its path."""
    match shape:
        case Block(model=model):
            if model not in seen:
                yield from _heading(f"`{path}`", path, model)
                yield from _block(model, path, seen)
        case MappingOf(value=value):
            yield from _below(value, f"{path}.<name>", seen)
        case ListOf(item=item):
            yield from _below(item, f"{path}[]", seen)
        case Kinds(key=key, members=members, default=default):
            for kind, member in members.items():
                if isinstance(member, Block) and member.model not in seen:
                    implied = f" (the default: `{key}` may be left out)" if kind == default else ""
                    yield from _heading(f"`{path}`: `{{{key}: {kind}}}`{implied}", path, member.model)
                    yield from _block(member.model, path, seen)
        case AnyOf(members=shapes):
            for item in shapes:
                yield from _below(item, path, seen)
        case Leaf():
            return


def _heading(text: str, path: str, model: type[SpecModel]) -> Iterator[str]:
    yield f"{'###' if '.' in path else '##'} {text}"
    yield ""
    yield _doc(model)
    yield ""


def _doc(model: type[SpecModel]) -> str:
    return _cell(" ".join((model.__doc__ or "").split()))


def _what(info: FieldInfo) -> str:
    """The description without the sentence about its effect, which has a column of its own; and the choices."""
    text = (info.description or "").removesuffix(effect_of(info).sentence).strip()
    shape = shape_of_field(info)
    choices = shape.choices if isinstance(shape, Leaf) else ()
    if len(choices) > 1 and not all(f"`{choice}`" in text for choice in choices):
        shown = ", ".join(f"`{choice}`" for choice in choices[:_MOST_CHOICES])
        text += f" One of {shown}{', ...' if len(choices) > _MOST_CHOICES else ''}."
    return _cell(text)


def _default(info: FieldInfo) -> str:
    value: Any = info.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, SpecModel):
        return "see below"
    if value is None or value in ((), {}):
        return ""
    return f"`{_cell(json.dumps(value, default=_plain))}`"


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
