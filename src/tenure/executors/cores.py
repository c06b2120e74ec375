"""How many cores there are, and how threads that share them wait."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """How many cores this process may use: fewer than there are where it is bound to some."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def wait_without_spinning() -> None:
    """Let threads of OpenMP sleep while they wait for one another; to be called before a library of it is loaded.

    By default they spin. Where cores are shared (CI, containers, two applies at once), a fit with two threads then
    takes ten times as long as with one.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
