"""Tenure on one set: `tenure apply` as a whole process, from the CSV file to a registered version.

What it holds is read off its own events as they come. Like those of the peers, its better candidates are fitted anew
on all training rows and scored on the test rows after the time is up.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.search.report import Candidate, Found

MODEL = "bench"
SPEC = """\
apiVersion: tenure/v1
kind: Model
metadata: {{name: {model}}}
data:
  sources: {{rows: {{type: csv, path: {file}}}}}
  target_column: {target}
  task: {task}
  split: {{type: fixed, column: part}}
features: {{leakage: {{allow: [duplicate_rows]}}}}
training:
  objective: {{primary_metric: {metric}}}
  algorithms: {{{algorithms}}}
  limits: {{max_trials: 100000, timeout: {seconds:.0f}s}}
"""
CLASSIFIERS = ("xgboost", "lightgbm", "extra_trees", "logistic_regression")
REGRESSORS = ("xgboost", "lightgbm", "extra_trees", "ridge")
SEARCH = f"{MODEL}/training/search"


def search(folder: Path, seconds: float) -> Found:
    """One run. `ready` is when the search began, with sources read, checked, split and recorded, and what importing
    the libraries of its algorithms takes by itself: the peers have imported theirs, and read their rows, by then."""
    about = json.loads((folder / "set.json").read_text())
    project = folder / "tenure"
    shutil.rmtree(project, ignore_errors=True)
    (project / "specs").mkdir(parents=True)
    regression = about["task"] == "regression"
    listed = ", ".join(f"{name}: {{}}" for name in (REGRESSORS if regression else CLASSIFIERS))
    spec = SPEC.format(
        model=MODEL, file=folder / "both.csv", target=about["target"], metric=about["metric"], algorithms=listed,
        task="regression" if regression else "classification", seconds=seconds,
    )  # fmt: skip
    (project / "specs" / "bench.yaml").write_text(spec)
    started = time.time()
    command = [sys.executable, "-m", "tenure", "-C", str(project), "--json", "apply", "--auto-approve"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ})
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"event"')]
    ours = [event for event in events if event.get("address") == SEARCH]
    began = next(_at(event) for event in ours if event["event"] == "stepstarted")
    ended = [_at(event) for event in ours if event["event"] == "stepprogress"]
    better = _scored(project, [moment - started for moment in ended])
    ready = began - started + _importing()
    return Found(ready, ready + seconds, tuple(better))


def _importing() -> float:
    """Seconds that the libraries of the algorithms take to import in a process that has read its data."""
    code = (
        "import time, duckdb, numpy, optuna, pandas, pyarrow; start = time.perf_counter(); "
        "import lightgbm, sklearn.ensemble, sklearn.linear_model, xgboost; print(time.perf_counter() - start)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def _at(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["at"]).timestamp()


def _scored(project: Path, ended: list[float]) -> list[Candidate]:
    """The candidates that were the best when they ended, with their scores on the test rows."""
    import numpy as np

    from tenure.core.decoding import json_decoder
    from tenure.engine.project import Project
    from tenure.ml.metrics import metric, score
    from tenure.ml.predictor import Predictor
    from tenure.ml.snapshot import read_parts, target_values
    from tenure.stages.training.algorithm import Rows
    from tenure.stages.training.algorithms import Algorithms
    from tenure.stages.training.preparation import fit_preprocessor, load_rows
    from tenure.stages.training.turns import best_trial
    from tenure.state.store import Trial

    with closing(Project(project)) as opened:
        records = opened.state(MODEL).records
        context: Any = SimpleNamespace(records=records, artifacts=opened.artifacts)
        rows = load_rows(context)
        test = read_parts(opened.artifacts.local(records["data/snapshot"].artifacts["snapshot"]), ["test"])
        blob = opened.artifacts.get(records["training/search"].artifacts["trials"])
        trials = sorted(
            json_decoder(list[Trial]).decode(blob), key=lambda trial: trial.started + trial.seconds
        )
        measure = metric(records["training/search"].value["metric"], rows.signature.task)
        truth = target_values(test, rows.signature)
        found: list[Candidate] = []
        held = None
        for position, at in enumerate(ended[: len(trials)]):
            best = best_trial(trials[: position + 1], measure)
            if best is None or best is held:
                continue
            held = best
            algorithm = Algorithms.model_validate({best.algorithm: {}}).listed()[best.algorithm]
            fitted, matrix = fit_preprocessor(rows, np.arange(len(rows.codes)), algorithm.FORM, 7)
            fit = algorithm.fit(best.params, Rows(matrix, rows.codes), rows.setting(7), None)
            predictor = Predictor(rows.recipe, rows.signature, fitted, fit.estimator)
            found.append(Candidate(at, score(measure, truth, predictor.predict(test))))
    return found
