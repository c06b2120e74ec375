"""A snapshot of a table that is larger than the memory it may take: rows and bytes a second, and the most memory held.

The table is shaped like 20 GB of calls: identifiers, times, categories, numbers, gaps, a note. It is generated once,
in the size that `TENURE_BENCH_MB` says (2,000 without it). The floors of the same run are `cat`, which reads it, and
DuckDB alone, which guesses the types from a sample and writes Parquet without a check, a digest, a profile or a split.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

GOAL_MB = 1024
SPLITS = {
    "random": {"type": "random", "test": 0.2},
    "datetime": {"type": "datetime", "test": 0.2},
}


class Run(NamedTuple):
    """Seconds a process took, and the most memory it and its children held (MB)."""

    seconds: float
    peak: float


def run() -> None:
    """Generate the table, and measure the floors and a snapshot of it."""
    size = int(os.environ.get("TENURE_BENCH_MB", "2000")) * 1_000_000
    with tempfile.TemporaryDirectory(prefix="tenure-bench-") as name:
        folder = Path(name)
        rows = _generate(folder / "calls.csv", size)
        size = (folder / "calls.csv").stat().st_size
        print(f"\nsnapshot of {size / 1e9:.2f} GB of CSV, {rows:,} rows")
        print(f"  {'':<34} {'seconds':>9} {'rows/s':>12} {'MB/s':>8} {'peak MB':>9}")
        _line("cat", _measured(["sh", "-c", "cat calls.csv > /dev/null"], folder), rows, size)
        _line("DuckDB: read_csv to Parquet", _measured(_python("_floor()"), folder), rows, size)
        (folder / "floor.parquet").unlink()
        for split in SPLITS:
            found = _measured(_python(f"_take({split!r})"), folder)
            _line(f"Tenure: snapshot, {split} split", found, rows, size)
            if found.peak > GOAL_MB:
                print(f"  more than the goal of {GOAL_MB} MB")


def _generate(file: Path, size: int) -> int:
    import duckdb

    connection = duckdb.connect(":memory:", config={"threads": "2", "memory_limit": "500MB"})
    connection.sql("SET enable_progress_bar = false")
    row = """SELECT range + 1 AS call_id,
        TIMESTAMP '2024-01-01' + INTERVAL 1 SECOND * range AS called_at,
        'c' || (hash(range) % 200000)::VARCHAR AS customer,
        ['north', 'south', 'east', 'west'][(1 + hash(range + 1) % 4)::INTEGER] AS region,
        ['web', 'app', 'shop', 'partner', 'phone'][(1 + hash(range + 2) % 5)::INTEGER] AS channel,
        (hash(range + 3) % 90 + 18)::INTEGER AS age,
        round((hash(range + 4) % 1000000) / 997.0, 4) AS amount,
        CASE WHEN hash(range + 5) % 10 > 0 THEN round((hash(range + 5) % 100000) / 313.0, 3) END AS balance,
        (hash(range + 6) % 7200)::INTEGER AS seconds,
        'ticket ' || hash(range + 7)::VARCHAR AS note,
        hash(range + 8) % 100 < 30 AS returned"""
    sample = connection.sql(
        f"SELECT avg(length(columns(*)::VARCHAR)) FROM ({row} FROM range(1000))"
    ).fetchall()[0]
    rows = int(size / (sum(sample) + len(sample)))
    connection.sql(f"COPY ({row} FROM range({rows})) TO '{file}' (FORMAT csv, HEADER)")
    return rows


def _python(call: str) -> list[str]:
    return [sys.executable, "-c", f"from benchmarks import snapshot; snapshot.{call}"]


def _floor() -> None:
    import duckdb

    duckdb.sql("SET enable_progress_bar = false")
    duckdb.sql("COPY (FROM read_csv('calls.csv')) TO 'floor.parquet' (FORMAT parquet, COMPRESSION zstd)")


def _take(split: str) -> None:
    from datetime import UTC, datetime

    from tenure.artifacts.folder import FolderArtifactStore
    from tenure.core.events import ignore
    from tenure.plan.view import View
    from tenure.spec.base import SpecModel
    from tenure.stages.base import Folders, Identity, StageContext
    from tenure.stages.data import section

    here, now = Path(), datetime.now(UTC)
    block = section.Data.model_validate(
        {
            "sources": {"calls": {"type": "csv", "path": "calls.csv"}},
            "target_column": "returned",
            "timestamp_column": "called_at",
            "filter": "age >= 18",
            "cleaning": [{"type": "clip", "column": "amount", "high": 1000}],
            "checks": [
                {"type": "not_null", "columns": ["customer"]},
                {"type": "between", "column": "age", "min": 18},
            ],
            "split": SPLITS[split],
        }
    )
    (resource,) = section.declare(Identity("calls", "active", SpecModel()), block)
    output = section.realise(
        resource,
        None,
        StageContext(
            model="calls",
            now=now,
            project=here,
            folders=Folders(*(here / name for name in ("predictions", "labels", "reports", "archives"))),
            artifacts=FolderArtifactStore(here / f"artifacts-{split}"),
            trials=None,  # type: ignore[arg-type]
            view=View(model="calls", lifecycle="active", now=now, records={}, versions={}),
            previous=None,
            fingerprint="",
            emit=ignore,
            stopping=lambda: False,
        ),
    )
    print(output.sentence, file=sys.stderr)


def _measured(command: list[str], folder: Path) -> Run:
    """Run a process to its end; its memory and that of its children are looked at twenty times a second."""
    source = Path(__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": f"{source / 'src'}:{source}"}
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE)
    most, ended = 0.0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not ended.wait(0.05):
            most = max(most, _resident(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, said = process.communicate()
    ended.set()
    watcher.join()
    took = time.perf_counter() - start
    if process.returncode:
        sys.exit(f"{' '.join(command)} exited {process.returncode}:\n{said.decode()}")
    return Run(took, most)


def _resident(pid: int) -> float:
    """Memory (MB) that a process and all below it hold now."""
    total, waiting = 0.0, [pid]
    while waiting:
        one = waiting.pop()
        try:
            status = Path(f"/proc/{one}/status").read_text()
            waiting += map(int, Path(f"/proc/{one}/task/{one}/children").read_text().split())
        except OSError:
            continue
        total += next(
            (int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS")), 0.0
        )
    return total


def _line(name: str, found: Run, rows: int, size: int) -> None:
    print(
        f"  {name:<34} {found.seconds:9.1f} {rows / found.seconds:12,.0f} {size / 1e6 / found.seconds:8.0f} "
        f"{found.peak:9.0f}",
        flush=True,
    )
