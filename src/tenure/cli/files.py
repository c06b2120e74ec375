"""Files a verb writes for a person."""

from __future__ import annotations

import os
from glob import escape
from pathlib import Path

from tenure.core.drafts import sweep
from tenure.core.errors import TenureError


def write(path: Path, content: bytes) -> None:
    """Write a whole file or nothing. Raises TenureError when the place cannot be written to."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    sweep(path.parent, f".{escape(path.name)}.*.part")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True) if draft.parent.is_dir() else None
        raise TenureError(
            "The file cannot be written.", f"{path}: {error.strerror}.", "Name another place."
        ) from error


def read(path: Path) -> bytes:
    """Read a whole file. Raises TenureError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise TenureError("The file cannot be read.", f"{path}: {error.strerror}.") from error
