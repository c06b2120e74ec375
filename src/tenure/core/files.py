"""Files seen from outside: found by a pattern, told apart by their stamps without being opened."""

from __future__ import annotations

import errno
import glob
import os
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

Stamp = tuple[int, int, int, int]
"""Modification and change time (ns), size and inode. The change time moves with every write; no program can set it."""

_TICK_NS = 100_000_000
_SECOND_NS = 1_000_000_000


class Look(msgspec.Struct, frozen=True, array_like=True):
    """What a path or glob led to: each file with its stamp, in order of name; nothing when nothing was there."""

    pattern: str
    files: tuple[tuple[str, Stamp], ...]


def find(folder: Path, pattern: str) -> list[Path]:
    """The files a path or glob names, in order of name; relative ones start from the folder."""
    literal = folder / pattern
    if literal.exists() or not _is_glob(pattern):
        return [literal] if literal.exists() else []
    # Path.glob takes no absolute pattern.
    found = glob.glob(str(literal), recursive=True)  # noqa: PTH207
    return sorted(Path(name) for name in found if Path(name).is_file())


def read_regular(path: Path | str) -> bytes:
    """The content of a regular file, or of what a link leads to. Raises OSError, also for anything else.

    A pipe would be waited for without an end, and a device may have none. It is looked at once it is open, so that
    nothing can come in between.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        return stream.read()


def look(folder: str, pattern: str) -> Look:
    """What `find` would lead to now, without opening anything. Raises OSError when a folder cannot be read."""
    literal = os.path.join(folder, pattern)  # noqa: PTH118
    try:
        return Look(pattern, ((literal, stamp(literal)),))
    except (FileNotFoundError, NotADirectoryError):
        names = sorted(glob.glob(literal, recursive=True)) if _is_glob(pattern) else []  # noqa: PTH207
    return Look(pattern, tuple((name, stamp(name)) for name in names))


def stamp(path: str) -> Stamp:
    """The stamp of a file or of what a link leads to. Raises OSError."""
    status = os.stat(path)  # noqa: PTH116
    return (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)


def settled(stamps: Iterable[Stamp], at_ns: int) -> bool:
    """Whether files that were stamped at `at_ns` (as of `time.time_ns`) show every later write by another stamp.

    A write within the same tick of the clock as the one before leaves the same stamp. So what was written just now is
    not trusted yet, as Git does not ("racily clean" entries). File systems that count in seconds have longer ticks.
    """
    for modified, changed, _, _ in stamps:
        coarse = modified % _SECOND_NS == 0 and changed % _SECOND_NS == 0
        if max(modified, changed) > at_ns - (2 * _SECOND_NS if coarse else _TICK_NS):
            return False
    return True


def now_ns() -> int:
    """The time to compare stamps with; always the real clock, whatever time decisions are made for."""
    return time.time_ns()


def below(
    folder: str, suffixes: tuple[str, ...], prefix: str = "", *, strict: bool = False
) -> Iterator[tuple[str, Stamp | None]]:
    """Every entry below a folder whose name ends so, by its path from there, with its stamp (None: it leads nowhere).

    Linked folders are not entered, nor are those that may not be read; with `strict` these raise PermissionError.
    Hidden files are included.
    """
    try:
        entries = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    except PermissionError:
        if strict:
            raise
        return
    with entries:
        for entry in entries:
            name = prefix + entry.name
            if name.endswith(suffixes):
                try:
                    status = entry.stat()
                except OSError:
                    yield name, None
                else:
                    yield name, (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
            if entry.is_dir(follow_symlinks=False):
                yield from below(entry.path, suffixes, name + "/", strict=strict)


def _is_glob(pattern: str) -> bool:
    return any(sign in pattern for sign in "*?[")
