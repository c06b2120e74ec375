"""Selectors: which models a command is about."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from typing import Protocol, TypeVar

from tenure.core.diagnostics import closest
from tenure.core.errors import TenureError


class Selectable(Protocol):
    """What selectors look at."""

    @property
    def model(self) -> str: ...
    @property
    def file(self) -> str: ...
    @property
    def owner(self) -> str | None: ...
    @property
    def labels(self) -> dict[str, str]: ...


Item = TypeVar("Item", bound=Selectable)


def chosen(items: Sequence[Item], select: Sequence[str], exclude: Sequence[str] = ()) -> tuple[Item, ...]:
    """The items that match any selector (all when there is none) and no exclusion, in their order.

    A selector is a model's name or a pattern (`churn`, `churn-*`), the path of its spec, `owner:NAME`, `tag:KEY` or
    `tag:KEY=VALUE`. Raises TenureError for one that matches nothing, naming the nearest.
    """
    for selector in (*select, *exclude):
        if not any(_matches(item, selector) for item in items):
            near = closest(selector, [item.model for item in items])
            raise TenureError(
                "No model matches the selector.",
                f"{selector!r} matches none of the {len(items)} specs.",
                f"Did you mean {near!r}?"
                if near
                else "Write a name, a pattern, a path, owner:NAME or tag:KEY.",
            )
    return tuple(
        item
        for item in items
        if (not select or any(_matches(item, selector) for selector in select))
        and not any(_matches(item, selector) for selector in exclude)
    )


def _matches(item: Selectable, selector: str) -> bool:
    kind, _, rest = selector.partition(":")
    if rest and kind == "owner":
        return item.owner == rest
    if rest and kind == "tag":
        key, equals, value = rest.partition("=")
        return key in item.labels and (not equals or item.labels[key] == value)
    return fnmatch.fnmatchcase(item.model, selector) or item.file == selector.removeprefix("./")
