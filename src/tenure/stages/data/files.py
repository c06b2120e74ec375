"""Files named by a spec: found, fingerprinted cheaply, and refused with a reason and a way out."""

from __future__ import annotations

import difflib
import gzip
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

from tenure.core.digest import digest, digest_file
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
                f"{_shown(file, project)} is a pipe, a socket or a device, which cannot be read twice",
                "write what comes out of it to a file, and name that",
                path=where,
            )
        try:
            with file.open("rb") as stream:
                empty = not stream.read(1)
        except PermissionError as error:
            raise StageError(
                "a source file may not be read",
                f"{_shown(file, project)}: permission denied",
                "give the user who runs tenure the right to read it",
                path=where,
            ) from error
        except OSError as error:
            raise StageError(
                "a source file cannot be read", f"{_shown(file, project)}: {error.strerror}", path=where
            ) from error
        if empty:
            raise StageError(
                "a source file is empty",
                f"{_shown(file, project)} has no content at all",
                "check what was to write it",
                path=where,
            )
    return files


def fingerprint(
    project: Path, pattern: str, recorded: Mapping[str, Any] | None, *, count_lines: bool
) -> dict[str, Any]:
    """What the files are now: `{path, size, mtime_ns, digest, rows?}`, or `{missing: True}`.

    Content is hashed only when size or time differ from the recorded ones. `rows` counts lines after the header, so
    it is too high for text with line breaks inside quotes.
    """
    try:
        files = find(project, pattern)
        if not files:
            return {"missing": True, "reason": f"no file {pattern}"}
        if any(file.is_dir() for file in files):
            return {"missing": True, "reason": f"{pattern} is a folder"}
        if any(not file.is_file() for file in files):
            return {"missing": True, "reason": f"{pattern} is no regular file"}
        stats = [file.stat() for file in files]
        found: dict[str, Any] = {
            "path": pattern,
            "size": sum(stat.st_size for stat in stats),
            "mtime_ns": max(stat.st_mtime_ns for stat in stats),
        }
        if recorded is not None and all(recorded.get(key) == value for key, value in found.items()):
            return dict(recorded)
        digests = [[_shown(file, project), digest_file(file)] for file in files]
        found["digest"] = digests[0][1] if len(digests) == 1 else digest(digests)
        if count_lines:
            found["rows"] = sum(_lines(file) for file in files)
    except UNREADABLE as error:
        return {"missing": True, "reason": unreadable(error)}
    return found


def unreadable(error: BaseException) -> str:
    """Why reading failed, in a few words."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "the packed file is damaged or not whole"


def open_bytes(file: Path) -> IO[bytes]:
    """The file's bytes, unpacked when its name ends in `.gz`."""
    return cast("IO[bytes]", gzip.open(file, "rb")) if file.suffix == ".gz" else file.open("rb")


def _lines(file: Path) -> int:
    count, last = 0, b""
    with open_bytes(file) as stream:
        while chunk := stream.read(_CHUNK):
            count += chunk.count(b"\n")
            last = chunk
    return max(0, count - 1 + (bool(last) and not last.endswith(b"\n")))


def _shown(file: Path, project: Path) -> str:
    return os.path.relpath(file, project) if file.is_relative_to(project) else str(file)


def _near(missing: Path) -> str:
    if not missing.parent.is_dir():
        return ""
    close = difflib.get_close_matches(missing.name, [item.name for item in missing.parent.iterdir()], n=1)
    return f"did you mean {close[0]!r} in the same folder?" if close else ""
