"""What a document class expects at a path: the walk that error messages, secrets and the schema share."""

from __future__ import annotations

import functools
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import WithJsonSchema
from pydantic.fields import FieldInfo

from tenure.core.spans import Path
from tenure.spec.base import DefaultKind, SpecModel


@dataclass(frozen=True)
class Block:
    """A mapping with known keys."""

    model: type[SpecModel]

    def child(self, key: str) -> Shape | None:
        """What is expected under one of its keys, or None when there is no such key."""
        return _children(self.model).get(key)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys it may have, as written in YAML."""
        return tuple(info.alias or name for name, info in self.model.model_fields.items())


@dataclass(frozen=True)
class Kinds:
    """One of several blocks, told apart by the value of `key`."""

    key: str
    members: Mapping[str, Shape]
    default: str | None = None

    def member(self, data: Any) -> Shape | None:
        """The block that `data` says it is."""
        kind = data.get(self.key, self.default) if isinstance(data, dict) else None
        return self.members.get(kind) if isinstance(kind, str) else None


@dataclass(frozen=True)
class MappingOf:
    """A mapping whose keys are names of the user's."""

    value: Shape


@dataclass(frozen=True)
class ListOf:
    """A list."""

    item: Shape


@dataclass(frozen=True)
class AnyOf:
    """One of several shapes that only their content tells apart."""

    members: tuple[Shape, ...]


@dataclass(frozen=True)
class Leaf:
    """A scalar, or anything else that has no structure of ours."""

    annotation: Any
    secret: bool = False

    @property
    def choices(self) -> tuple[str, ...]:
        """The words it may be, where they are enumerated."""
        if get_origin(self.annotation) is Literal:
            return tuple(str(choice) for choice in get_args(self.annotation))
        if isinstance(self.annotation, type) and issubclass(self.annotation, Enum):
            return tuple(str(member.value) for member in self.annotation)
        return ()


Shape = Block | Kinds | MappingOf | ListOf | AnyOf | Leaf


@functools.cache
def _children(model: type[SpecModel]) -> dict[str, Shape]:
    found: dict[str, Shape] = {}
    for name, info in model.model_fields.items():
        found[name] = found[info.alias or name] = shape_of_field(info)
    return found


def shape_of_field(info: FieldInfo) -> Shape:
    """What a field of a block expects."""
    discriminator = info.discriminator if isinstance(info.discriminator, str) else None
    return _shape(info.annotation, info.metadata, discriminator)


def _shape(annotation: Any, metadata: Iterable[Any] = (), discriminator: str | None = None) -> Shape:
    metadata = list(metadata)
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        for item in more:
            if isinstance(item, FieldInfo) and isinstance(item.discriminator, str):
                discriminator = item.discriminator
        return _shape(inner, [*more, *metadata], discriminator)
    if origin in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not types.NoneType]
        if len(members) == 1:
            return _shape(members[0], metadata, discriminator)
        if discriminator is not None:
            default = next((item.kind for item in metadata if isinstance(item, DefaultKind)), None)
            return Kinds(discriminator, dict(_tagged(members, discriminator)), default)
        return AnyOf(tuple(_shape(member) for member in members))
    if isinstance(annotation, type) and issubclass(annotation, SpecModel):
        return Block(annotation)
    if origin is not None and isinstance(origin, type):
        arguments = get_args(annotation)
        if issubclass(origin, Mapping) and len(arguments) == 2:
            return MappingOf(_shape(arguments[1]))
        if issubclass(origin, Sequence) and arguments:
            return ListOf(_shape(arguments[0]))
    return Leaf(annotation, any(_is_secret(item) for item in metadata))


def _tagged(members: Iterable[Any], discriminator: str) -> Iterator[tuple[str, Shape]]:
    for member in members:
        shape = _shape(member)
        if isinstance(shape, Block):
            for kind in get_args(shape.model.model_fields[discriminator].annotation):
                yield str(kind), shape
        elif isinstance(shape, Kinds):
            yield from shape.members.items()


