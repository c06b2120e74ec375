"""Folds that workers make: the same bytes as here, made once, whatever happens to the workers."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.executors import jobs
from tests.stages.lab import Lab

from tenure.core.errors import Interrupted, StageError
from tenure.executors import dask as dask_module
from tenure.executors.dask import DaskExecutor
from tenure.executors.executor import Ended
from tenure.executors.local import LocalExecutor
from tenure.spec.executor import DaskExecutorConfig
from tenure.stages.training import fold_making
from tenure.stages.training.fold_maker import FoldMaker, opened, save
from tenure.stages.training.fold_making import make_all
from tenure.stages.training.folding import cut_folds
from tenure.stages.training.prepared import Folds, new_folds, write_contents
from tenure.stages.training.weighting import Sampling

distributed = pytest.importorskip("distributed")

SEARCH: dict[str, Any] = {
    "algorithms": {"xgboost": {"search_space": {"n_estimators": 20}}, "logistic_regression": {}},
    "limits": {"max_trials": 6, "max_concurrent_trials": 2},
    "cross_validation": {"folds": 3},
}


class Elsewhere(LocalExecutor):
    """As a cluster that sees the folders of this process, and not its memory."""

    in_process = False


class Far(Elsewhere):
    """As a cluster that sees nothing of this machine."""

    def share(self, folder: Path) -> str:
        return f"{folder}/."


@pytest.fixture(scope="module")
def dask() -> Iterator[DaskExecutor]:
    """Two workers of a scheduler that somebody else started."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as cluster:
        joined = DaskExecutor(DaskExecutorConfig(type="dask", address=cluster.scheduler_address))
        yield joined
        joined.close()


@pytest.fixture
def fits(dask: DaskExecutor, tmp_path: Path) -> Iterator[Any]:
    """Notes the fits of preprocessors on all workers, which take so much longer; says what was noted."""
    log = tmp_path / "fits"
    log.touch()

    def start(seconds: float) -> Any:
        dask._connected().run(jobs.note_fits, str(log), seconds)
        return lambda: [line.split() for line in log.read_text().splitlines()]

    yield start
    dask._connected().run(jobs.plain_fits)


def table(rows: int = 240) -> pa.Table:
    generator = np.random.default_rng(11)
    a, b = generator.normal(size=rows), generator.normal(size=rows)
    words = np.array(["late", "early", "rain", "sun", "snow", "fog"])
    return pa.table(
        {
            "a": a,
            "b": [None if i % 7 == 0 else float(v) for i, v in enumerate(b)],
            "n": generator.integers(0, 9, rows),
            "flag": generator.random(rows) > 0.4,
            "city": generator.choice(["Lyon", "Köln", "Łódź", "Oslo"], rows).tolist(),
            "said": [" ".join(generator.choice(words, 3)) + f" {i}" for i in range(rows)],
            "seen": np.datetime64("2025-01-01", "us") + np.arange(rows) * np.timedelta64(7, "h"),
            "y": np.where(a + 0.5 * b + generator.normal(size=rows) * 0.5 > 0.4, "yes", "no").tolist(),
        }
    )


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    (tmp_path / "lab").mkdir()
    made = Lab(tmp_path / "lab", table(), "y")
    made.make_features(
        columns={
            "city": {"type": "categorical", "encoding": "target"},
            "said": {"type": "text"},
        }
    )
    yield made
    made.executor.close()


def twin_of(lab: Lab, executor: Any) -> Lab:
    """The same lab, with nothing known from before, whose work runs elsewhere."""
    twin = lab.again()
    twin.executor = executor
    twin.folder = lab.folder / "twin"
    twin.folder.mkdir()
    return twin


def folds_of(lab: Lab, name: str, **more: Any) -> tuple[Folds, FoldMaker]:
    from tenure.stages.base import Identity
    from tenure.stages.features.section import Features
    from tenure.stages.training import section
    from tenure.stages.training.preparation import load_rows

    training = section.Training.model_validate(SEARCH | more)
    declared = section.declare(Identity("lab", "active", metadata=Features()), training)
    (resource,) = [item for item in declared if item.local == "training/search"]
    rows = load_rows(lab.context(resource))
    cut, _ = cut_folds(rows, training.cross_validation, 7)
    maker = FoldMaker(rows, cut, 7, training.class_weights, training.sampling)
    return new_folds(lab.folder / name, rows, cut, maker), maker


