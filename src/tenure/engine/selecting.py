"""Selectors: which models a command is about.

name or pattern      churn, churn-*
path                 specs/churn.yaml
owner:NAME           tag:KEY     tag:KEY=VALUE
state:modified       what differs from what is recorded: there is something to do, or something waits
git:REF              whose spec, or a fragment it uses, differs from a commit
+churn   churn+      churn and the models it depends on, or that depend on it (consumers, successors)
a,b                  what matches both
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from tenure.core.diagnostics import closest
from tenure.core.errors import TenureError

MODIFIED = "state:modified"
FORMS = "Write a name, a pattern, a path, owner:NAME, tag:KEY, git:REF or state:modified."


class Selectable(Protocol):
    """What selectors look at. `downstream` names the models that use this one; `fragments` what its spec is made of."""

    @property
    def model(self) -> str: ...
    @property
    def file(self) -> str: ...
    @property
    def owner(self) -> str | None: ...
    @property
    def labels(self) -> dict[str, str]: ...
    @property
    def downstream(self) -> tuple[str, ...]: ...
    @property
    def fragments(self) -> tuple[str, ...]: ...


class World:
    """What selectors may ask beyond the specs: files that differ from a commit, and models that differ from the state.

    `modified` is None where nobody has planned.
    """

    def __init__(self, root: Path, modified: frozenset[str] | None = None) -> None:
        self.modified = modified
        self._root = root
        self._changed: dict[str, frozenset[str]] = {}

    def changed_since(self, ref: str) -> frozenset[str]:
        """The files of the project that differ from a commit, asked once."""
        from tenure.engine.git import changed_since

        if ref not in self._changed:
            self._changed[ref] = changed_since(self._root, ref)
        return self._changed[ref]


Item = TypeVar("Item", bound=Selectable)


def asks_for_plans(selectors: Iterable[str]) -> bool:
    """Whether these selectors can be answered only by planning."""
    return any(MODIFIED in selector.split(",") for selector in selectors)


def chosen(
    items: Sequence[Item], select: Sequence[str], exclude: Sequence[str], world: World
) -> tuple[Item, ...]:
    """The items that match any selector (all when there is none) and no exclusion, in their order.

    Raises TenureError for a selector that matches nothing, naming the nearest, unless it asks for what changed: nothing
    may have.
    """
    found = {selector: _matching(items, selector, world) for selector in (*select, *exclude)}
    for selector, models in found.items():
        if not models and not any(
            part == MODIFIED or part.startswith("git:") for part in selector.split(",")
        ):
            near = closest(selector, [item.model for item in items])
            raise TenureError(
                "No model matches the selector.",
                f"{selector!r} matches none of the {len(items)} specs.",
                f"Did you mean {near!r}?" if near else FORMS,
            )
    wanted = {file for selector in select for file in found[selector]}
    refused = {file for selector in exclude for file in found[selector]}
    return tuple(item for item in items if (not select or item.file in wanted) and item.file not in refused)


def _matching(items: Sequence[Item], selector: str, world: World) -> frozenset[str]:
    """The files of the specs that match all parts of a selector."""
    parts = [_matching_part(items, part.strip(), world) for part in selector.split(",")]
    return frozenset.intersection(*parts)


def _matching_part(items: Sequence[Item], part: str, world: World) -> frozenset[str]:
    bare = part.removeprefix("+").removesuffix("+")
    start = [item for item in items if _matches(item, bare, world)]
    found = {item.file for item in start}
    if part.startswith("+"):
        found |= _reached(items, start, upstream=True)
    if part.endswith("+"):
        found |= _reached(items, start, upstream=False)
    return frozenset(found)


def _reached(items: Sequence[Item], start: Sequence[Item], *, upstream: bool) -> set[str]:
    """Files of the specs on the way up or down from some, however far."""
    by_name = {item.model: item for item in items}
    following: dict[str, set[str]] = {name: set() for name in by_name}
    for item in items:
        for other in item.downstream:
            if other in by_name:
                one, two = (other, item.model) if upstream else (item.model, other)
                following[one].add(two)
    pending, seen = [item.model for item in start], {item.model for item in start}
    while pending:
        for name in following.get(pending.pop(), ()):
            if name not in seen:
                seen.add(name)
                pending.append(name)
    return {by_name[name].file for name in seen}


def _matches(item: Selectable, selector: str, world: World) -> bool:
    kind, _, rest = selector.partition(":")
    if rest and kind == "owner":
        return item.owner == rest
    if rest and kind == "tag":
        key, equals, value = rest.partition("=")
        return key in item.labels and (not equals or item.labels[key] == value)
    if rest and kind == "git":
        return _differs(item, world.changed_since(rest))
    if selector == MODIFIED:
        if world.modified is None:
            raise TenureError(
                "The selector needs a plan.",
                f"{MODIFIED} is what a plan finds; this command makes none.",
                f"See which models it is: tenure plan {MODIFIED}",
            )
        return item.model in world.modified
    return fnmatch.fnmatchcase(item.model, selector) or item.file == selector.removeprefix("./")


def _differs(item: Selectable, changed: frozenset[str]) -> bool:
    """Whether these files decide what a spec means: its own, its fragments, and what all specs share."""
    shared = (name for name in changed if name.startswith(("conf/config.", "conf/env/")))
    return (
        item.file in changed
        or any(f"conf/{name}{suffix}" in changed for name in item.fragments for suffix in (".yaml", ".yml"))
        or next(shared, None) is not None
    )
