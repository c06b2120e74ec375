"""How much memory the engine of a snapshot may take."""

from __future__ import annotations

import os

from tenure.core.errors import StageError
from tenure.core.units import parse_size

VARIABLE = "TENURE_DATA_MEMORY"
_USUAL = 512_000_000
_LEAST = 64_000_000


def memory_limit() -> int:
    """Bytes: the variable `TENURE_DATA_MEMORY`, such as 2GB; 512 MB without it, half of the machine where that is less.

    Raises StageError when the variable is no size.
    """
    asked = os.environ.get(VARIABLE)
    if asked is None:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return max(_LEAST, min(_USUAL, machine // 2))
    try:
        size = parse_size(asked)
    except ValueError as error:
        raise StageError(
            "the memory for data cannot be read",
            f"{VARIABLE}: {error}",
            f"write a size such as {VARIABLE}=2GB",
        ) from error
    if size < _LEAST:
        raise StageError(
            "the memory for data is too small",
            f"{VARIABLE} is {asked}, and less than 64MB is no use",
            f"write a size such as {VARIABLE}=2GB",
        )
    return size
