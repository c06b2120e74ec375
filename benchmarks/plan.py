"""`tenure plan` and `tenure validate`, whole processes, over fleets of models: what pull requests and schedules pay.

The floor starts an interpreter that looks at the same files and does nothing else. It is measured beside every group of
figures, so that a busy machine shows.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import Timing, heading, line, timed_process

LOOK = "import os, sys; [os.stat(entry) for entry in os.scandir(sys.argv[1])]"
SIZES = "1,1000,10000"
VERSIONS = "20"
SETTLED = 0.2
"""Seconds after which what was written is trusted."""

MISTAKES = (
    ("target_column", "target_colum"),
    ("type: csv", "type: cvs"),
    ("folds: 2", "folds: two"),
    ("algorithms:\n", "algorithms: [\n"),
)


def run() -> None:
    """Fleets of each size, then the largest with a history.

    TENURE_BENCH_SPECS sets other sizes, such as 1,500; TENURE_BENCH_VERSIONS another length of the history, 0 for none:
    ten thousand models with 20 versions take four gigabytes of disk and some minutes to make.
    """
    sizes = sorted(int(size) for size in os.environ.get("TENURE_BENCH_SPECS", SIZES).split(","))
    versions = int(os.environ.get("TENURE_BENCH_VERSIONS", VERSIONS))
    for models in sizes:
        with tempfile.TemporaryDirectory(prefix="tenure-bench-") as folder:
            _fleet(Path(folder), models, versions=1)
            _mistakes(Path(folder), models)
    if versions > 1:
        with tempfile.TemporaryDirectory(prefix="tenure-bench-") as folder:
            _fleet(Path(folder), sizes[-1], versions)


def _fleet(project: Path, models: int, versions: int) -> None:
    # In a process of its own: what this one holds in memory would be counted as its children's.
    subprocess.run(
        [sys.executable, "-m", "benchmarks.fleet", str(project), str(models), str(versions)], check=True
    )
    history = f", versions of each: {versions}" if versions > 1 else ""
    heading(f"plan: specs: {models:,}{history}; whole process")
    time.sleep(SETTLED)
    floor = timed_process([sys.executable, "-c", LOOK, str(project / "specs")], repeat=10)
    line("python, and a stat of each spec", floor)
    # With --detailed-exitcode anything but an empty plan is a failure.
    plan = ["tenure", "-C", str(project), "plan", "--detailed-exitcode"]
    line("plan, nothing changed", timed_process(plan, repeat=10), floor)
    line("plan, one spec edited", _edited(project, plan), floor)
    line("plan, nothing remembered", _forgotten(project, plan), floor)


def _mistakes(project: Path, models: int) -> None:
    """What needs no recorded state: a first plan, and validating. Nothing of the recorded state is left afterwards."""
    shutil.rmtree(project / ".tenure")
    floor = timed_process([sys.executable, "-c", LOOK, str(project / "specs")], repeat=5)
    line("python, and a stat of each spec", floor)
    first = min((project / "specs").iterdir())
    plan = ["tenure", "-C", str(project), "plan", "--detailed-exitcode", "--summary"]
    line("plan, nothing applied yet", timed_process(plan, repeat=3, warm_up=0, exits=2), floor)
    validate = ["tenure", "-C", str(project), "validate"]
    line("validate, one file", timed_process([*validate, f"specs/{first.name}"], repeat=10), floor)
    line("validate, every file", timed_process(validate, repeat=3, warm_up=0), floor)
    for number, path in enumerate(sorted((project / "specs").iterdir())[::20]):
        path.write_text(path.read_text().replace(*MISTAKES[number % len(MISTAKES)]))
    line("validate, one in 20 is broken", timed_process(validate, repeat=3, warm_up=0, exits=1), floor)


def _edited(project: Path, command: list[str]) -> Timing:
    """Each run finds the owner of one model changed, which is a change to make."""
    spec = min((project / "specs").iterdir())
    text = spec.read_text()
    numbers = iter(range(10))

    def edit() -> None:
        spec.write_text(text.replace("owner: team-0", f"owner: team-{next(numbers)}-new"))
        time.sleep(SETTLED)

    timing = timed_process(command, repeat=5, exits=2, before=edit)
    spec.write_text(text)
    time.sleep(SETTLED)
    timed_process(command, repeat=1, warm_up=0)
    return timing


def _forgotten(project: Path, command: list[str]) -> Timing:
    cache = project / ".tenure" / "dev" / "cache"
    return timed_process(command, repeat=3, warm_up=0, before=lambda: shutil.rmtree(cache))
