"""`tenure plan` when nothing has changed: what every pull request and every scheduled run pays.

The floor starts an interpreter that looks at the same files and does nothing else.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import heading, line, timed_process
from benchmarks.project import apply, make_project, multiply

LOOK = "import os, sys; [os.stat(entry) for entry in os.scandir(sys.argv[1])]"


def run() -> None:
    """One spec, then a thousand; TENURE_BENCH_SPECS sets another number than a thousand."""
    with tempfile.TemporaryDirectory(prefix="tenure-bench-") as folder:
        project = Path(folder)
        applied = make_project(project)
        took = apply(project)
        for models in (1, int(os.environ.get("TENURE_BENCH_SPECS", "1000"))):
            multiply(project, applied, models)
            heading(f"plan: whole process, nothing changed, specs: {models}")
            floor = timed_process([sys.executable, "-c", LOOK, str(project / "specs")], repeat=10)
            line("python, and a stat of each spec", floor)
            # With --detailed-exitcode anything but an empty plan is a failure.
            unchanged = ["tenure", "-C", folder, "plan", "--detailed-exitcode"]
            line("tenure plan", timed_process(unchanged, repeat=10), floor)
        print(f"  (the first apply of one of these models, whole process: {took:.1f} s)")
