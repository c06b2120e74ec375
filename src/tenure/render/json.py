"""Machine output: one JSON value, or JSON lines where a verb reports while it works. Never wrapped, never coloured."""

from __future__ import annotations

from datetime import datetime
from pathlib import PurePath
from typing import Any

import msgspec

from tenure.core.events import Event
from tenure.core.units import format_instant


def document(value: Any) -> str:
    """A value as one indented JSON document, ended by a newline. Structs become objects; non-ASCII stays as it is."""
    return msgspec.json.format(encoded(value), indent=2).decode() + "\n"


def json_line(value: Any) -> str:
    """A value as JSON on one line."""
    return encoded(value).decode() + "\n"


def event_line(event: Event, at: datetime) -> str:
    """One event of a running verb: `{"event": "stepstarted", "address": ..., ..., "at": ...}`."""
    return json_line({**msgspec.to_builtins(event), "at": format_instant(at)})


def plain(value: Any) -> Any:
    """A value as mappings, lists and scalars."""
    return msgspec.to_builtins(value, enc_hook=_foreign)


def encoded(value: Any) -> bytes:
    """Compact JSON. Struct properties such as digests are not part of it; views add what a program needs."""
    return msgspec.json.encode(value, enc_hook=_foreign)


def _foreign(value: Any) -> Any:
    if isinstance(value, PurePath):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} has no JSON form")