def _is_secret(item: Any) -> bool:
    return isinstance(item, WithJsonSchema) and bool((item.json_schema or {}).get("x-secret"))


def secret_leaves(shape: Shape, data: Any, path: Path = ()) -> Iterator[Path]:
    """The paths in `data` whose fields hold references to secrets."""
    match shape:
        case Leaf(secret=True):
            if isinstance(data, str):
                yield path
        case Leaf():
            return
        case Block():
            if isinstance(data, dict):
                for key, value in data.items():
                    if (child := shape.child(key)) is not None:
                        yield from secret_leaves(child, value, (*path, key))
        case Kinds():
            if (member := shape.member(data)) is not None:
                yield from secret_leaves(member, data, path)
        case MappingOf(value=inner):
            if isinstance(data, dict):
                for key, value in data.items():
                    yield from secret_leaves(inner, value, (*path, key))
        case ListOf(item=inner):
            if isinstance(data, list):
                for position, value in enumerate(data):
                    yield from secret_leaves(inner, value, (*path, position))
        case AnyOf(members=members):
            for member in members:
                yield from secret_leaves(member, data, path)


def blocks(model: type[SpecModel]) -> Iterator[type[SpecModel]]:
    """The document class and every block reachable from it, each once."""
    seen: set[type[SpecModel]] = set()
    waiting: list[Shape] = [Block(model)]
    while waiting:
        match waiting.pop():
            case Block(model=found):
                if found not in seen:
                    seen.add(found)
                    yield found
                    waiting.extend(shape_of_field(info) for info in found.model_fields.values())
            case Kinds(members=members):
                waiting.extend(members.values())
            case MappingOf(value=inner) | ListOf(item=inner):
                waiting.append(inner)
            case AnyOf(members=several):
                waiting.extend(several)
            case Leaf():
                pass


@dataclass(frozen=True)
class Located:
    """Where in the data an error of pydantic's lies: the path in the document, and what was expected there.

    `block` is the innermost block on the way, `shape` what belongs at the end of the path. `branch` names the members
    of unions without a discriminator that were tried on the way.
    """

    path: Path
    block: Block
    shape: Shape | None
    branch: tuple[str, ...] = ()


def locate(model: type[SpecModel], loc: Path, data: Any) -> Located:
    """Find the place of an error location, which names kinds and union members besides keys."""
    path: list[str | int] = []
    shape: Shape | None = Block(model)
    block = Block(model)
    branch: list[str] = []
    for step in loc:
        if isinstance(shape, Kinds) and step in shape.members:
            shape = shape.members[str(step)]
            continue
        if isinstance(shape, AnyOf):
            branch.append(str(step))
            shape = _member(shape, str(step), data)
            continue
        if isinstance(shape, Block):
            block = shape
        if step == "[key]":
            break
        match shape:
            case Block():
                shape = shape.child(str(step))
            case MappingOf(value=inner) | ListOf(item=inner):
                shape = inner
            case _:
                # A validator of the field's own may add steps that are in no document.
                if not _holds(data, step):
                    continue
                shape = None
        path.append(step)
        data = data[step] if _holds(data, step) else None
    if isinstance(shape, Block) and not isinstance(data, type(None)):
        block = shape
    return Located(tuple(path), block, shape, tuple(branch))


def _member(union: AnyOf, label: str, data: Any) -> Shape | None:
    """The member of a union that pydantic calls `label`: the class name of a block, otherwise by the kind of data."""
    for member in union.members:
        if isinstance(member, Block) and member.model.__name__ == label:
            return member
    for member in union.members:
        match member:
            case ListOf() if isinstance(data, list) and label.startswith(("list", "tuple")):
                return member
            case MappingOf() | Kinds() if isinstance(data, dict):
                return member
            case _:
                pass
    return None


def _holds(data: Any, step: str | int) -> bool:
    if isinstance(data, dict):
        return step in data
    return isinstance(data, list) and isinstance(step, int) and 0 <= step < len(data)
