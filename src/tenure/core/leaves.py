"""The leaves of JSON-able data, by the dotted paths that people read in plans and messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def flatten(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves by path (`sources.observations.path`, `gates[0].min`); an empty list or mapping is a leaf."""
    if isinstance(config, dict) and config:
        for key, value in config.items():
            yield from flatten(value, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(config, list) and config:
        for position, value in enumerate(config):
            yield from flatten(value, f"{prefix}[{position}]")
    else:
        yield prefix, config
