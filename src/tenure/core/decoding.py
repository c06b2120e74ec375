"""Reading values of a declared type: from JSON, from MessagePack, and from plain values.

msgspec learns what a Struct holds when it is first asked for, and runs Python while it does; another thread that asks
for the same Struct then finds it half known, and the process dies. Here a type is learned with all others kept waiting,
and nothing is decoded before: elsewhere these functions are used instead of msgspec's own (`pyproject.toml` says so to
the linter). Encoding asks for nothing of the kind.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from msgspec.json import Decoder as JsonDecoder
from msgspec.msgpack import Decoder as MsgpackDecoder

__all__ = ["JsonDecoder", "MsgpackDecoder", "converted", "json_decoder", "msgpack_decoder"]

Kind = TypeVar("Kind")
Made = TypeVar("Made")

_learning = threading.Lock()
_json: dict[Any, JsonDecoder[Any]] = {}
_msgpack: dict[Any, MsgpackDecoder[Any]] = {}


def json_decoder(kind: type[Kind]) -> JsonDecoder[Kind]:
    """What reads a type from JSON; one for each type. Any thread may use it. Raises TypeError for no type of data."""
    return _learned(kind, _json, JsonDecoder)


def msgpack_decoder(kind: type[Kind]) -> MsgpackDecoder[Kind]:
    """What reads a type from MessagePack; one for each type. Any thread may use it. Raises TypeError as above."""
    return _learned(kind, _msgpack, MsgpackDecoder)


def converted(value: Any, kind: type[Kind], *, str_keys: bool = False) -> Kind:
    """A value of a type from plain ones. Raises msgspec.ValidationError when it is none, TypeError as above."""
    json_decoder(kind)
    return msgspec.convert(value, kind, str_keys=str_keys)


def _learned(kind: Any, known: dict[Any, Made], make: Callable[[Any], Made]) -> Made:
    found = known.get(kind)
    if found is None:
        with _learning:
            found = known.setdefault(kind, make(kind))
    return found
