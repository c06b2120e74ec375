"""Run the benchmarks named as arguments, or all but the search, which takes an hour and a half."""

from __future__ import annotations

import os
import platform
import sys
import tempfile

from benchmarks import plan, server_latency, snapshot, startup
from benchmarks.search import run as search

BENCHMARKS = {
    "startup": startup.run,
    "plan": plan.run,
    "server": server_latency.run,
    "snapshot": snapshot.run,
    "search": search.run,
}
LONG = {"search"}


def main(chosen: list[str]) -> None:
    """Run them one after the other: nothing else should be running on the machine."""
    if unknown := sorted(set(chosen) - set(BENCHMARKS)):
        sys.exit(f"no benchmark named {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}")
    print(f"{platform.platform()}, Python {platform.python_version()}, {_machine()}")
    with tempfile.TemporaryDirectory(prefix="tenure-bytecode-") as bytecode:
        # As installed packages have it. An environment that is told to write none compiles everything with each start.
        os.environ["PYTHONPYCACHEPREFIX"] = bytecode
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        for name in chosen or [name for name in BENCHMARKS if name not in LONG]:
            BENCHMARKS[name]()


def _machine() -> str:
    """How many cores there are, and how many processes wanted one in the last minute: more distort every figure."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores, load {os.getloadavg()[0]:.1f}"


main(sys.argv[1:])
