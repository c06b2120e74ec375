"""A project with small models, for the benchmarks to plan and serve."""

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
metadata:
  name: {name}
  owner: team-{team}
  description: Predicts the outcome for customers of branch {number}.
  labels: {{tier: "{tier}"}}
defaults:
  - monitoring: standard
data:
  sources:
    rows: {{type: csv, path: data/rows.csv}}
  filter: age < {number} + 200
  target_column: outcome
  split: {{type: random, test: 0.25}}
training:
  seed: {seed}
  algorithms:
    logistic_regression: {{}}
  cross_validation: {{type: stratified, folds: 2}}
  limits: {{max_trials: 1}}
evaluation:
  gates:
    - {{metric: accuracy, min: 0.{gate}}}
deployment:
  target: {{type: http}}
"""

MONITORING = """\
signals:
  drift: {type: data_drift}
"""

ROW = {"amount": 3.5, "age": 41.0, "region": "north"}
"""A row to predict, with the types of the columns in data/rows.csv."""


def make_project(folder: Path) -> str:
    """Write the data, the shared configuration and the spec of one model; returns its name."""
    draw = random.Random(7)
    for name in ("data", "specs", "conf/monitoring"):
        (folder / name).mkdir(parents=True)
    with (folder / "data" / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*ROW, "outcome"])
        for _ in range(200):
            amount, age = draw.gauss(0, 1), draw.uniform(18, 90)
            outcome = "yes" if amount + (age - 54) / 36 + draw.gauss(0, 0.5) > 0 else "no"
            writer.writerow([f"{amount:.4f}", f"{age:.1f}", draw.choice(["north", "south", "west"]), outcome])
    (folder / "conf" / "monitoring" / "standard.yaml").write_text(MONITORING)
    return add_spec(folder, 0)


def add_spec(folder: Path, number: int, seed: int = 0) -> str:
    """Write one more spec. Each has texts, an owner and a section `data` of its own; the other sections recur."""
    name = f"model-{number:05}"
    text = SPEC.format(
        name=name, number=number, team=number % 40, tier=number % 3, gate=50 + number % 10, seed=seed
    )
    (folder / "specs" / f"{name}.yaml").write_text(text)
    return name


def apply(folder: Path) -> float:
    """Apply every spec of the project in one process; returns the seconds it took."""
    start = time.perf_counter()
    done = subprocess.run(
        ["tenure", "apply", "--auto-approve"], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"tenure apply exited {done.returncode}:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - start
