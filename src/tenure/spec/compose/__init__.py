"""Composition: Hydra defaults lists and override grammar, OmegaConf references. The only place that knows either.

Both are loaded when first needed: a document without `defaults:` and without `${` never pays for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tenure.spec.compose.composed import VARIABLES, Composed
from tenure.spec.compose.layers import assemble
from tenure.spec.compose.references import Secrets, resolve
from tenure.spec.fragments import Fragments
from tenure.spec.override import Override
from tenure.spec.read import Document


def compose(
    document: Document,
    fragments: Fragments,
    overrides: Sequence[Override] = (),
    variables: Mapping[str, Any] | None = None,
    secrets: Secrets = lambda data: (),
) -> Composed:
    """Put a document together: the fragments of its `defaults:`, its own keys, overrides, and references resolved.

    `variables` are those of the environment and win over the document's own. `secrets` names the leaves whose
    `${env:...}` and `${file:...}` stay as they are. The data of the result has neither `defaults` nor `variables`.
    """
    composed = assemble(document, fragments, overrides)
    refers = any("${" in layer.document.text for layer in composed.layers)
    if refers or VARIABLES in composed.data or any("${" in one.text for one in overrides):
        return resolve(composed, variables or {}, secrets)
    return composed
