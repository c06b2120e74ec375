"""`scripts/bench search`: every tool on every set, one after the other, and what came out.

`TENURE_BENCH_SECONDS` is the time for each tool and set (120), `TENURE_BENCH_SETS` and `TENURE_BENCH_TOOLS` choose
some of them. The whole takes about an hour and a half; nothing else should be running.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

from benchmarks.search import environments, ours
from benchmarks.search.report import MARKS, Candidate, Found, ratios, standing
from benchmarks.search.sets import SETS
from benchmarks.search.targets import FILE as TARGETS

TOOLS = ("tenure", "optuna", "flaml", "grid")
GRID_SECONDS = 300.0
"""A grid search has nothing to show before it ends; it is stopped after this time and counts as if it ended then."""


def run() -> None:
    """Run and print."""
    seconds = float(os.environ.get("TENURE_BENCH_SECONDS", "120"))
    chosen = tuple(item for item in SETS if item.name in _wanted("TENURE_BENCH_SETS", [s.name for s in SETS]))
    tools = _wanted("TENURE_BENCH_TOOLS", list(TOOLS))
    folders = environments.folders(chosen)
    known = json.loads(TARGETS.read_text())
    targets = {name: (item["target"], _larger(name)) for name, item in known.items()}
    errors = {name: item["standard_error"] for name, item in known.items()}
    runs: dict[str, dict[str, Found]] = {}
    print(f"search: seconds to the target, and test scores at {', '.join(f'{mark:.0f}' for mark in MARKS)} s")
    for item in chosen:
        runs[item.name] = {}
        target, larger = targets[item.name]
        folder = folders[item.name]
        print(f"  {item.name} ({item.metric}, target {target:.4f})", flush=True)
        for tool in tools:
            found = _peer(tool, folder, seconds) if tool != "tenure" else ours.search(folder, seconds)
            runs[item.name][tool] = found
            at, reached = found.time_to(target, larger)
            marks = "  ".join("-" if found.at(mark) is None else f"{found.at(mark):.4f}" for mark in MARKS)
            print(
                f"    {tool:7} {'' if reached else '> '}{at:6.1f} s, of which {found.ready:4.1f} s to start   {marks}",
                flush=True,
            )
    _summary(runs, targets, errors, [tool for tool in tools if tool != "tenure"])


def _summary(
    runs: dict[str, dict[str, Found]],
    targets: dict[str, tuple[float, bool]],
    errors: dict[str, float],
    peers: list[str],
) -> None:
    for peer in peers:
        without, whole = ratios(runs, targets, peer)
        print(
            f"  time to target by that of {peer}: {without:.2f} without start-up, {whole:.2f} with it (geometric mean)"
        )
    for mark in MARKS:
        found = {}
        for name, tools in runs.items():
            others = [tools[peer].at(mark) for peer in peers if peer in tools]
            if "tenure" in tools:
                found[name] = standing(tools["tenure"].at(mark), others, errors[name], targets[name][1])
        for word in dict.fromkeys(found.values()):
            names = [name for name, value in found.items() if value == word]
            print(f"  at {mark:.0f} s {word} on {len(names)}: {', '.join(names)}")


def _peer(tool: str, folder: Path, seconds: float) -> Found:
    python = environments.python_of(tool)
    limit = GRID_SECONDS if tool == "grid" else seconds
    script = environments.HERE / "peers" / f"run_{tool}.py"
    environment = {**os.environ, "BENCH_STARTED": repr(time.time()), "PYTHONPATH": ""}
    environment.pop("PYTHONPYCACHEPREFIX", None)
    try:
        # Scoring the candidates on the test rows comes after the time is up.
        done = subprocess.run(
            [str(python), str(script), str(folder), repr(limit)],
            env=environment, capture_output=True, text=True, check=True,
            timeout=limit if tool == "grid" else limit + 900,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Found(0.0, limit, ())
    answer = json.loads(done.stdout.splitlines()[-1])
    better = tuple(Candidate(item["at"], item["test"]) for item in answer["better"])
    return Found(answer["ready"], answer["ready"] + limit, better)


def _larger(name: str) -> bool:
    return next(item.metric for item in SETS if item.name == name) == "roc_auc"


def _wanted(variable: str, default: list[str]) -> list[str]:
    return os.environ[variable].split(",") if os.environ.get(variable) else default
