"""Files named by a spec: found, fingerprinted cheaply, and refused with a reason and a way out."""

from __future__ import annotations

import difflib
import gzip
import hashlib
import os
import zlib
from pathlib import Path
from typing import IO, cast

from tenure.core.digest import PREFIX
from tenure.core.errors import StageError
from tenure.core.files import find

_CHUNK = 1 << 20
UNREADABLE = (OSError, EOFError, zlib.error)
"""What reading a file may raise; the last two come from a packed one that is damaged or not whole."""


def require(project: Path, pattern: str, where: tuple[str | int, ...]) -> list[Path]:
    """As `find`, every file there, readable and not empty. Raises StageError pointing to `where`."""
    try:
        files = find(project, pattern)
    except OSError as error:
        raise StageError(
            "a source file cannot be found", f"{pattern!r}: {error.strerror}", path=where
        ) from error
    if not files:
        raise StageError(
            "a source file is missing",
            f"nothing is found at {pattern!r}, looked up from the project folder",
            _near(project / pattern) or "check the path; a relative one starts from the project folder",
            path=where,
        )
    for file in files:
        if file.is_dir():
            raise StageError(
                "a source is a folder",
                f"{pattern!r} is a folder, not a file",
                f"name the files in it with a glob, such as {pattern.rstrip('/')}/*.csv",
                path=where,
            )
        if file.exists() and not file.is_file():
            raise StageError(
                "a source is no file",
                f"{shown(file, project)} is a pipe, a socket or a device, which cannot be read twice",
                "write what comes out of it to a file, and name that",
                path=where,
            )
        try:
            with file.open("rb") as stream:
                empty = not stream.read(1)
        except PermissionError as error:
            raise StageError(
                "a source file may not be read",
                f"{shown(file, project)}: permission denied",
                "give the user who runs tenure the right to read it",
                path=where,
            ) from error
        except OSError as error:
            raise StageError(
                "a source file cannot be read", f"{shown(file, project)}: {error.strerror}", path=where
            ) from error
        if empty:
            raise empty_file(shown(file, project), where)
    return files


def empty_file(name: str, where: tuple[str | int, ...]) -> StageError:
    """The refusal of a file without a byte in it."""
    return StageError(
        "a source file is empty", f"{name} has no content at all", "check what was to write it", path=where
    )


def look_through(file: Path) -> tuple[str, int | None]:
    """The digest of a file's content and its lines after the header (None when packed), in one pass.

    Raises OSError.
    """
    hasher = hashlib.sha256()
    breaks, last = 0, b""
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            hasher.update(chunk)
            breaks += chunk.count(b"\n")
            last = chunk
    packed = file.suffix == ".gz"
    return PREFIX + hasher.hexdigest(), None if packed else _after_header(breaks, last)


def lines(file: Path) -> int:
    """The lines after the header of a file that may be packed. Raises one of `UNREADABLE`."""
    breaks, last = 0, b""
    with open_bytes(file) as stream:
        while chunk := stream.read(_CHUNK):
            breaks += chunk.count(b"\n")
            last = chunk
    return _after_header(breaks, last)


def _after_header(breaks: int, last: bytes) -> int:
    return max(0, breaks - 1 + (bool(last) and not last.endswith(b"\n")))


def unreadable(error: BaseException) -> str:
    """Why reading failed, in a few words."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "the packed file is damaged or not whole"


def open_bytes(file: Path) -> IO[bytes]:
    """The file's bytes, unpacked when its name ends in `.gz`."""
    return cast("IO[bytes]", gzip.open(file, "rb")) if file.suffix == ".gz" else file.open("rb")


def shown(file: Path, project: Path) -> str:
    """A file as messages name it: its path from the project folder."""
    return os.path.relpath(file, project) if file.is_relative_to(project) else str(file)


def _near(missing: Path) -> str:
    if not missing.parent.is_dir():
        return ""
    close = difflib.get_close_matches(missing.name, [item.name for item in missing.parent.iterdir()], n=1)
    return f"did you mean {close[0]!r} in the same folder?" if close else ""
