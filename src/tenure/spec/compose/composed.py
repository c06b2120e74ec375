"""A document as composed: plain data, the layers it came from, and what went wrong on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tenure.core.diagnostics import Diagnostic, Severity, breadcrumb, excerpt
from tenure.core.spans import Path, Span, SpanMap
from tenure.spec.read import Document

DEFAULTS = "defaults"
VARIABLES = "variables"


@dataclass(frozen=True)
class Layer:
    """A document that contributed, its name in `conf/` (empty for the document itself), and where its keys went."""

    document: Document
    name: str = ""
    at: Path = ()


@dataclass(frozen=True)
class Composed:
    """Plain data and where it came from.

    `environment` names the environment variables that decided a value. `complete` is false when a layer is missing, so
    that what is not there may only be what could not be found.
    """

    data: dict[str, Any]
    layers: tuple[Layer, ...]
    overridden: SpanMap = field(default_factory=SpanMap)
    environment: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    complete: bool = True

    @cached_property
    def spans(self) -> SpanMap:
        """The positions of all layers, the later ones on top, then the overrides."""
        merged = SpanMap()
        for layer in self.layers:
            merged.overlay(layer.document.spans, layer.at)
        merged.overlay(self.overridden)
        return merged

    @property
    def chosen(self) -> Mapping[str, str]:
        """The fragment chosen in each group: `{"env": "prod"}`."""
        return dict(layer.name.rpartition("/")[::2] for layer in self.layers if layer.name)

    def diagnostic(
        self,
        path: Path,
        summary: str,
        detail: str,
        hint: str = "",
        severity: Severity = Severity.ERROR,
        *,
        at_key: bool = False,
    ) -> Diagnostic:
        """A diagnostic about `path`, in whichever file wrote it; `at_key` points at the key instead of the value."""
        span = self.spans.key(path) if at_key else self.spans.value(path)
        marked = excerpt(self._lines(span), span) if span is not None else ()
        return Diagnostic(severity, summary, detail, hint, span, breadcrumb(path), marked)

    def _lines(self, span: Span) -> Sequence[str]:
        return next((layer.document.lines for layer in self.layers if layer.document.file == span.file), ())
