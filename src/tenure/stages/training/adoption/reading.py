"""Reading a file that somebody brings: bounded, compared with its digest, and told apart from what is never opened."""

from __future__ import annotations

import difflib
import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tenure.core.digest import PREFIX, digest, digest_file
from tenure.core.errors import StageError
from tenure.ml.predictor_files import FILES
from tenure.stages.training.adoption.formats import recognised

MOST_BYTES = 2 << 30
"""A larger file is no model of tables. Also the most an archive may unpack to."""
_MOST_MEMBERS = 100_000
_MOST_SCHEMA = 256 << 20
_HARMLESS = 64 << 20
_MOST_RATIO = 200
"""How many times its size an archive may unpack to once that is more than `_HARMLESS`."""


@dataclass(frozen=True)
class Given:
    """What was read: files by name (a single file has one), and the digest of what lies there."""

    path: str
    digest: str
    files: Mapping[str, bytes]

    @property
    def data(self) -> bytes:
        """The content of a single file."""
        (content,) = self.files.values()
        return content


def seen(project: Path, path: str) -> str | None:
    """What `read` would find for a digest of a file or a folder; None when nothing can be read there. Never raises."""
    try:
        place = project / path
        if place.is_dir():
            return folder_digest({name: digest_file(place / name) for name in predictor_files(place)})
        return digest_file(place).removeprefix(PREFIX) if place.is_file() else None
    except (OSError, ValueError, RuntimeError):
        return None


def predictor_files(folder: Path) -> list[str]:
    """The files of a predictor that are in a folder."""
    return [name for name in FILES if (folder / name).exists()]


def folder_digest(digests: Mapping[str, str]) -> str:
    """One digest for the files of a folder, without what a digest begins with."""
    return digest(dict(digests)).removeprefix(PREFIX)


def read_file(project: Path, path: str, pin: str | None, where: tuple[str | int, ...]) -> Given:
    """The bytes of one file. Raises StageError pointing to `path` or `sha256` below `where`."""
    data = read_bytes(project / path, path, (*where, "path"))
    name = PREFIX + hashlib.sha256(data).hexdigest()
    check_pin(name, path, pin, where)
    return Given(path, name, {Path(path).name: data})


def read_bytes(file: Path, shown: str, where: tuple[str | int, ...]) -> bytes:
    """The content of a regular file that is neither empty nor enormous. Raises StageError."""
    try:
        if file.is_dir():
            raise StageError(
                "the model file is a folder",
                f"{shown!r} is a folder, not a file",
                "name the file in it",
                path=where,
            )
        if not file.exists():
            raise StageError(
                "the model file is missing",
                f"nothing is found at {shown!r}, looked up from the project folder",
                _near(file),
                path=where,
            )
        if not file.is_file():
            raise StageError("the model file is no file", f"{shown!r} is a device or a pipe", path=where)
        size = file.stat().st_size
        if size > MOST_BYTES:
            raise StageError(
                "the model file is too large",
                f"{shown} has {size / 2**30:.1f} GB; at most {MOST_BYTES >> 30} GB are read",
                path=where,
            )
        data = file.read_bytes()
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead to one another
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise StageError(
            "the model file cannot be read",
            f"{shown}: {reason}",
            "check the path, and that the user who runs tenure may read it",
            path=where,
        ) from error
    if not data:
        raise StageError(
            "the model file is empty",
            f"{shown} has no content at all",
            "check what was to write it",
            path=where,
        )
    return data


def check_pin(name: str, path: str, pin: str | None, where: tuple[str | int, ...]) -> None:
    """Raises StageError when the digest of what was read is not the one the spec names."""
    if pin is not None and PREFIX + pin.removeprefix(PREFIX).lower() != name:
        raise StageError(
            "the model file is not the one that is named",
            f"{path} has {name.replace(PREFIX, 'SHA-256 ')}, and training.adopt.sha256 names another",
            "restore the file; or, if the new one is meant, put its digest there",
            path=(*where, "sha256"),
        )


def require_format(given: Given, wanted: str, where: tuple[str | int, ...]) -> None:
    """Raises StageError when the file is recognised as something other than the `type` that is wanted."""
    found = recognised(given.data, given.path)
    if found is not None and found.type != wanted:
        raise StageError(found.summary, f"{given.path} {found.detail}", found.hint, path=where)


def check_archive(data: bytes, shown: str, where: tuple[str | int, ...]) -> None:
    """Make sure that an archive can be read in memory: what its members say they unpack to is the most that is read.

    Raises StageError for anything that is no archive, is not whole, or unpacks to far more than it is.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise StageError(
            "the model file is damaged",
            f"{shown} is no archive that can be read: {error}",
            "copy it again from where it was made",
            path=where,
        ) from error
    total = sum(member.file_size for member in members)
    swollen = total > _HARMLESS and total > _MOST_RATIO * len(data)
    schema = max((member.file_size for member in members if member.filename.endswith(".json")), default=0)
    if total > MOST_BYTES or swollen or schema > _MOST_SCHEMA or len(members) > _MOST_MEMBERS:
        raise StageError(
            "the model file unpacks to too much",
            f"{shown} has {len(data):,} bytes and would unpack to {total:,} in {len(members):,} members",
            "no model is packed like that; get the file from where it was made",
            path=where,
        )


def _near(missing: Path) -> str:
    hint = "check the path; a relative one starts from the project folder"
    if not missing.parent.is_dir():
        return hint
    names = [item.name for item in missing.parent.iterdir()]
    close = difflib.get_close_matches(missing.name, names, n=1)
    return f"did you mean {close[0]!r} in the same folder?" if close else hint
