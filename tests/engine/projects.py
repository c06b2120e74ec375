"""Small real projects for tests of the engine: a CSV of flowers, one quick algorithm, the rest as users have it."""

from __future__ import annotations

import csv
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

NOW = datetime(2026, 5, 3, 10, tzinfo=UTC)

BASE: dict[str, Any] = {
    "apiVersion": "tenure/v1",
    "kind": "Model",
    "metadata": {"name": "flowers", "owner": "botany", "description": "Tells two flowers apart."},
    "data": {
        "sources": {"flowers": {"type": "csv", "path": "data/flowers.csv"}},
        "target_column": "kind",
        "split": {"type": "stratified", "test": 0.25, "seed": 1},
    },
    "training": {
        "algorithms": {"logistic_regression": {}},
        "limits": {"max_trials": 2},
        "cross_validation": {"folds": 3},
    },
    "evaluation": {"gates": [{"metric": "accuracy", "min": 0.7}]},
    "deployment": {"target": {"type": "http"}},
    "monitoring": {
        "window": {"size": "1d"},
        "signals": {"performance": {"type": "model_performance", "metric": "accuracy", "min": 0.6}},
    },
    "retirement": {"criteria": [{"type": "age", "since_last_training": "540d"}]},
}


def write_flowers(path: Path, rows: int = 120, seed: int = 3, flip: float = 0.05) -> None:
    """Two kinds that differ in petal length; `flip` is the share of wrong labels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draw = random.Random(seed)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["petal", "sepal", "colour", "kind"])
        for _ in range(rows):
            rose = draw.random() < 0.5
            label = rose if draw.random() >= flip else not rose
            writer.writerow(
                [
                    round(draw.gauss(5 if rose else 3, 0.6), 3),
                    round(draw.gauss(6, 0.8), 3),
                    draw.choice(["red", "white", "blue"]),
                    "rose" if label else "lily",
                ]
            )


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with `changes` laid over it; a value of None removes a key."""
    result = dict(base)
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


def write_spec(root: Path, changes: dict[str, Any] | None = None, name: str = "flowers") -> Path:
    """The base spec with changes, as YAML."""
    path = root / "specs" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(merged(BASE, changes or {}), sort_keys=False), encoding="utf-8")
    return path


def make_project(root: Path, changes: dict[str, Any] | None = None) -> Path:
    """A project with data and one spec; returns its folder."""
    write_flowers(root / "data" / "flowers.csv")
    write_spec(root, changes)
    return root
