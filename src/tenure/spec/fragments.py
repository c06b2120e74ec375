"""The `conf/` folder: pieces of YAML by group and name (`monitoring/standard`) that specs and the project reuse."""

from __future__ import annotations

import itertools
import re
from functools import cached_property
from pathlib import Path

from tenure.core.diagnostics import Diagnostic, way_out
from tenure.spec.read import Document, read

_PACKAGE = re.compile(r"^#\s*@package\s+(\S+)\s*$", re.MULTILINE)
PRIMARY = "config"


class Fragments:
    """The files of one `conf/` folder, each read when first asked for.

    `name` of a fragment is its path without the suffix, its group the folder it lies in. Built-in fragments stand
    behind the files: they answer where no file does.
    """

    def __init__(
        self, folder: Path | None, shown: str = "conf", builtin: dict[str, Document] | None = None
    ) -> None:
        self.folder = folder
        self.shown = shown
        self._builtin = builtin or {}
        self._read: dict[str, tuple[Document | None, tuple[Diagnostic, ...]]] = {}

    @cached_property
    def files(self) -> dict[str, Path]:
        """Every fragment on disk, by name."""
        if self.folder is None or not self.folder.is_dir():
            return {}
        found = (path for suffix in ("*.yaml", "*.yml") for path in sorted(self.folder.rglob(suffix)))
        return {path.relative_to(self.folder).with_suffix("").as_posix(): path for path in found}

    def with_builtin(self, builtin: dict[str, Document]) -> Fragments:
        """The same files with other fragments behind them."""
        copy = Fragments(self.folder, self.shown, builtin)
        copy.__dict__["files"] = self.files
        copy._read = self._read
        return copy

    def get(self, name: str) -> tuple[Document | None, tuple[Diagnostic, ...]]:
        """The fragment, or None with what is wrong with it (nothing is wrong when there is no such fragment)."""
        path = self.files.get(name)
        if path is None:
            return self._builtin.get(name), ()
        if name not in self._read:
            self._read[name] = read(path, self.display(path))
        return self._read[name]

    def display(self, path: Path) -> str:
        """The name to show for a file of this folder."""
        return (
            path.as_posix()
            if self.folder is None
            else f"{self.shown}/{path.relative_to(self.folder).as_posix()}"
        )

    def has(self, name: str) -> bool:
        """Whether there is a fragment of this name."""
        return name in self.files or name in self._builtin

    def options(self, group: str) -> list[str]:
        """The names of the fragments directly in a group."""
        prefix = f"{group}/" if group else ""
        names = {*self.files, *self._builtin}
        return sorted(
            name.removeprefix(prefix)
            for name in names
            if name.startswith(prefix) and "/" not in name.removeprefix(prefix)
        )

    def is_group(self, group: str) -> bool:
        """Whether there is such a folder."""
        return any(name.startswith(f"{group}/") for name in (*self.files, *self._builtin))

    def suggestion(self, name: str) -> str:
        """The way out for somebody who named a fragment that is not there."""
        group, _, wanted = name.rpartition("/")
        options = self.options(group)
        if group and options:
            return way_out(wanted, options, what=f"In {self.shown}/{group} there are")
        return f"Create {self.shown}/{name}.yaml."


def package_of(document: Document, name: str) -> str:
    """Where the keys of a fragment go: `monitoring` for `monitoring/standard`, unless `# @package` says otherwise."""
    group = name.rpartition("/")[0].replace("/", ".")
    header = _PACKAGE.search(_opening(document))
    if header is None:
        return group
    return {"_global_": "", "_group_": group}.get(header[1], header[1])


def has_package_header(document: Document) -> bool:
    """Whether the fragment says itself where its keys go."""
    return _PACKAGE.search(_opening(document)) is not None


def _opening(document: Document) -> str:
    """The comments a file opens with: the only place where a header counts."""
    lines = itertools.takewhile(
        lambda line: not line.strip() or line.startswith("#"), document.text.splitlines()
    )
    return "\n".join(lines)
