"""A project with many small models, for the benchmarks to plan and serve."""

from __future__ import annotations

import csv
import random
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SPEC = """\
apiVersion: tenure/v1
kind: Model
metadata: {{name: {name}, owner: benchmarks}}
data:
  sources:
    rows: {{type: csv, path: data/rows.csv}}
  target_column: outcome
  split: {{type: random, test: 0.25}}
training:
  algorithms:
    logistic_regression: {{}}
  cross_validation: {{type: stratified, folds: 2}}
  limits: {{max_trials: 1}}
evaluation:
  gates:
    - {{metric: accuracy, min: 0.5}}
deployment:
  target: {{type: http}}
monitoring:
  signals:
    drift: {{type: data_drift}}
"""

ROW = {"amount": 3.5, "age": 41.0, "region": "north"}
"""A row to predict, with the types of the columns in data/rows.csv."""


def make_project(folder: Path, models: int) -> list[str]:
    """Write data and `models` specs that differ in their name only; returns the names."""
    draw = random.Random(7)
    (folder / "data").mkdir(parents=True)
    (folder / "specs").mkdir()
    with (folder / "data" / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*ROW, "outcome"])
        for _ in range(200):
            amount, age = draw.gauss(0, 1), draw.uniform(18, 90)
            outcome = "yes" if amount + (age - 54) / 36 + draw.gauss(0, 0.5) > 0 else "no"
            writer.writerow([f"{amount:.4f}", f"{age:.1f}", draw.choice(["north", "south", "west"]), outcome])
    names = [f"model-{number:04}" for number in range(models)]
    for name in names:
        (folder / "specs" / f"{name}.yaml").write_text(SPEC.format(name=name))
    return names


def apply(folder: Path) -> float:
    """Apply every spec of the project in one process; returns the seconds it took."""
    start = time.perf_counter()
    done = subprocess.run(
        ["tenure", "apply", "--auto-approve"], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"tenure apply exited {done.returncode}:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - start
