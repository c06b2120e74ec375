"""The specs of a project: found, validated, checked across stages and files, compiled.

A spec passes through: it is read, and what is asked for is made of it. Its text, its data and its positions are not
kept, so that ten thousand specs need no more memory than what was made of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tenure.core.diagnostics import Diagnostic, has_errors, in_order
from tenure.core.digest import digest_bytes
from tenure.core.errors import SpecError
from tenure.engine.compiling import Compiled, compile_model
from tenure.engine.selecting import World, chosen
from tenure.engine.workspace import Workspace, in_order_of_names
from tenure.lifecycle import Model
from tenure.rules import check
from tenure.spec.sharing import Sharing
from tenure.spec.validate import Loaded, composed_from, load

if TYPE_CHECKING:
    from tenure.spec.compose.composed import Composed
    from tenure.spec.project import Project as Configured
    from tenure.spec.project import ProjectConfig


class Made(msgspec.Struct, frozen=True):
    """A compiled spec, and what it was made from besides `conf/`: its text (a digest) and environment variables.

    `remarks` says whether there is anything worth saying about it.
    """

    compiled: Compiled
    content: str
    environment: tuple[str, ...]
    remarks: bool
    entry: Entry


class Specs:
    """The specs under one project folder, with the overrides of one command."""

    def __init__(self, root: Path, overrides: Sequence[str] = ()) -> None:
        self.root = root
        self._overrides = tuple(overrides)
        self._workspace = Workspace(root, "")
        self._sharing = Sharing(Model)
        self._entries: dict[str, Entry] = {}
        self._latest: tuple[str, Loaded[Model]] | None = None

    @cached_property
    def configured(self) -> Configured:
        """The project as configured. Raises SpecError when `conf/` or an override is wrong."""
        from tenure.spec.project import load_project

        project, diagnostics = load_project(self.root, self._overrides)
        if project is None or has_errors(diagnostics):
            raise SpecError(diagnostics)
        return project

    @property
    def config(self) -> ProjectConfig:
        return self.configured.config

    @cached_property
    def files(self) -> tuple[str, ...]:
        return tuple(self._workspace.spec_stamps())

    def selected(
        self, select: Sequence[str] = (), exclude: Sequence[str] = (), modified: frozenset[str] | None = None
    ) -> tuple[str, ...]:
        """The files of the selected specs, valid or not. `modified` are the models that a plan found to differ."""
        if not select and not exclude:
            return self.files
        named = [self._workspace.spec_named(selector) for selector in select]
        if not exclude and None not in named:
            # Files that are named are not looked for among ten thousand others.
            return tuple(in_order_of_names({file for file in named if file is not None}))
        entries = chosen(
            [self.entry(file) for file in self.files], select, exclude, World(self.root, modified)
        )
        return tuple(entry.file for entry in entries)

    def diagnostics(self, select: Sequence[str] = (), exclude: Sequence[str] = ()) -> tuple[Diagnostic, ...]:
        """Everything worth saying about the selected specs, in the order of files and lines."""
        return self.findings(self.selected(select, exclude))

    def findings(self, files: Sequence[str]) -> tuple[Diagnostic, ...]:
        """The same about the specs in these files."""
        found: dict[Diagnostic, None] = {}
        for _, _, several in self._examined(files):
            found |= dict.fromkeys(several)
        return in_order(found)

    def compiled(self, select: Sequence[str] = (), exclude: Sequence[str] = ()) -> tuple[Compiled, ...]:
        """The selected specs, compiled. Raises SpecError with every diagnostic when one of them has an error."""
        found: dict[Diagnostic, None] = {}
        compiled = []
        for file, loaded, findings in self._examined(self.selected(select, exclude)):
            found |= dict.fromkeys(findings)
            if loaded.value is not None and not has_errors(findings):
                compiled.append(compile_model(loaded.value, file))
        if has_errors(found):
            raise SpecError(in_order(found))
        return tuple(compiled)

    def made(self, file: str) -> Made | None:
        """One spec, compiled; None when it has an error."""
        loaded = self._load(file)
        findings = _findings(loaded)
        if loaded.value is None or has_errors(findings):
            return None
        layers = loaded.composed.layers if loaded.composed else ()
        text = next((layer.document.text for layer in layers if not layer.name), "")
        return Made(
            compiled=compile_model(loaded.value, file),
            content=digest_bytes(text.encode()),
            environment=loaded.reads.environment,
            remarks=bool(findings),
            entry=self.entry(file),
        )

    def entry(self, file: str) -> Entry:
        """What selectors look at in one spec, valid or not."""
        if file not in self._entries:
            project = self.configured
            composed, _ = composed_from(
                self.root / file,
                Model,
                fragments=project.fragments,
                variables=project.config.env.variables,
                overrides=project.overrides,
                file=file,
            )
            self._entries[file] = _entry(file, composed)
        return self._entries[file]

    def locate(self, file: str, path: tuple[str | int, ...]) -> str:
        """`specs/churn.yaml:12:5` for a path of a document; empty when it stands nowhere."""
        span = self._load(file).span(path)
        return str(span) if span else ""

    def _examined(self, files: Sequence[str]) -> Iterator[tuple[str, Loaded[Model], tuple[Diagnostic, ...]]]:
        """Each spec, one after the other, with everything worth saying about it."""
        owners: dict[str, str] = {}
        for file in files:
            loaded = self._load(file)
            findings = _findings(loaded)
            if loaded.value is not None:
                name = loaded.value.metadata.name
                first = owners.setdefault(name, file)
                if first != file:
                    findings = (*findings, _clash(loaded, name, first))
            yield file, loaded, findings

    def _load(self, file: str) -> Loaded[Model]:
        """A spec as it is now. The latest stays at hand: whoever asks for one often asks several things of it."""
        if self._latest is None or self._latest[0] != file:
            project = self.configured
            loaded = load(
                self.root / file,
                Model,
                fragments=project.fragments,
                variables=project.config.env.variables,
                overrides=project.overrides,
                file=file,
                sharing=self._sharing,
            )
            self._latest = (file, loaded)
            self._entries[file] = _entry(file, loaded.composed)
        return self._latest[1]


def _findings(loaded: Loaded[Model]) -> tuple[Diagnostic, ...]:
    """What is worth saying about one spec by itself."""
    if loaded.value is None:
        return loaded.diagnostics
    crossing = (
        loaded.diagnostic(item.path, item.summary, item.detail, item.hint, item.severity)
        for item in check(loaded.value)
    )
    return (*loaded.diagnostics, *crossing)


def _clash(loaded: Loaded[Model], name: str, first: str) -> Diagnostic:
    """Two files with one name would take turns in undoing each other."""
    return loaded.diagnostic(
        ("metadata", "name"),
        "The name is used twice.",
        f"{first} is called {name!r} too; one name is one model.",
        "Give one of them another name.",
    )


class Entry(msgspec.Struct, frozen=True):
    """What selectors look at in one spec, valid or not; see `selecting.Selectable`."""

    file: str
    model: str = ""
    owner: str | None = None
    labels: dict[str, str] = {}
    downstream: tuple[str, ...] = ()
    fragments: tuple[str, ...] = ()


def _entry(file: str, composed: Composed | None) -> Entry:
    data = composed.data if composed else {}
    metadata, retirement = _mapping(data.get("metadata")), _mapping(data.get("retirement"))
    owner, consumers = metadata.get("owner"), retirement.get("consumers")
    named = [_mapping(one).get("name") for one in consumers] if isinstance(consumers, list) else []
    named.append(_mapping(retirement.get("successor")).get("model"))
    return Entry(
        file=file,
        model=str(metadata.get("name", "")),
        owner=None if owner is None else str(owner),
        labels={key: str(value) for key, value in _mapping(metadata.get("labels")).items()},
        downstream=tuple(name for name in named if isinstance(name, str)),
        fragments=tuple(layer.name for layer in composed.layers if layer.name) if composed else (),
    )


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
