"""How long the command line takes to say anything, next to an interpreter that does nothing."""

from __future__ import annotations

import sys

from benchmarks.measure import heading, line, timed_process


def run() -> None:
    """Whole processes, twenty of each."""
    heading("startup: whole process")
    floor = timed_process([sys.executable, "-c", "pass"], repeat=20)
    line("python -c pass", floor)
    for argument in ("--version", "--help"):
        line(f"tenure {argument}", timed_process(["tenure", argument], repeat=20), floor)
