"""Equal blocks are one value: what many specs have in common is validated once, and what follows from it made once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec
from pydantic import ValidationError

from tenure.spec.base import Model, SpecModel
from tenure.spec.shape import Block, shape_of_field

MOST = 2_000
"""How many blocks are kept. A fleet whose blocks all differ must not be held in memory for nothing."""

Value = TypeVar("Value")

_ENCODER = msgspec.msgpack.Encoder()


class Sharing(Generic[Model]):
    """Validates documents of one class; their top-level blocks are shared with those of documents before.

    Two blocks are equal when they were written with the same keys in the same order and with values of the same types.
    Validation looks at nothing else, so that equal data always become equal blocks.
    """

    def __init__(self, model: type[Model]) -> None:
        self._model = model
        self._fields = {
            info.alias or name: name
            for name, info in model.model_fields.items()
            if isinstance(shape_of_field(info), Block)
        }
        self._blocks: dict[tuple[str, bytes], SpecModel] = {}

    def validated(self, data: dict[str, Any]) -> Model:
        """The document that `data` says. Raises pydantic's ValidationError, the same as the class itself would."""
        keys: dict[str, tuple[str, bytes]] = {}
        filled = dict(data)
        for name in self._fields:
            value = data.get(name)
            if isinstance(value, dict) and (key := _key(name, value)) is not None:
                keys[name] = key
                filled[name] = self._blocks.get(key, value)
        try:
            document = self._model.model_validate(filled)
        except ValidationError:
            # Errors quote what was written, not what it was taken for.
            return self._model.model_validate(data)
        if len(self._blocks) > MOST:
            self._blocks.clear()
        for name, key in keys.items():
            self._blocks[key] = getattr(document, self._fields[name])
        return document


class Derived(Generic[Value]):
    """What follows from a block alone, made once for all documents that share the block.

    Blocks are told apart by identity, which is theirs alone as long as they are kept here.
    """

    def __init__(self, make: Callable[[SpecModel], Value]) -> None:
        self._make = make
        self._made: dict[int, tuple[SpecModel, Value]] = {}

    def of(self, block: SpecModel) -> Value:
        """What was made of this block before, or is made of it now. Nobody may change it."""
        known = self._made.get(id(block))
        if known is None:
            if len(self._made) >= MOST:
                self._made.clear()
            known = self._made[id(block)] = (block, self._make(block))
        return known[1]


def _key(name: str, value: dict[str, Any]) -> tuple[str, bytes] | None:
    try:
        return name, _ENCODER.encode(value)
    except (OverflowError, UnicodeError):
        return None  # a number of more than 64 bits, or half a character: rare, and validated each time
