"""FLAML with its own choice of learners; every better configuration is fitted again from its log."""

import json
import tempfile
from pathlib import Path

from common import CORES, Run


def main() -> None:
    from flaml import AutoML

    run = Run()
    task = "regression" if run.task == "regression" else "classification"
    log = Path(tempfile.mkdtemp()) / "flaml.log"
    automl = AutoML()
    settings = {
        "task": task, "metric": run.metric, "time_budget": run.seconds, "n_jobs": CORES, "seed": 7, "verbose": 0,
        "log_file_name": str(log), "log_type": "better",
    }  # fmt: skip
    automl.fit(run.X, run.y, **settings)
    starts = run.ready
    times = [json.loads(line).get("wall_clock_time") for line in log.read_text().splitlines()]
    run.better = [(starts + at, at) for at in times if at is not None and at <= run.seconds]

    def again(at: float):
        model = AutoML()
        model.retrain_from_log(
            log_file_name=str(log), X_train=run.X, y_train=run.y, task=task, time_budget=at + 1e-3,
            train_full=True, train_best=True, n_jobs=CORES,
        )  # fmt: skip
        return model

    run.finish(again)


main()
