"""The specs of a project: found, validated, checked across stages and files, compiled."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenure.core.diagnostics import Diagnostic, has_errors, in_order
from tenure.core.digest import digest_bytes
from tenure.core.errors import SpecError
from tenure.engine.compiling import Compiled, compile_model
from tenure.engine.selecting import Selectable, chosen
from tenure.engine.workspace import Workspace
from tenure.lifecycle import Model
from tenure.rules import check
from tenure.spec.validate import Loaded, load

if TYPE_CHECKING:
    from tenure.spec.project import Project as Configured
    from tenure.spec.project import ProjectConfig


class Specs:
    """The specs under one project folder, with the overrides of one command. Each file is read once."""

    def __init__(self, root: Path, overrides: Sequence[str] = ()) -> None:
        self.root = root
        self._overrides = tuple(overrides)
        self._loaded: dict[Path, Loaded[Model]] = {}

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
    def files(self) -> tuple[Path, ...]:
        return Workspace(self.root, self.config.env.name).spec_files()

    def diagnostics(self, select: Sequence[str] = (), exclude: Sequence[str] = ()) -> tuple[Diagnostic, ...]:
        """Everything worth saying about the selected specs, in the order of files and lines."""
        paths = self._paths(select, exclude)
        found = [one for path in paths for one in self._findings(path)]
        return in_order([*found, *self._clashes(paths)])

    def compiled(self, select: Sequence[str] = (), exclude: Sequence[str] = ()) -> tuple[Compiled, ...]:
        """The selected specs, compiled. Raises SpecError with every diagnostic when one of them has an error."""
        diagnostics = self.diagnostics(select, exclude)
        if has_errors(diagnostics):
            raise SpecError(diagnostics)
        return tuple(self._compiled(path) for path in self._paths(select, exclude))

    def entry(self, file: str) -> Selectable:
        """What selectors look at in one spec, valid or not."""
        path = self.root / file
        return _Entry(path, file, self._load(path))

    def compiled_one(self, file: str) -> Compiled | None:
        """One spec, compiled; None when it has an error."""
        path = self.root / file
        return None if has_errors(self._findings(path)) else self._compiled(path)

    def reads(self, file: str) -> tuple[str, tuple[str, ...]]:
        """What one spec was made from besides `conf/`: its text (a digest), and the environment variables it reads."""
        loaded = self._load(self.root / file)
        layers = loaded.composed.layers if loaded.composed else ()
        text = next((layer.document.text for layer in layers if not layer.name), "")
        return digest_bytes(text.encode()), loaded.reads.environment

    def locate(self, file: str, path: tuple[str | int, ...]) -> str:
        """`specs/churn.yaml:12:5` for a path of a document; empty when it stands nowhere."""
        found = self._loaded.get(self.root / file)
        span = found.span(path) if found else None
        return str(span) if span else ""

    def names(self) -> tuple[str, ...]:
        """The names of all valid specs."""
        return tuple(value.metadata.name for path in self.files if (value := self._load(path).value))

    def _paths(self, select: Sequence[str], exclude: Sequence[str]) -> tuple[Path, ...]:
        if not select and not exclude:
            return self.files
        entries = [_Entry(path, self._shown(path), self._load(path)) for path in self.files]
        return tuple(entry.path for entry in chosen(entries, select, exclude))

    def _load(self, path: Path) -> Loaded[Model]:
        if path not in self._loaded:
            project = self.configured
            self._loaded[path] = load(
                path,
                Model,
                fragments=project.fragments,
                variables=project.config.env.variables,
                overrides=project.overrides,
                file=self._shown(path),
            )
        return self._loaded[path]

    def _findings(self, path: Path) -> tuple[Diagnostic, ...]:
        loaded = self._load(path)
        if loaded.value is None:
            return loaded.diagnostics
        crossing = (
            loaded.diagnostic(item.path, item.summary, item.detail, item.hint, item.severity)
            for item in check(loaded.value)
        )
        return (*loaded.diagnostics, *crossing)

    def _clashes(self, paths: Sequence[Path]) -> list[Diagnostic]:
        """Two files with one name would take turns in undoing each other."""
        owners: dict[str, Path] = {}
        found = []
        for path in paths:
            loaded = self._load(path)
            if loaded.value is None:
                continue
            name = loaded.value.metadata.name
            first = owners.setdefault(name, path)
            if first != path:
                found.append(
                    loaded.diagnostic(
                        ("metadata", "name"),
                        "The name is used twice.",
                        f"{self._shown(first)} is called {name!r} too; one name is one model.",
                        "Give one of them another name.",
                    )
                )
        return found

    def _compiled(self, path: Path) -> Compiled:
        value = self._load(path).value
        assert value is not None  # a file without a value has an error, and errors were raised before
        return compile_model(value, self._shown(path))

    def _shown(self, path: Path) -> str:
        return Workspace(self.root, "").shown(path)


class _Entry:
    """What selectors look at, also in a file that is not valid: its raw data."""

    def __init__(self, path: Path, file: str, loaded: Loaded[Model]) -> None:
        self.path = path
        self.file = file
        metadata = loaded.data.get("metadata")
        self._metadata: dict[str, Any] = metadata if isinstance(metadata, dict) else {}

    @property
    def model(self) -> str:
        return str(self._metadata.get("name", ""))

    @property
    def owner(self) -> str | None:
        owner = self._metadata.get("owner")
        return None if owner is None else str(owner)

    @property
    def labels(self) -> dict[str, str]:
        labels = self._metadata.get("labels")
        return {str(key): str(value) for key, value in labels.items()} if isinstance(labels, dict) else {}
