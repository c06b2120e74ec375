"""Field by field: what differs between the recorded and the desired configuration, and what each edit costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenure.core.effect import Effect, worst
from tenure.core.leaves import flatten
from tenure.graph.resource import Resource
from tenure.plan.change import FieldChange
from tenure.state.record import Record


def field_changes(record: Record | None, resource: Resource) -> tuple[FieldChange, ...]:
    """Leaf by leaf, what differs between the recorded and the desired configuration, with what each costs."""
    if record is None or (record.content == resource.content and record.metadata == resource.metadata):
        return ()
    old, new = dict(flatten(record.config)), dict(flatten(resource.config))
    changes = []
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) != new.get(path) and not _filled(path, old, new) and not _filled(path, new, old):
            effect = resource.effects.get(path) or record.effects.get(path) or _inherited(path, resource)
            changes.append(FieldChange(path, old.get(path), new.get(path), effect))
    return tuple(changes)


def _filled(path: str, empty: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether a list or mapping that is empty here has entries there, which say so themselves."""
    return empty.get(path) in ([], {}) and any(key.startswith((f"{path}.", f"{path}[")) for key in other)


def listed(fields: tuple[FieldChange, ...]) -> str:
    """`a.b, c.d`; the paths of a long list are counted after the third."""
    names = [item.path for item in fields]
    return ", ".join(names) if len(names) <= 3 else f"{', '.join(names[:3])} and {len(names) - 3} more"


def _inherited(path: str, resource: Resource) -> Effect:
    """A leaf inside a free-form value has the effect of the nearest field above it."""
    nearest = [
        effect
        for known, effect in resource.effects.items()
        if path.startswith(known) or known.startswith(path)
    ]
    return worst(nearest) or Effect.METADATA
