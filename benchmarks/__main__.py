"""Run the benchmarks named as arguments, or all of them."""

from __future__ import annotations

import platform
import sys

from benchmarks import plan, server_latency, startup

BENCHMARKS = {"startup": startup.run, "plan": plan.run, "server": server_latency.run}


def main(chosen: list[str]) -> None:
    """Run them one after the other: nothing else should be running on the machine."""
    if unknown := sorted(set(chosen) - set(BENCHMARKS)):
        sys.exit(f"no benchmark named {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}")
    print(f"{platform.platform()}, Python {platform.python_version()}")
    for name in chosen or BENCHMARKS:
        BENCHMARKS[name]()


main(sys.argv[1:])
