"""Field by field: what differs between the recorded and the desired configuration, and what each edit costs.

Entries of lists are told by what they are, not by where they stand: an entry that is put in front of others is one that
was added, and leaves them as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from tenure.core.digest import canonical
from tenure.core.effect import Effect, worst
from tenure.core.leaves import flatten
from tenure.graph.resource import Resource
from tenure.plan.change import FieldChange
from tenure.state.record import Record

_MOST_ENTRIES = 1000
_MOST_PAIRS = 10_000
"""Longer lists, and more blocks that could have become one another, are compared place by place."""
_ALIKE = 0.5
"""Two blocks of a list are versions of the same when at least this share of their leaves is equal."""


def field_changes(record: Record | None, resource: Resource) -> tuple[FieldChange, ...]:
    """Leaf by leaf, what differs between the recorded and the desired configuration, with what each costs.

    A path is that of the new configuration, for what is gone that of the old one.
    """
    if record is None or (record.content == resource.content and record.metadata == resource.metadata):
        return ()
    changes = []
    for leaf in _compared(_Side("", record.config), _Side("", resource.config)):
        path = leaf.new.path if leaf.new else leaf.old.path if leaf.old else ""
        effect = leaf.new and resource.effects.get(leaf.new.path)
        effect = effect or (leaf.old and record.effects.get(leaf.old.path)) or _inherited(path, resource)
        old, new = (side.value if side else None for side in leaf)
        changes.append(FieldChange(path, old, new, effect))
    return tuple(changes)


def listed(fields: tuple[FieldChange, ...]) -> str:
    """`a.b, c.d`; a list with several changes is named once, and names are counted after the third."""
    lists = Counter(item.path.partition("[")[0] for item in fields)
    paths = ((item.path, item.path.partition("[")[0]) for item in fields)
    names = list(dict.fromkeys(path if lists[before] == 1 else before for path, before in paths))
    return ", ".join(names) if len(names) <= 3 else f"{', '.join(names[:3])} and {len(names) - 3} more"


class _Side(NamedTuple):
    """A part of one of the two configurations, and where it is there."""

    path: str
    value: Any


class _Leaf(NamedTuple):
    """What differs; None where it is not."""

    old: _Side | None
    new: _Side | None


def _compared(old: _Side, new: _Side) -> Iterator[_Leaf]:
    """The leaves that differ, in the order of keys and entries."""
    if _filled(dict, old, new):
        for key in sorted(old.value.keys() | new.value.keys()):
            yield from _either(*(_inside(side, key) if key in side.value else None for side in (old, new)))
    elif _filled(list, old, new):
        for before, after in _aligned(old.value, new.value):
            yield from _either(
                None if before is None else _at(old, before), None if after is None else _at(new, after)
            )
    elif old.value != new.value:
        yield from _replaced(old, new)


def _either(old: _Side | None, new: _Side | None) -> Iterator[_Leaf]:
    if old is not None and new is not None:
        yield from _compared(old, new)
    else:
        yield from (_Leaf(leaf, None) for leaf in _leaves(old))
        yield from (_Leaf(None, leaf) for leaf in _leaves(new))


def _replaced(old: _Side, new: _Side) -> Iterator[_Leaf]:
    """One leaf by another; where one of them has entries, those say it."""
    inside = [isinstance(side.value, dict | list) and bool(side.value) for side in (old, new)]
    if not any(inside):
        yield _Leaf(old, new)
        return
    empty = [side.value in ([], {}, None) for side in (old, new)]
    if not empty[0]:
        yield from (_Leaf(leaf, None) for leaf in _leaves(old))
    if not empty[1]:
        yield from (_Leaf(None, leaf) for leaf in _leaves(new))


def _filled(kind: type, *sides: _Side) -> bool:
    return all(isinstance(side.value, kind) and side.value for side in sides)


def _inside(side: _Side, key: str) -> _Side:
    return _Side(f"{side.path}.{key}" if side.path else key, side.value[key])


def _at(side: _Side, place: int) -> _Side:
    return _Side(f"{side.path}[{place}]", side.value[place])


def _leaves(side: _Side | None) -> Iterator[_Side]:
    if side is not None:
        yield from (_Side(*leaf) for leaf in flatten(side.value, side.path) if leaf[1] is not None)


# ---- entries of lists --------------------------------------------------------------------------------------------


def _aligned(old: Sequence[Any], new: Sequence[Any]) -> Iterator[tuple[int | None, int | None]]:
    """Which entry became which, as places in both; None for one that is only in the other."""
    if max(len(old), len(new)) > _MOST_ENTRIES:
        yield from _in_order(range(len(old)), range(len(new)))
        return
    ours, theirs = ([canonical(entry) for entry in entries] for entries in (old, new))
    for said, i, j, k, m in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if said != "equal":
            yield from _rewritten(old, new, range(i, j), range(k, m))


def _rewritten(
    old: Sequence[Any], new: Sequence[Any], before: range, after: range
) -> Iterator[tuple[int | None, int | None]]:
    """Of entries between others that stayed: blocks became those that are most like them, values the next values."""
    ours = {place: dict(flatten(old[place])) for place in before if isinstance(old[place], dict)}
    theirs = {place: dict(flatten(new[place])) for place in after if isinstance(new[place], dict)}
    if len(ours) < len(before) or len(theirs) < len(after) or len(ours) * len(theirs) > _MOST_PAIRS:
        yield from _in_order(before, after)
        return
    came_from: dict[int, int] = {}
    for share, i, k in sorted(
        ((_share(ours[i], theirs[k]), i, k) for i in before for k in after),
        key=lambda pair: (-pair[0], abs((pair[1] - before.start) - (pair[2] - after.start)), pair[1:]),
    ):
        if share >= _ALIKE and k not in came_from and i not in came_from.values():
            came_from[k] = i
    yield from ((i, None) for i in before if i not in came_from.values())
    yield from ((came_from.get(k), k) for k in after)


def _in_order(before: range, after: range) -> Iterator[tuple[int | None, int | None]]:
    yield from zip(before, after, strict=False)
    shared = min(len(before), len(after))
    yield from ((i, None) for i in before[shared:])
    yield from ((None, k) for k in after[shared:])


def _share(old: Mapping[str, Any], new: Mapping[str, Any]) -> float:
    """How many of the leaves of two blocks are the same; none when they are of different types."""
    if old.get("type") != new.get("type"):
        return 0.0
    equal = sum(1 for key in old.keys() & new.keys() if old[key] == new[key])
    return equal / len(old.keys() | new.keys())


def _inherited(path: str, resource: Resource) -> Effect:
    """A leaf inside a free-form value has the effect of the nearest field above it."""
    nearest = [
        effect
        for known, effect in resource.effects.items()
        if path.startswith(known) or known.startswith(path)
    ]
    return worst(nearest) or Effect.METADATA
