"""Applies in processes of their own, where one has to die or two have to race; the libraries are loaded only once."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.engine.projects import NOW

from tenure.engine import compiling
from tenure.engine import project as engine
from tenure.engine.project import Project
from tenure.stages.training import loop

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [
        *(
            "duckdb",
            "narwhals.stable.v1",
            "optuna",
            "pandas",
            "pyarrow.dataset",
            "pyarrow.parquet",
            "skops.io",
        ),
        *("sklearn.linear_model", "sqlalchemy.dialects.sqlite.pysqlite", "tenure.artifacts.folder"),
        *("tenure.engine.project", "tenure.ml.metrics", "tenure.ml.predictor", "tenure.ml.recipe"),
        *("tenure.stages.data.snapshot", "tenure.stages.evaluation.report", "tenure.stages.training.search"),
        *(
            "tenure.spec.project",
            "tenure.spec.compose",
            "tenure.state.sql",
            "tenure.lifecycle",
            "tenure.rules",
        ),
        *("tenure.engine.specs", "tenure.ml.columns", "tenure.ml.inference_log", "tenure.ml.reference"),
        *("tenure.ml.splits", "tenure.stages.deployment.batch", "tenure.stages.monitoring.watching"),
    ]
)


class Hooked:
    """A stage whose verb has something before and after it."""

    def __init__(
        self, stage: Any, after: Callable[[Any], None], before: Callable[[Any], None] = lambda resource: None
    ) -> None:
        self._stage, self._after, self._before = stage, after, before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stage, name)

    def realise(self, resource: Any, target: Any, context: Any) -> Any:
        self._before(resource)
        output = self._stage.realise(resource, target, context)
        self._after(resource)
        return output


def hooked(
    after: Callable[[Any], None], before: Callable[[Any], None] = lambda resource: None
) -> dict[str, Hooked]:
    """Every stage by its name, with something before and after its verb; to be put into `compiling._stages()`."""
    return {name: Hooked(stage, after, before) for name, stage in compiling._stages().items()}


def die(*_: object) -> None:
    """The way a machine takes a process down: no handler, no flush, no `finally`."""
    os.kill(os.getpid(), signal.SIGKILL)


def following(verb: Callable[..., Any], after: Callable[..., None]) -> Callable[..., Any]:
    """`verb`, with something done each time it has returned."""

    def call(*values: Any, **named: Any) -> Any:
        result = verb(*values, **named)
        after(*values)
        return result

    return call


def search_until(root: Path, trials: int) -> None:
    """Apply everything, and die when so many trials are recorded."""
    project = Project(root, now=NOW, actor="ann")
    store: Any = project.store
    left = [trials]

    def counted(*_: object) -> None:
        left[0] -= 1
        if not left[0]:
            die()

    store.add_trial = following(store.add_trial, counted)
    sys.exit(project.apply(project.plan()).exit_code)


def race(root: Path, model: str, gate: Any, answer: Path) -> None:
    """Plan one model, wait for the others, apply, and write down what came of it."""
    project = Project(root, now=NOW, actor=answer.stem)
    plan = project.plan([model])
    gate.wait(60)
    try:
        result = project.apply(plan)
        code, said = result.exit_code, result.models[0].error
    except engine.TenureError as error:
        code, said = error.exit_code, str(error)
    answer.write_text(json.dumps({"code": code, "said": said}))


def outcome(target: Callable[..., None], *values: Any) -> int:
    """Run a function in a process and return its exit code; -9 when it was killed."""
    process = CONTEXT.Process(target=target, args=values)
    process.start()
    process.join(120)
    assert process.exitcode is not None
    return process.exitcode


def applied_until(root: Path, trials: int, output: Path, then: Callable[[Path], None]) -> None:
    """`tenure apply` on the command line, with something happening to it after so many trials.

    What it says goes to `output`, where `then` does not say otherwise beforehand by changing the standard streams.
    """
    from tenure.cli.main import main
    from tenure.state.sql import SqlStateStore

    left = [trials]

    def counted(*_: object) -> None:
        left[0] -= 1
        if not left[0]:
            then(output)

    SqlStateStore.add_trial = following(SqlStateStore.add_trial, counted)  # type: ignore[method-assign]
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    before = getattr(then, "before", None)
    if before is not None:
        before(output)
    sys.argv = ["tenure", "apply", "-C", str(root), "--auto-approve", "--now", NOW.isoformat()]
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1) for number in (1, 2))
    main()


def tried_by(apply: Callable[[], Any], project: Project) -> tuple[list[Any], list[Any]]:
    """The parameters of the trials that were recorded before an apply goes on with its search, and of those it runs."""
    (fingerprint,) = {
        entry.fingerprint
        for entry in project.reader.journal("flowers")
        if entry.address.endswith("training/search")
    }
    before = [dict(trial.params) for trial in project.store.trials(fingerprint)]
    tried: list[Any] = []
    one = loop.run_trial

    def counted(task: Any, stopping: Any) -> Any:
        tried.append(dict(task.params))
        return one(task, stopping)

    loop.run_trial = counted
    try:
        apply()
    finally:
        loop.run_trial = one
    return before, tried
