"""`tenure plan` when nothing has changed: what every pull request and every scheduled run pays.

The floor starts an interpreter that looks at the same files and does nothing else. Beside it stand a plan after the
edit of one spec, and one that remembers nothing.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import Timing, heading, line, timed_process
from benchmarks.project import apply, make_project, multiply

LOOK = "import os, sys; [os.stat(entry) for entry in os.scandir(sys.argv[1])]"
SIZES = "1,1000,10000"
SETTLED = 0.2
"""Seconds after which what was written is trusted."""


def run() -> None:
    """Projects of each size; TENURE_BENCH_SPECS sets others, such as 1,500."""
    sizes = sorted(int(size) for size in os.environ.get("TENURE_BENCH_SPECS", SIZES).split(","))
    with tempfile.TemporaryDirectory(prefix="tenure-bench-") as folder:
        project = Path(folder)
        applied = make_project(project)
        took = apply(project)
        for models in sizes:
            multiply(project, applied, models)
            _measure(project, models)
        print(f"  (the first apply of one of these models, whole process: {took:.1f} s)")


def _measure(project: Path, models: int) -> None:
    heading(f"plan: whole process, nothing changed, specs: {models}")
    time.sleep(SETTLED)
    floor = timed_process([sys.executable, "-c", LOOK, str(project / "specs")], repeat=10)
    line("python, and a stat of each spec", floor)
    # With --detailed-exitcode anything but an empty plan is a failure.
    unchanged = ["tenure", "-C", str(project), "plan", "--detailed-exitcode"]
    line("tenure plan", timed_process(unchanged, repeat=10), floor)
    line("tenure plan, one spec edited", _edited(project, unchanged[:-1]), floor)
    line("tenure plan, nothing remembered", _forgotten(project, unchanged), floor)


def _edited(project: Path, command: list[str]) -> Timing:
    spec = min((project / "specs").iterdir())
    text = spec.read_text()
    seconds: list[float] = []
    for number in range(5):
        spec.write_text(text.replace("owner: benchmarks", f"owner: team-{number}"))
        time.sleep(SETTLED)
        seconds += timed_process(command, repeat=1, warm_up=0).seconds
    spec.write_text(text)
    time.sleep(SETTLED)
    timed_process(command, repeat=1, warm_up=0)
    return Timing(seconds)


def _forgotten(project: Path, command: list[str]) -> Timing:
    seconds: list[float] = []
    for _ in range(2):
        shutil.rmtree(project / ".tenure" / "dev" / "cache")
        seconds += timed_process(command, repeat=1, warm_up=0).seconds
    return Timing(seconds)
