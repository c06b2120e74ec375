"""The score to reach on each set: xgboost tuned with 200 random trials, minus one standard error of its test score.

Measured once and kept in targets.json: `python -m benchmarks.search.targets` measures it again, which takes an hour or
two. Trials are chosen on a fifth of the training rows, with early stopping; the winner is fitted to all of them.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

TRIALS = 200
ROUNDS = 2000
RESAMPLES = 400
FILE = Path(__file__).with_name("targets.json")


def measure(folder: Path, threads: int, most_seconds: float = 3600.0) -> dict[str, Any]:
    """Tune on the training rows of a set and score the winner on the test rows, once."""
    import pandas as pd
    import xgboost

    about = json.loads((folder / "set.json").read_text())
    train, test = pd.read_csv(folder / "train.csv"), pd.read_csv(folder / "test.csv")
    y, truth = train.pop(about["target"]), test.pop(about["target"])
    classes = sorted(y.unique()) if about["task"] != "regression" else []
    if classes:
        codes = {name: position for position, name in enumerate(classes)}
        y, truth = y.map(codes).astype(int), truth.map(codes).astype(int)
    both = pd.get_dummies(pd.concat([train, test]), dtype=float)
    X, X_test = both.iloc[: len(train)].to_numpy(), both.iloc[len(train) :].to_numpy()
    generator = np.random.default_rng(0)
    order = generator.permutation(len(X))
    held, kept = order[: len(X) // 5], order[len(X) // 5 :]
    fit = xgboost.QuantileDMatrix(X[kept], y.iloc[kept], nthread=threads)
    judge = xgboost.QuantileDMatrix(X[held], y.iloc[held], ref=fit, nthread=threads)
    objective, measured = {
        "binary": ("binary:logistic", "auc"),
        "multiclass": ("multi:softprob", "mlogloss"),
        "regression": ("reg:squarederror", "rmse"),
    }[about["task"]]
    sign = -1.0 if measured == "auc" else 1.0
    best: tuple[float, int, dict[str, Any]] | None = None
    started, trials = time.monotonic(), 0
    while trials < TRIALS and time.monotonic() - started < most_seconds:
        params = {
            "max_depth": int(generator.integers(2, 11)),
            "learning_rate": float(np.exp(generator.uniform(np.log(0.01), np.log(0.3)))),
            "min_child_weight": float(np.exp(generator.uniform(np.log(0.5), np.log(20)))),
            "subsample": float(generator.uniform(0.5, 1.0)),
            "colsample_bytree": float(generator.uniform(0.4, 1.0)),
            "reg_lambda": float(np.exp(generator.uniform(np.log(0.01), np.log(20)))),
            "objective": objective, "eval_metric": measured, "nthread": threads, "seed": 0,
        }  # fmt: skip
        if classes and len(classes) > 2:
            params["num_class"] = len(classes)
        booster = xgboost.train(
            params, fit, ROUNDS, evals=[(judge, "held")], early_stopping_rounds=30, verbose_eval=False
        )
        found = sign * booster.best_score, booster.best_iteration + 1, params
        best = found if best is None or found[0] < best[0] else best
        trials += 1
    assert best is not None
    _, rounds, params = best
    booster = xgboost.train(params, xgboost.QuantileDMatrix(X, y, nthread=threads), int(rounds * 1.25))
    guess = booster.predict(xgboost.DMatrix(X_test))
    score, error = scored(about["metric"], truth.to_numpy(), guess)
    worse = score - error if about["metric"] == "roc_auc" else score + error
    return {"reference": score, "standard_error": error, "target": worse, "trials": trials, "rounds": rounds}


def scored(metric: str, truth: Any, guess: Any) -> tuple[float, float]:
    """A test score and its bootstrap standard error."""
    from sklearn.metrics import roc_auc_score

    generator = np.random.default_rng(1)
    if metric == "roc_auc":
        values = [
            roc_auc_score(truth[rows], guess[rows])
            for rows in (generator.integers(0, len(truth), len(truth)) for _ in range(RESAMPLES))
        ]
        return float(roc_auc_score(truth, guess)), float(np.std(values, ddof=1))
    if metric == "log_loss":
        each = -np.log(np.clip(guess[np.arange(len(truth)), truth], 1e-15, 1))
        return float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each)))
    squares = (truth - guess) ** 2
    score = float(np.sqrt(squares.mean()))
    # The delta method: the root of a mean.
    return score, float(squares.std(ddof=1) / np.sqrt(len(squares)) / (2 * score))


def main(folders: Path, names: list[str], most_seconds: float) -> None:
    """Measure the sets of these names, or all, and write the file after each."""
    from benchmarks.search.sets import SETS

    known = json.loads(FILE.read_text()) if FILE.exists() else {}
    for chosen in SETS:
        if not names or chosen.name in names:
            threads = int(os.environ.get("BENCH_THREADS", len(os.sched_getaffinity(0))))
            known[chosen.name] = measure(folders / chosen.name, threads, most_seconds)
            print(chosen.name, known[chosen.name], flush=True)
            FILE.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[3:], float(sys.argv[2]))
