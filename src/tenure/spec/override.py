"""Overrides from the command line, applied to plain data.

`a.b=1` sets, `+a.b=1` adds, `++a.b=1` does either, `~a.b` deletes. Parsing them is the business of `spec.compose`,
which knows Hydra's grammar.
"""

from __future__ import annotations

import copy
import enum
from typing import Any

import msgspec

from tenure.core.diagnostics import Diagnostic, Severity, breadcrumb, way_out
from tenure.core.spans import Path, Span, SpanMap


class Verb(enum.StrEnum):
    """What an override does to its key."""

    SET = "set"
    ADD = "add"
    FORCE = "force"
    DELETE = "delete"


class Override(msgspec.Struct, frozen=True):
    """One override. `text` is what was typed; `key` a dotted path or, with slashes or alone, a group of `conf/`."""

    text: str
    verb: Verb
    key: str
    value: Any = None
    package: str | None = None

    @property
    def path(self) -> Path:
        """The key as a path; whole numbers count in lists."""
        return tuple(int(step) if step.isdecimal() else step for step in self.key.split("."))

    @property
    def first(self) -> str:
        """The first key: which part of the configuration it is meant for."""
        return self.key.split(".")[0].split("/")[0]

    @property
    def span(self) -> Span:
        """The place to name in messages about what it set."""
        return Span(f"override {self.text}")


def apply_override(data: dict[str, Any], override: Override, spans: SpanMap) -> Diagnostic | None:
    """Change `data` in place and note the override as the place of what it set; says why when it cannot.

    A plain `key=value` also sets a key that the document leaves to its default: the document class is what decides
    which keys exist, not the lines a file happens to have.
    """
    path = override.path
    parent: Any = data
    for position, step in enumerate(path[:-1]):
        if isinstance(parent, dict):
            step = str(step)
            if parent.get(step) is None and override.verb is not Verb.DELETE:
                parent[step] = {}
                spans.add(path[: position + 1], override.span, override.span)
        if not _has(parent, step):
            return _failed(override, path[: position + 1], parent)
        parent = parent[step]
    last = path[-1] if isinstance(parent, list) else str(path[-1])
    where = (*path[:-1], last)
    there = _has(parent, last)
    if override.verb is Verb.DELETE:
        if not there:
            return _failed(override, where, parent)
        del parent[last]
        return None
    if override.verb is Verb.ADD and there and parent[last] is not None:
        return _diagnostic(
            override,
            "The override adds a key that is already there.",
            f"'{override.key}' has a value.",
            f"To replace it:\n  {override.text[1:]}",
        )
    appends = isinstance(parent, list) and last == len(parent) and override.verb is not Verb.SET
    if appends:
        parent.append(copy.deepcopy(override.value))
    elif isinstance(parent, dict) or there:
        parent[last] = copy.deepcopy(override.value)
    else:
        return _failed(override, where, parent)
    spans.add(where, override.span, override.span)
    return None


def _has(parent: Any, step: str | int) -> bool:
    if isinstance(parent, list):
        return isinstance(step, int) and 0 <= step < len(parent)
    return isinstance(parent, dict) and step in parent


def _failed(override: Override, path: Path, parent: Any) -> Diagnostic:
    *above, last = path
    within = " > ".join(breadcrumb(tuple(above))) or "this document"
    if isinstance(parent, dict):
        return _diagnostic(
            override,
            "The override names a key that is not there.",
            f"There is no '{last}' in {within}.",
            way_out(str(last), parent),
        )
    if isinstance(parent, list):
        return _diagnostic(
            override,
            "The override names a position that is not there.",
            f"{within} is a list of {len(parent)}; positions count from 0, and '{last}' is none of them.",
        )
    return _diagnostic(override, "The override goes into a single value.", f"{within} holds no keys.")


def _diagnostic(override: Override, summary: str, detail: str, hint: str = "") -> Diagnostic:
    return Diagnostic(Severity.ERROR, summary, detail, hint, override.span)
