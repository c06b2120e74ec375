"""What the runs of all peers share: rows in, a line of JSON per better candidate out, test scores at the end.

Each run is `python FILE FOLDER SECONDS` in the environment of the peer. Times are seconds since the parent started the
process (`BENCH_STARTED`). A candidate is scored on the test rows only after the time is up, fitted anew on all
training rows: that time is a gift to the peer.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
STARTED = float(os.environ["BENCH_STARTED"])
CORES = len(os.sched_getaffinity(0))


def now() -> float:
    return time.time() - STARTED


class Run:
    """The rows of one set, and what a tool found so far."""

    def __init__(self) -> None:
        import pandas as pd

        self.folder, self.seconds = Path(sys.argv[1]), float(sys.argv[2])
        self.about = json.loads((self.folder / "set.json").read_text())
        self.task, self.target, self.metric = (self.about[name] for name in ("task", "target", "metric"))
        train = pd.read_csv(self.folder / "train.csv")
        self.y, self.X = train.pop(self.target), train
        self.classes = None
        if self.task != "regression":
            self.classes = sorted(self.y.unique())
            self.y = self.y.map({name: position for position, name in enumerate(self.classes)}).astype(int)
        self.better: list[tuple[float, object]] = []
        self.ready = now()

    def found(self, candidate: object) -> None:
        """A candidate that the tool thinks is the best so far."""
        self.better.append((now(), candidate))

    def finish(self, fit, marks=(5, 10, 15, 30, 60, 120)) -> None:
        """Score the candidates on the test rows and print them. `fit(candidate)` gives a fitted pipeline."""
        import pandas as pd

        test = pd.read_csv(self.folder / "test.csv")
        y = test.pop(self.target)
        if self.classes is not None:
            y = y.map({name: position for position, name in enumerate(self.classes)}).astype(int)
        lines = []
        for at, candidate in thinned(self.better):
            lines.append({"at": at, "test": float(self.score(fit(candidate), test, y))})
        print(json.dumps({"ready": self.ready, "better": lines}))

    def score(self, model, X, y) -> float:
        from sklearn.metrics import log_loss, roc_auc_score, root_mean_squared_error

        if self.metric == "roc_auc":
            return roc_auc_score(y, model.predict_proba(X)[:, 1])
        if self.metric == "log_loss":
            return log_loss(y, model.predict_proba(X), labels=range(len(self.classes)))
        return root_mean_squared_error(y, model.predict(X))

    @property
    def scoring(self) -> str:
        return {"roc_auc": "roc_auc", "log_loss": "neg_log_loss", "rmse": "neg_root_mean_squared_error"}[
            self.metric
        ]

    def pipeline(self, **params):
        """What people write: impute, scale, one-hot, xgboost."""
        import xgboost
        from sklearn.compose import ColumnTransformer
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import Pipeline, make_pipeline
        from sklearn.preprocessing import OneHotEncoder, StandardScaler

        numbers = self.X.select_dtypes("number").columns.tolist()
        texts = [name for name in self.X if name not in numbers]
        onehot = OneHotEncoder(handle_unknown="ignore")
        prepare = ColumnTransformer(
            [
                ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
                ("texts", make_pipeline(SimpleImputer(strategy="most_frequent"), onehot), texts),
            ]
        )
        kind = xgboost.XGBRegressor if self.task == "regression" else xgboost.XGBClassifier
        return Pipeline([("prepare", prepare), ("model", kind(random_state=0, **params))])


def thinned(better, marks=(5, 10, 15, 30, 60, 120)):
    """Every better candidate of the first 20, and of later ones those that hold at a mark: enough for every figure."""
    kept = better[:20]
    for mark in marks:
        before = [item for item in better if item[0] <= mark]
        kept += [item for item in before[-1:] if item not in kept]
    kept += [item for item in better[-1:] if item not in kept]
    return sorted(kept, key=lambda item: item[0])
