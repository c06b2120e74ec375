"""The code of a function of the project: found and hashed without running any of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tenure.core.digest import digest, digest_bytes


class Place(NamedTuple):
    """Where a function is: the folder that imports start from, the module's file from there, and its name."""

    root: Path
    file: Path
    name: str

    @property
    def module(self) -> str:
        """The module as an import names it."""
        parts = self.file.relative_to(self.root).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def roots(project: Path) -> tuple[Path, ...]:
    """The folders that imports start from: `src` of the project, and the project itself."""
    return (project.resolve() / "src", project.resolve())


def find(project: Path, function: str) -> Place | None:
    """The place of `path.py:name` or `module:name`; None when the project has no such file."""
    module, _, name = function.rpartition(":")
    for root in roots(project):
        if module.endswith(".py"):
            file: Path | None = project.resolve() / module
        else:
            file = _file_of(root, module.split("."))
        if file is not None and file.is_file() and file.resolve().is_relative_to(root):
            return Place(root, file.resolve(), name)
    return None


def code_of(project: Path, function: str) -> dict[str, Any]:
    """The fingerprint of a function: `{digest: None, code}`, or `{missing: True, reason}`."""
    place = find(project, function)
    if place is None:
        return {"missing": True, "reason": f"the project has no file for {function}"}
    texts: dict[str, str] = {}
    waiting = [place.file]
    while waiting:
        file = waiting.pop()
        key = file.relative_to(project.resolve()).as_posix()
        if key in texts:
            continue
        try:
            data = file.read_bytes()
            tree = ast.parse(data)
        except OSError as error:
            return {"missing": True, "reason": f"{key}: {error.strerror}"}
        except (SyntaxError, ValueError) as error:
            return {
                "missing": True,
                "reason": f"{key}:{getattr(error, 'lineno', None) or 1}: {error.args[0]}",
            }
        if file == place.file and not _defines(tree, place.name):
            return {"missing": True, "reason": f"{key} has no function {place.name}"}
        texts[key] = digest_bytes(data)
        waiting += [found for root in roots(project) for found in _imported(tree, file, root)]
    return {"digest": None, "code": digest(texts), "modules": len(texts)}


def _defines(tree: ast.Module, name: str) -> bool:
    return any(
        (isinstance(node, ast.FunctionDef) and node.name == name)
        or (
            isinstance(node, ast.Assign)
            and any(isinstance(t, ast.Name) and t.id == name for t in node.targets)
        )
        or (isinstance(node, ast.ImportFrom) and any((a.asname or a.name) == name for a in node.names))
        for node in tree.body
    )


def _imported(tree: ast.Module, file: Path, root: Path) -> Iterator[Path]:
    """The files below the root that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            wanted = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module.split(".") if node.module else []
            if node.level:
                folder = file.parent
                for _ in range(node.level - 1):
                    folder = folder.parent
                if not folder.is_relative_to(root):
                    continue
                base = [*folder.relative_to(root).parts, *base]
            wanted = [base, *([*base, alias.name] for alias in node.names)]
        else:
            continue
        for parts in wanted:
            # Importing a module runs the packages it lies in.
            for length in range(1, len(parts) + 1):
                found = _file_of(root, parts[:length])
                if found is not None and found != file:
                    yield found


def _file_of(root: Path, parts: list[str]) -> Path | None:
    if not parts or not all(part.isidentifier() for part in parts):
        return None
    module = root.joinpath(*parts)
    for file in (module.with_suffix(".py"), module / "__init__.py"):
        if file.is_file():
            return file
    return None
