"""Models as other people train and save them, and what Tenure offers them: a small table of flowers."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import skops.io
import xgboost
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tests.stages.lab import Lab

from tenure.stages.base import Identity
from tenure.stages.features.section import Features
from tenure.stages.training import section as training
from tenure.stages.training.adoption.taking import request_of
from tenure.stages.training.adoption.trial import Answer, tried

INPUTS = ["petal", "sepal", "colour"]


def flowers(rows: int = 120, seed: int = 3, *, holes: bool = False) -> pd.DataFrame:
    """Two kinds that differ in petal length, as a data scientist would have them in pandas."""
    draw = random.Random(seed)
    found = []
    for _ in range(rows):
        rose = draw.random() < 0.5
        height = round(draw.gauss(40 if rose else 30, 5), 2)
        found.append(
            {
                "petal": None
                if holes and draw.random() < 0.1
                else round(draw.gauss(5 if rose else 3, 0.6), 3),
                "sepal": round(draw.gauss(6, 0.8), 3),
                "leaves": draw.randrange(9),
                "height": height,
                "colour": None if holes and draw.random() < 0.1 else draw.choice(["red", "white", "blue"]),
                "kind": "rose" if (rose if draw.random() > 0.05 else not rose) else "lily",
            }
        )
    return pd.DataFrame(found)


def pipeline(table: pd.DataFrame, target: str = "kind", last: Any = None) -> Any:
    """The usual thing: columns prepared by type, then a linear model."""
    prepared = make_column_transformer(
        (StandardScaler(), ["petal", "sepal"]), (OneHotEncoder(handle_unknown="ignore"), ["colour"])
    )
    if last is None:
        last = LinearRegression() if target == "height" else LogisticRegression()
    return make_pipeline(prepared, last).fit(table[INPUTS], table[target])


def save(model: Any, path: Path) -> Path:
    """The model as its own library writes it to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if type(model).__module__.startswith("xgboost"):
        model.save_model(path)
    else:
        skops.io.dump(model, path)
    return path


def booster(
    table: pd.DataFrame, columns: list[str], codes: Any, objective: str, **params: Any
) -> xgboost.Booster:
    """A booster fitted with the native interface."""
    rows = xgboost.DMatrix(table[columns].to_numpy(), codes, feature_names=columns)
    return xgboost.train({"objective": objective, "max_depth": 2, "nthread": 1, **params}, rows, 5)


def lab(folder: Path, table: pd.DataFrame | None = None, target: str = "kind", **features: Any) -> Lab:
    """Snapshot and recipe of the flowers, as the stages before training make them."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Lab(
        folder, pa.Table.from_pandas(flowers() if table is None else table, preserve_index=False), target
    )
    made.make_features(**features)
    return made


def adopt(here: Lab, **block: Any) -> Answer:
    """Try the block of a spec on what the lab has, in this process. Raises StageError."""
    section = training.Training.model_validate({"algorithms": {"ridge": {}}, "adopt": block})
    identity = Identity("lab", "active", metadata=Features())
    search = next(item for item in training.declare(identity, section) if item.local == "training/search")
    assert search.adoption is not None
    return tried(request_of(search.adoption.given, here.context(search)))
