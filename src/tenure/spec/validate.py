"""Composed data -> a validated document, or every problem of it at once, each pointing at its line.

Nothing here knows a document class by name: the class is handed in by whoever knows the whole lifecycle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Literal, get_args, get_origin

from pydantic import ValidationError

from tenure.core.diagnostics import Diagnostic, Severity, has_errors, in_order, way_out
from tenure.core.digest import digest
from tenure.core.spans import Path as KeyPath
from tenure.core.spans import Span
from tenure.spec.base import Model, SpecModel
from tenure.spec.compose import compose
from tenure.spec.compose.composed import Composed
from tenure.spec.fragments import Fragments
from tenure.spec.override import Override
from tenure.spec.problems import explain
from tenure.spec.read import Document, parse, read
from tenure.spec.shape import Block, secret_leaves
from tenure.spec.sharing import Sharing

_HEAD = ("apiVersion", "kind")


@dataclass(frozen=True)
class Reads:
    """What a document was made from: a result is out of date when one of these changed.

    `environment` names environment variables, without their values.
    """

    files: tuple[Path, ...] = ()
    environment: tuple[str, ...] = ()


NOTHING_READ = Reads()


@dataclass(frozen=True)
class Loaded(Generic[Model]):
    """A document as loaded: its value if it has no error, and what is worth saying about it either way."""

    value: Model | None
    diagnostics: tuple[Diagnostic, ...]
    composed: Composed | None
    reads: Reads

    @property
    def data(self) -> dict[str, Any]:
        """The composed data the value was made from; empty when the file could not be read."""
        return self.composed.data if self.composed is not None else {}

    @cached_property
    def digest(self) -> str:
        """Digest of the composed data: the same for any formatting and key order."""
        return digest(self.data)

    def span(self, path: KeyPath) -> Span | None:
        """Where the value at `path` stands, in whichever file wrote it."""
        return self.composed.spans.value(path) if self.composed is not None else None

    def diagnostic(
        self, path: KeyPath, summary: str, detail: str, hint: str = "", severity: Severity = Severity.ERROR
    ) -> Diagnostic:
        """A diagnostic of somebody else's about a place in this document, complete with excerpt."""
        composed = self.composed or Composed({}, ())
        return composed.diagnostic(path, summary, detail, hint, severity)


def load(
    source: Path | Document,
    model: type[Model],
    *,
    fragments: Fragments | None = None,
    variables: dict[str, Any] | None = None,
    overrides: Sequence[Override] = (),
    file: str | None = None,
    sharing: Sharing[Model] | None = None,
) -> Loaded[Model]:
    """Read, compose and validate one document. `file` is the name to show for a path.

    Never raises for what a person wrote: `Loaded.diagnostics` has all of it. With `sharing` the document has its equal
    blocks in common with those before it.
    """
    composed, problems = composed_from(
        source, model, fragments=fragments, variables=variables, overrides=overrides, file=file
    )
    if composed is None:
        return Loaded(None, problems, None, Reads((source,) if isinstance(source, Path) else ()))
    return validate(model, composed, sharing)


def composed_from(
    source: Path | Document,
    model: type[Model],
    *,
    fragments: Fragments | None = None,
    variables: dict[str, Any] | None = None,
    overrides: Sequence[Override] = (),
    file: str | None = None,
) -> tuple[Composed | None, tuple[Diagnostic, ...]]:
    """Read and compose one document without validating it; None with what is wrong when it cannot be read."""
    document, problems = (source, ()) if isinstance(source, Document) else read(source, file)
    if document is None:
        return None, problems
    return compose(
        document,
        fragments or Fragments(None),
        overrides,
        variables,
        lambda data: secret_leaves(Block(model), data),
    ), ()


def load_text(text: str, model: type[Model], file: str = "spec.yaml") -> Loaded[Model]:
    """As `load`, for text that is in no file."""
    document, problems = parse(text, file)
    if document is None:
        return Loaded(None, problems, None, NOTHING_READ)
    return load(document, model)


def validate(model: type[Model], composed: Composed, sharing: Sharing[Model] | None = None) -> Loaded[Model]:
    """Validate composed data."""
    files = dict.fromkeys(layer.document.path for layer in composed.layers if layer.document.path is not None)
    reads = Reads(tuple(files), composed.environment)
    found = list(composed.diagnostics)
    value: Model | None = None
    if wrong := _envelope(model, composed):
        return Loaded(None, in_order([*found, *wrong]), composed, reads)
    try:
        data = composed.data
        value = model.model_validate(data) if sharing is None else sharing.validated(data)
    except ValidationError as error:
        # What composition could not resolve is reported already; its raw text must not be reported as a wrong type.
        known = {one.span for one in found if one.is_error}
        found.extend(one for one in explain(error, model, composed) if one.span not in known)
    if has_errors(found):
        value = None
    return Loaded(value, in_order(found), composed, reads)


def _envelope(model: type[SpecModel], composed: Composed) -> list[Diagnostic]:
    """A document of another kind or version would only produce errors that mislead: say that, and nothing else."""
    found: list[Diagnostic] = []
    data = composed.data
    for key in _HEAD:
        info = model.model_fields.get(key) or next(
            (info for info in model.model_fields.values() if info.alias == key), None
        )
        if info is None or get_origin(info.annotation) is not Literal:
            continue
        accepted = [str(choice) for choice in get_args(info.annotation)]
        if key not in data:
            if not info.is_required():
                continue
            found.append(
                composed.diagnostic(
                    (),
                    f"The document has no {key}.",
                    f"`{key}` says how to read the rest.",
                    f"Write at the top:\n  {key}: {accepted[-1]}",
                )
            )
        elif str(data[key]) not in accepted:
            found.append(
                composed.diagnostic(
                    (key,),
                    "The apiVersion is not known."
                    if key == "apiVersion"
                    else "The kind of document is not known.",
                    f"`{data[key]}` is not one of: {', '.join(accepted)}.",
                    way_out(str(data[key]), accepted, "Known here"),
                )
            )
    return found