def contents(folds: Folds) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folds.folder.iterdir() if path.name != ".shared"}


def never() -> bool:
    return False


WEIGHTS: dict[str, Any] = {
    "class_weights": {"yes": 2.5},
    "sampling": {"type": "oversample", "ratio": 0.9},
}


@pytest.mark.parametrize("more", [{}, WEIGHTS])
@pytest.mark.parametrize("kind", [Elsewhere, Far])
def test_what_workers_make_is_what_is_made_here_to_the_last_bit(lab: Lab, kind: Any, more: Any) -> None:
    here, _ = folds_of(lab, "here", **more)
    there, maker = folds_of(lab, "there", **more)
    for form in ("linear", "tree"):
        here.complete(form)
    executor = kind(2)
    make_all(there, maker, ["linear", "tree"], executor, never)
    assert contents(there) == contents(here)
    # Two sides of three folds in two forms, each a matrix and a target; weights where rows are to be learned from.
    assert len(contents(here)) == 1 + 24 + (6 if more else 0)
    executor.close()


@pytest.mark.parametrize("blind", [False, True])
def test_real_workers_make_the_same_whether_they_see_the_folder_or_not(
    lab: Lab, dask: DaskExecutor, blind: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, _ = folds_of(lab, "here", **WEIGHTS)
    there, maker = folds_of(lab, "there", **WEIGHTS)
    for form in ("linear", "tree"):
        here.complete(form)
    if blind:
        monkeypatch.setattr(dask_module, "_sees", jobs.sees_nothing)
        before = dask._connected().run(jobs.local_folders)
        sent: list[str] = []
        monkeypatch.setattr(
            fold_making, "write_contents", lambda *rest: (sent.append(""), write_contents(*rest))[1]
        )
    make_all(there, maker, ["linear", "tree"], dask, never)
    assert contents(there) == contents(here)
    if blind:
        _until(lambda: dask._connected().run(jobs.local_folders) == before)
        assert not dask._sent
        assert len(sent) == 6
    _until(lambda: dask._connected().run_on_scheduler(_held) == 0)


def test_rows_come_back_from_files_as_they_were(lab: Lab, tmp_path: Path) -> None:
    _, maker = folds_of(lab, "folds", **WEIGHTS)
    save(maker, tmp_path / "rows")
    again = opened(tmp_path / "rows")
    assert again.rows.recipe == maker.rows.recipe
    assert again.rows.signature == maker.rows.signature
    assert list(again.rows.design) == list(maker.rows.design)
    assert (again.seed, again.class_weights) == (7, {"yes": 2.5})
    assert again.sampling == Sampling(type="oversample", ratio=0.9)


def test_each_fold_is_prepared_once_in_each_form_by_a_worker(
    lab: Lab, dask: DaskExecutor, fits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tenure.ml.preprocessor as module

    noted = fits(0.05)
    here: list[str] = []
    real = module.Unfitted.fit_transform
    monkeypatch.setattr(
        module.Unfitted, "fit_transform", lambda self, *rest: (here.append(self.form), real(self, *rest))[1]
    )
    twin_of(lab, dask).search(**SEARCH)
    assert sorted(form for _, form in noted()) == ["linear"] * 3 + ["tree"] * 3
    assert len({who for who, _ in noted()}) == 2
    assert here == []


def test_a_worker_that_is_killed_while_it_prepares_changes_nothing(
    lab: Lab, dask: DaskExecutor, fits: Any
) -> None:
    noted = fits(0.7)
    twin = twin_of(lab, dask)
    killed = []

    def kill() -> None:
        _until(lambda: len(noted()) >= 3)
        killed.append(int(noted()[-1][0]))
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    there = twin.search(**SEARCH)
    killer.join()
    assert len(killed) == 1
    assert lab.search(**SEARCH).digest == there.digest
    assert _came_to(lab) == _came_to(twin)
    assert [path.name for path in (twin.folder / "cache").iterdir()] == ["trials.db"]


def test_a_search_that_is_stopped_while_it_prepares_leaves_nothing_behind(
    lab: Lab, dask: DaskExecutor, fits: Any
) -> None:
    noted = fits(1.0)
    twin = twin_of(lab, dask)
    twin.stopping = lambda: len(noted()) >= 2
    with pytest.raises(Interrupted, match="while the folds were prepared"):
        twin.search(**SEARCH)
    _until(lambda: dask._connected().run_on_scheduler(_held) == 0)
    time.sleep(1.2)  # what was under way has ended, and would have written by now
    assert list((twin.folder / "cache").glob("folds-*")) == []
    assert len(noted()) == 2


def test_rows_that_cannot_be_prepared_are_told_as_on_this_machine(lab: Lab, dask: DaskExecutor) -> None:
    wrong = SEARCH | {"class_weights": {"perhaps": 2.0}}
    told = []
    for place in (lab, twin_of(lab, dask)):
        with pytest.raises(StageError) as caught:
            place.search(**wrong)
        told.append((str(caught.value), caught.value.path))
    assert told[0] == told[1]
    assert "never is 'perhaps'" in told[0][0]


@pytest.mark.parametrize("limits", [{}, {"trial_timeout": "20s"}])
def test_a_form_that_cannot_be_prepared_fails_its_trials_and_no_others(
    lab: Lab, limits: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import tenure.ml.preprocessor as module

    real, tried = module.Unfitted.fit_transform, []

    def fit(self: Any, *rest: Any) -> Any:
        if self.form == "linear":
            tried.append(self.form)
            raise MemoryError("Unable to allocate 9 TiB")
        return real(self, *rest)

    monkeypatch.setattr(module.Unfitted, "fit_transform", fit)
    asked = SEARCH | {"limits": SEARCH["limits"] | limits}
    assert lab.search(**asked).value["algorithm"] == "xgboost"
    assert len(tried) == 1, "what failed once is not tried again"
    twin = twin_of(lab, Elsewhere(2))
    twin.search(**asked)
    assert _came_to(lab) == _came_to(twin)
    notes = {
        trial.note for (kept,) in [lab.trials.kept.values()] for trial in kept if trial.status == "failed"
    }
    assert notes == {"Unprepared: MemoryError: Unable to allocate 9 TiB"}


def test_a_worker_that_may_not_write_sends_what_it_made(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    here, _ = folds_of(lab, "here")
    there, maker = folds_of(lab, "there")
    here.complete("tree")

    def refused(*_: Any) -> None:
        raise PermissionError("read-only file system")

    monkeypatch.setattr(fold_making, "write_fold", refused)
    make_all(there, maker, ["tree"], Elsewhere(1), never)
    assert contents(there) == contents(here)


def test_a_file_that_did_not_arrive_whole_is_made_here(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    here, _ = folds_of(lab, "here")
    there, maker = folds_of(lab, "there")
    here.complete("tree")
    real = fold_making.write_fold

    def cut_off(folder: Path, name: str, fold: Any) -> dict[str, int]:
        sizes = real(folder, name, fold)
        (folder / f"{name}-train-matrix.npy").write_bytes(b"half")
        return sizes

    monkeypatch.setattr(fold_making, "write_fold", cut_off)
    make_all(there, maker, ["tree"], Elsewhere(1), never)
    assert contents(there) == contents(here)


class Dying(Elsewhere):
    """Every worker that gets a certain form dies."""

    def submit(self, work: Any, argument: Any, **more: Any) -> Any:
        future = super().submit(work, argument, **more)
        if getattr(argument, "form", "") == "linear":
            future = type(future)()
            future.set_exception(Ended("every worker that got it died"))
        return future


def test_a_form_that_kills_every_worker_fails_its_trials(lab: Lab) -> None:
    lab.executor = Dying(2)
    assert lab.search(**SEARCH).value["algorithm"] == "xgboost"
    (kept,) = lab.trials.kept.values()
    assert {trial.note for trial in kept if trial.status == "failed"} == {
        "Unprepared: every worker that got it died"
    }


def _came_to(lab: Lab) -> list[tuple[Any, ...]]:
    (kept,) = lab.trials.kept.values()
    return [(trial.number, trial.algorithm, trial.params, trial.scores, trial.status) for trial in kept]


def _held(dask_scheduler: Any) -> int:
    """How many results, and events, a scheduler remembers."""
    return len(dask_scheduler.tasks) + len(dask_scheduler.extensions["events"]._events)


def _until(true: Any) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)
