"""Where a project keeps what on disk: specs, configuration, and one folder per environment under `.tenure/`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tenure.core.errors import TenureError
from tenure.core.files import Stamp, below
from tenure.stages.base import Folders

SPEC_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class Workspace:
    """The folders of a project in one environment. Nothing is created before something has to be written."""

    root: Path
    environment: str

    @property
    def home(self) -> Path:
        return self.root / ".tenure" / self.environment

    @property
    def cache(self) -> Path:
        return self.home / "cache"

    def folders(self, model: str) -> Folders:
        """Where one model's log, labels, reports and archives are kept."""
        return Folders(
            predictions=self.home / "predictions" / model,
            labels=self.home / "labels" / model,
            reports=self.home / "reports",
            archives=self.home / "archives",
        )

    def spec_stamps(self) -> dict[str, Stamp | None]:
        """Every spec as people see it (`specs/churn.yaml`) with the stamp of its file, in the order of their names.

        Raises TenureError for a folder that may not be read: its models would be missing without a word.
        """
        folder = self.root / "specs"
        if not folder.is_dir():
            raise not_a_project(folder)
        try:
            found = {
                name: stamp
                for name, stamp in below(str(folder), SPEC_SUFFIXES, "specs/", strict=True)
                if not name.rpartition("/")[2].startswith(".")
            }
        except PermissionError as error:
            raise TenureError(
                "A folder of specs cannot be read.",
                f"{error.filename}: {error.strerror}.",
                "Give the user who runs tenure the right to read it, or move it out of specs/.",
            ) from error
        unsayable = [os.fsencode(name) for name in found if not _can_be_said(name)]
        if unsayable:
            raise TenureError(
                "A file name is not UTF-8.",
                f"{', '.join(str(name)[2:-1] for name in unsayable)}: no plan could name it.",
                "Rename it.",
            )
        return {name: found[name] for name in in_order_of_names(found)}

    def spec_named(self, text: str) -> str | None:
        """The spec that `text` names by its path (`./specs/churn.yaml`), without a look at the others; None if none."""
        name = text.removeprefix("./")
        steps = name.split("/")
        plain = steps[0] == "specs" and "" not in steps and "." not in steps and ".." not in steps
        if not plain or steps[-1].startswith(".") or not name.endswith(SPEC_SUFFIXES):
            return None
        return name if (self.root / name).is_file() else None

    def shown(self, path: Path) -> str:
        """A path as people see it: relative to the project."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)


def _can_be_said(name: str) -> bool:
    """Whether a name can be written down: bytes that are no UTF-8 come as lone surrogates, which cannot."""
    return name.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in name)


def in_order_of_names(files: Iterable[str]) -> list[str]:
    """Files as they are listed everywhere: folder by folder."""
    return sorted(files, key=lambda name: name.split("/"))


def not_a_project(folder: Path) -> TenureError:
    """The error for a project without the `folder` that makes it one."""
    return TenureError(
        "Not a Tenure project.",
        f"There is no folder {folder}.",
        "Start one with: tenure init\nOr name the project's folder: tenure -C DIR ...",
    )
