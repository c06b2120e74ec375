"""Files of the moment: where they are kept, and how what a killed run left of them goes away.

A file that others read is written under a draft's name and renamed, so that it is there whole or not at all. A kill
between the two leaves the draft; whoever writes in that place later removes it once it is so old that nobody can still
be writing it. Age decides, not the number of a process: folders are shared between machines.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ABANDONED_SECONDS = 24 * 3600.0
"""A draft this old belongs to a run that was killed."""


def sweep(folder: Path, pattern: str) -> None:
    """Remove what killed runs left in a folder under names of this pattern. What cannot be removed stays."""
    with suppress(OSError):
        for path in list(folder.glob(pattern)):
            with suppress(OSError):
                if time.time() - path.lstat().st_mtime > ABANDONED_SECONDS:
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for files that nobody else reads, in the system's place for them; it is gone afterwards."""
    prefix = f"tenure-{os.getuid()}-"
    sweep(Path(tempfile.gettempdir()), f"{prefix}*")
    with tempfile.TemporaryDirectory(prefix=prefix) as folder:
        yield Path(folder)


@contextmanager
def scratch_in(place: Path | None, kind: str) -> Iterator[Path]:
    """As `scratch`, in a place that has more room and that other machines may see, under a name that begins with
    `kind`; in the system's where there is none."""
    if place is None:
        with scratch() as folder:
            yield folder
        return
    place.mkdir(parents=True, exist_ok=True)
    sweep(place, f"{kind}-*")
    folder = place / f"{kind}-{uuid.uuid4().hex}"
    folder.mkdir()
    try:
        yield folder
    finally:
        # Under another name first: a worker that still writes into it finds nothing there any more.
        with suppress(OSError):
            folder = folder.rename(folder.with_name(f"{folder.name}-gone"))
        shutil.rmtree(folder, ignore_errors=True)
