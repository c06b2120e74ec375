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


def plan_schema() -> str:
    """The JSON Schema (draft 2020-12) of a saved plan, generated from `Plan`."""
    from tenure.plan.change import FORMAT_VERSION, Plan

    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tenure plan",
        "description": f"What `tenure plan --json` prints and `--out` saves, format {FORMAT_VERSION}. "
        "Minor versions only add fields: ignore those you do not know.",
        **msgspec.json.schema(Plan),
    }
    return document(schema)


def encoded(value: Any) -> bytes:
    """Compact JSON. Struct properties such as digests are not part of it; views add what a program needs."""
    return msgspec.json.encode(value, enc_hook=_foreign)


def _foreign(value: Any) -> Any:
    if isinstance(value, PurePath):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} has no JSON form")
