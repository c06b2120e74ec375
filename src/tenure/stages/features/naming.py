"""A name that is no column: said with the nearest one there is."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from tenure.core.errors import StageError


def unknown_column(name: str, known: Sequence[str], path: tuple[str | int, ...]) -> StageError:
    """The error for a name that is no column of the snapshot, with the nearest one."""
    folded = [column for column in known if column.casefold() == name.casefold()]
    near = folded or difflib.get_close_matches(name, known, n=1)
    listed = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
    return StageError(
        "unknown column",
        f"there is no column {name!r}; the snapshot has {listed}",
        f"did you mean {near[0]!r}?" if near else "check the name, or data.columns",
        path=path,
    )
