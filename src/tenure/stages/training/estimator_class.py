"""The class that an import path names: its parameters read from the source, without importing it.

A spec is validated and planned without loading any library; that a parameter is misspelled is found all the same.
"""

from __future__ import annotations

import ast
import functools
import importlib.machinery
import importlib.util
from pathlib import Path

_MOST_STEPS = 12
"""Imports and base classes that are followed before giving up."""


@functools.cache
def parameters_of(path: str) -> tuple[str, ...] | None:
    """The parameters that the constructor of the class `package.module.Class` takes, None where the source does not
    tell: with `**kwargs`, or for what is made at run time or compiled. Raises LookupError in words when there is none.
    """
    root = path.partition(".")[0]
    try:
        found = importlib.util.find_spec(root)
    except (ImportError, ValueError) as error:
        raise LookupError(f"there is no package {root}") from error
    if found is None:
        raise LookupError(f"there is no package {root}")
    return _Look(found, root).names(path)


class _Look:
    def __init__(self, found: importlib.machinery.ModuleSpec, root: str) -> None:
        self._root = root
        self._folders = [Path(place) for place in found.submodule_search_locations or ()]
        self._file = Path(found.origin) if found.origin and found.origin.endswith(".py") else None
        self._left = _MOST_STEPS

    def names(self, path: str) -> tuple[str, ...] | None:
        """The parameters, or None where they cannot be told."""
        module, _, name = path.rpartition(".")
        file = self._module(module)
        if file is None:
            if self._is_part(module):
                return None
            raise LookupError(f"there is no module {module}")
        return self._class(file, module, name, first=True)

    def _is_part(self, module: str) -> bool:
        """Whether it may be a compiled module."""
        parts = module.split(".")[1:]
        return any(
            list(folder.joinpath(*parts[:-1]).glob(f"{parts[-1]}.*")) for folder in self._folders if parts
        )

    def _module(self, module: str) -> Path | None:
        parts = module.split(".")
        if parts[0] != self._root:
            return None
        if len(parts) == 1:
            return self._file
        for folder in self._folders:
            for file in (
                folder.joinpath(*parts[1:], "__init__.py"),
                folder.joinpath(*parts[1:-1], f"{parts[-1]}.py"),
            ):
                if file.is_file():
                    return file
        return None

    def _class(self, file: Path, module: str, name: str, *, first: bool = False) -> tuple[str, ...] | None:
        self._left -= 1
        if self._left < 0:
            return None
        try:
            tree = ast.parse(file.read_text("utf-8"))
        except (OSError, SyntaxError, UnicodeDecodeError):
            return None
        imports: dict[str, tuple[str, str]] = {}
        classes: dict[str, ast.ClassDef] = {}
        others = False
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                classes.setdefault(node.name, node)
            elif isinstance(node, ast.ImportFrom):
                origin = _absolute(node, module, file.name == "__init__.py")
                for item in node.names:
                    others = others or item.name == "*"
                    imports[item.asname or item.name] = (origin, item.name)
            elif isinstance(node, ast.FunctionDef):
                others = others or node.name == "__getattr__"
        if name in classes:
            return self._constructor(classes[name], classes, imports, file, module)
        if name in imports:
            return self._follow(*imports[name])
        if first and not others and name not in _assigned(tree):
            raise LookupError(f"{module} has no class {name}")
        return None

    def _follow(self, module: str, name: str) -> tuple[str, ...] | None:
        file = self._module(module)
        return None if file is None else self._class(file, module, name)

    def _constructor(
        self,
        node: ast.ClassDef,
        classes: dict[str, ast.ClassDef],
        imports: dict[str, tuple[str, str]],
        file: Path,
        module: str,
    ) -> tuple[str, ...] | None:
        for part in node.body:
            if isinstance(part, ast.FunctionDef) and part.name == "__init__":
                taken = part.args
                if taken.kwarg is not None or taken.vararg is not None:
                    return None
                named = [*taken.posonlyargs, *taken.args, *taken.kwonlyargs]
                return tuple(argument.arg for argument in named[1:])
        for base in node.bases:
            if isinstance(base, ast.Name):
                if base.id in classes and classes[base.id] is not node:
                    self._left -= 1
                    found = (
                        self._constructor(classes[base.id], classes, imports, file, module)
                        if self._left > 0
                        else None
                    )
                elif base.id in imports:
                    found = self._follow(*imports[base.id])
                else:
                    found = None
                if found is not None:
                    return found
        return None


def _absolute(node: ast.ImportFrom, module: str, package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    kept = parts[: len(parts) - node.level + (1 if package else 0)]
    return ".".join([*kept, *([node.module] if node.module else [])])


def _assigned(tree: ast.Module) -> set[str]:
    return {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
