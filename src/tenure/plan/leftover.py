"""Bindings that are recorded while their section is gone from the spec. Pure.

Nothing that is true of the world is dropped because nobody asks for it any more: each stage says what then becomes of
its binding. A monitor stops; an endpoint that serves goes on, and the plan says so until somebody decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tenure.graph.resource import Resource, Sort
from tenure.state.record import Record


def left_over(resources: Sequence[Resource], records: Mapping[str, Record]) -> tuple[Resource, ...]:
    """The recorded bindings that no resource declares, as they are recorded. `records` is keyed by local address."""
    declared = {item.local for item in resources}
    return tuple(
        Resource(
            address=record.address,
            sort=record.sort,
            config=record.config,
            effects=record.effects,
            needs=(),
            version=0,
            content=record.content,
            metadata=record.metadata,
            undeclared=True,
        )
        for local, record in records.items()
        if local not in declared and record.sort is Sort.BINDING
    )
