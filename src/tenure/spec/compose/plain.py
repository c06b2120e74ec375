"""The common defaults list, read without Hydra: `- group: name` entries whose fragments include nothing themselves.

Loading Hydra takes longer than planning a thousand models, and nearly every list is of this form. For it Hydra's rules
come down to the order of the list; whatever else a list may hold is left to Hydra, and a test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tenure.spec.compose.composed import DEFAULTS, Layer
from tenure.spec.fragments import Fragments, has_package_header, package_of
from tenure.spec.override import Override, Verb
from tenure.spec.read import Document

_GROUP = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(/[A-Za-z0-9_-]+)*")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")


def plain_layers(
    document: Document, fragments: Fragments, overrides: Sequence[Override]
) -> tuple[Layer, ...] | None:
    """The layers of the document from the lowest up, or None where it takes Hydra to tell."""
    entries = document.data.get(DEFAULTS)
    if not isinstance(entries, list):
        return None
    chosen: dict[str, str | None] = {}
    for entry in entries:
        if entry == "_self_":
            group, name = "_self_", None
        elif isinstance(entry, dict) and len(entry) == 1:
            group, name = next(iter(entry.items()))
            if not isinstance(name, str) or not _NAME.fullmatch(name) or not _GROUP.fullmatch(group):
                return None
        else:
            return None
        if group in chosen:
            return None
        chosen[group] = name
    for one in overrides:
        if one.verb is not Verb.SET or one.package is not None or chosen.get(one.key) is None:
            return None
        if not isinstance(one.value, str) or not _NAME.fullmatch(one.value):
            return None
        chosen[one.key] = one.value
    # Hydra's rule since 1.1: what a document says itself wins over what it includes.
    chosen.setdefault("_self_", None)
    layers: list[Layer] = []
    for group, name in chosen.items():
        if name is None:
            layers.append(Layer(document))
            continue
        found, _ = fragments.get(f"{group}/{name}")
        if found is None or DEFAULTS in found.data or has_package_header(found):
            return None
        package = package_of(found, f"{group}/{name}")
        layers.append(Layer(found, f"{group}/{name}", tuple(package.split("."))))
    return tuple(layers)
