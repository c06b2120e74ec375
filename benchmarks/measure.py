"""Time something several times and print it beside the floor it is compared with."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Timing(NamedTuple):
    """Wall-clock seconds of repeated runs; of processes also the least time they took of a processor (s), which a busy
    machine distorts less, and the most memory one of them held (MB)."""

    seconds: list[float]
    processor: float | None = None
    peak: float | None = None

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


def timed_process(
    command: Sequence[str],
    repeat: int,
    *,
    warm_up: int = 1,
    exits: int = 0,
    before: Callable[[], object] = lambda: None,
) -> Timing:
    """Run a whole process `repeat` times, from its start to its exit, each time after a call of `before`.

    It must exit with `exits`, and is told to write nothing to a terminal.
    """

    def run() -> tuple[float, float, float]:
        with tempfile.TemporaryFile() as output:
            start = time.perf_counter()
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
            _, status, used = os.wait4(process.pid, 0)
            took = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != exits:
                output.seek(0)
                text = output.read().decode(errors="replace")
                sys.exit(f"{' '.join(command)} exited {process.returncode}:\n{text}")
        return took, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024

    runs = []
    for _ in range(warm_up + repeat):
        before()
        runs.append(run())
    took, processor, peaks = zip(*runs[warm_up:], strict=True)
    return Timing(list(took), min(processor), max(peaks))


def heading(title: str) -> None:
    """Print a benchmark's title and the column names."""
    columns = f"{'min':>9} {'median':>9} {'p99':>9} {'max':>9}"
    print(f"\n{title}\n  {'':<40} {columns}   x floor        cpu      peak", flush=True)


def line(name: str, timing: Timing, floor: Timing | None = None) -> None:
    """Print one row in milliseconds; the ratio is between medians."""
    # The 99th percentile of a handful of runs is only their maximum by another name.
    p99 = timing.quantile(0.99) if len(timing.seconds) >= 100 else None
    columns = (min(timing.seconds), timing.median, p99, max(timing.seconds))
    cells = " ".join(" " * 9 if value is None else f"{1000 * value:6.2f} ms" for value in columns)
    ratio = f"{timing.median / floor.median:7.2f}" if floor else "  floor"
    processor = f"{1000 * timing.processor:6.0f} ms" if timing.processor is not None else ""
    peak = f"{timing.peak:5.0f} MB" if timing.peak is not None else ""
    print(f"  {name:<40} {cells}   {ratio}  {processor}  {peak}".rstrip(), flush=True)
