"""A project with small models, for the benchmarks to plan and serve."""

from __future__ import annotations

import contextlib
import csv
import random
import sqlite3
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import msgspec

from tenure.core.digest import digest_bytes
from tenure.engine.project import Project
from tenure.state.encoding import encode, instant

if TYPE_CHECKING:
    from pathlib import Path

    from tenure.graph.resource import Resource
    from tenure.state.record import Record

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


def make_project(folder: Path) -> str:
    """Write the data and the spec of one model; returns its name."""
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
    return add_spec(folder, 0)


def add_spec(folder: Path, number: int) -> str:
    """Write one more spec; all are alike but for the name, which has the same length."""
    name = f"model-{number:05}"
    (folder / "specs" / f"{name}.yaml").write_text(SPEC.format(name=name))
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


def multiply(folder: Path, applied: str, models: int) -> None:
    """Add specs until there are `models`, each recorded as applied by copying what is recorded of `applied`.

    Training ten thousand models would take most of a day, and planning does not care how a record came about. That the
    copies are right shows in the plan: it is empty.
    """
    for number in range(1, models):
        add_spec(folder, number)
    project = Project(folder)
    pattern, known = project.state(applied).records, set(project.reader.read_many())
    with contextlib.closing(sqlite3.connect(folder / project.config.state.path)) as database, database:
        for compiled in project.specs.compiled():
            if compiled.model not in known:
                records = [_copied(pattern[item.local], item, pattern) for item in compiled.resources]
                _record(database, compiled.model, records)


def _copied(record: Record, item: Resource, pattern: dict[str, Record]) -> Record:
    return msgspec.structs.replace(
        record,
        address=item.address,
        config=item.config,
        content=item.content,
        fingerprint=item.fingerprint({need: pattern[need].digest for need in item.needs}),
    )


def _record(database: sqlite3.Connection, model: str, records: list[Record]) -> None:
    """Write rows as the state does, all in one transaction: one for each step takes ten minutes."""
    database.execute(
        "INSERT INTO models VALUES (?, ?, ?, ?)", (model, f"of {model}", len(records), f"one of {model}")
    )
    for record in records:
        config, effects = (_document(database, encode(one)) for one in (record.config, record.effects))
        local, ordinal = record.address.split("/", 1)[1], record.ordinal or 0
        body = encode(msgspec.structs.replace(record, config={}, effects={}))
        number = database.execute(
            "INSERT INTO records (model, local, ordinal, at, config, effects, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (model, local, ordinal, instant(record.at), config, effects, body),
        ).lastrowid
        for one in {0, ordinal}:
            database.execute("INSERT INTO heads VALUES (?, ?, ?, ?)", (model, local, one, number))


def _document(database: sqlite3.Connection, body: bytes) -> int | None:
    name = digest_bytes(body)
    found = database.execute("SELECT id FROM documents WHERE digest = ?", (name,)).fetchone()
    if found:
        return int(found[0])
    return database.execute("INSERT INTO documents (digest, body) VALUES (?, ?)", (name, body)).lastrowid
