"""Time something several times and print it beside the floor it is compared with."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


class Timing(NamedTuple):
    """Wall-clock seconds of repeated runs."""

    seconds: list[float]

    @property
    def median(self) -> float:
        """The middle run: one slow run on a busy machine does not move it."""
        return statistics.median(self.seconds)

    def quantile(self, share: float) -> float:
        """The run that `share` of all runs did not exceed."""
        return sorted(self.seconds)[min(len(self.seconds) - 1, int(share * len(self.seconds)))]


def timed(action: Callable[[], object], repeat: int, warm_up: int = 1) -> Timing:
    """Call `action` `repeat` times after `warm_up` calls that do not count."""
    for _ in range(warm_up):
        action()
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return Timing(seconds)


def timed_process(command: Sequence[str], repeat: int, cwd: Path | None = None, warm_up: int = 1) -> Timing:
    """Run a whole process `repeat` times, from its start to its exit. It must succeed."""

    def run() -> None:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)} exited {done.returncode}:\n{done.stdout}{done.stderr}")

    return timed(run, repeat, warm_up)


def heading(title: str) -> None:
    """Print a benchmark's title and the column names."""
    print(f"\n{title}\n  {'':<40} {'min':>9} {'median':>9} {'p99':>9} {'max':>9}   x floor", flush=True)


def line(name: str, timing: Timing, floor: Timing | None = None) -> None:
    """Print one row in milliseconds; the ratio is between medians."""
    # The 99th percentile of a handful of runs is only their maximum by another name.
    p99 = timing.quantile(0.99) if len(timing.seconds) >= 100 else None
    columns = (min(timing.seconds), timing.median, p99, max(timing.seconds))
    cells = " ".join(" " * 9 if value is None else f"{1000 * value:6.2f} ms" for value in columns)
    ratio = f"{timing.median / floor.median:6.2f}" if floor else " floor"
    print(f"  {name:<40} {cells}   {ratio}", flush=True)
