"""The Dask executor: workers that die, schedulers elsewhere, and the same search as on this machine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
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

from tenure.core.errors import TenureError
from tenure.executors import dask as module
from tenure.executors.dask import DaskExecutor
from tenure.executors.executor import Ended
from tenure.spec.executor import DaskExecutorConfig

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def executor() -> Iterator[DaskExecutor]:
    opened = DaskExecutor(DaskExecutorConfig(type="dask", workers=2))
    yield opened
    opened.close()


def test_work_of_a_worker_that_dies_is_done_by_another(executor: DaskExecutor, tmp_path: Path) -> None:
    assert executor.submit(jobs.dies_once, str(tmp_path / "mark")).result(60) == "done by another"


def test_work_that_kills_every_worker_is_given_up(executor: DaskExecutor) -> None:
    with pytest.raises(Ended, match="every worker that got it died"):
        executor.submit(jobs.dies, None).result(90)
    assert executor.submit(jobs.doubled, 1).result(90) == 2


def test_a_cluster_has_the_workers_it_has(joined: DaskExecutor) -> None:
    assert (joined.workers, joined.cores) == (2, 2)


def test_workers_that_see_the_folder_are_sent_nothing(joined: DaskExecutor, tmp_path: Path) -> None:
    (tmp_path / "fold.txt").write_text("rows")
    assert joined.share(tmp_path) == str(tmp_path)


def test_workers_that_do_not_see_the_folder_fetch_it_once(
    joined: DaskExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_sees", _blind)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "fold.txt").write_text("rows")
    reference = joined.share(tmp_path)
    answers = [
        joined.submit(jobs.reads, (reference, "deep/fold.txt"), needs=reference).result(30) for _ in range(4)
    ]
    assert {content for content, _ in answers} == {"rows"}
    assert str(tmp_path) not in {folder for _, folder in answers}


def test_files_are_sent_again_when_every_worker_that_had_them_is_gone(
    joined: DaskExecutor, cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_sees", _blind)
    (tmp_path / "fold.txt").write_text("rows")
    reference = joined.share(tmp_path)
    with distributed.Client(cluster, set_as_default=False) as client:
        client.restart()
    assert joined.submit(jobs.reads, (reference, "fold.txt"), needs=reference).result(60)[0] == "rows"


def test_folders_with_files_of_one_name_are_kept_apart(
    joined: DaskExecutor, cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two searches at once on one cluster, of one process or of several."""
    monkeypatch.setattr(module, "_sees", _blind)
    other = DaskExecutor(DaskExecutorConfig(type="dask", address=cluster.scheduler_address))
    shared = []
    for name, executor in (("one", joined), ("two", joined), ("three", other)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "fold.txt").write_text(name)
        shared.append((name, executor, executor.share(tmp_path / name)))
    for name, executor, reference in shared:
        answer = executor.submit(jobs.reads, (reference, "fold.txt"), needs=reference).result(30)
        assert answer[0] == name
    other.close()


def test_large_folders_are_sent_some_files_at_a_time(
    joined: DaskExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_sees", _blind)
    monkeypatch.setattr(module, "_SENT_AT_ONCE", 10)
    sizes = []
    real = joined._connected().scatter
    monkeypatch.setattr(
        joined._connected(),
        "scatter",
        lambda files, **more: (sizes.append(sum(map(len, files.values()))), real(files, **more))[1],
    )
    for number in range(6):
        (tmp_path / f"{number}.txt").write_text("12345")
    reference = joined.share(tmp_path)
    assert max(sizes) <= 10
    for number in range(6):
        answer = joined.submit(jobs.reads, (reference, f"{number}.txt"), needs=reference).result(30)
        assert answer[0] == "12345"


def test_what_nobody_opens_any_more_is_removed_from_the_workers(
    joined: DaskExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_sees", _blind)
    (tmp_path / "fold.txt").write_text("rows")
    reference = joined.share(tmp_path)
    _, copy = joined.submit(jobs.reads, (reference, "fold.txt"), needs=reference).result(30)
    assert Path(copy, "fold.txt").exists()
    joined.unshare(reference)
    _until(lambda: not Path(copy).exists())
    _until(lambda: joined._connected().run_on_scheduler(_keys) == [])
    assert (tmp_path / "fold.txt").exists()


def test_cancelled_work_leaves_nothing_on_the_scheduler(joined: DaskExecutor, tmp_path: Path) -> None:
    future = joined.submit(jobs.waits, str(tmp_path))
    _until((tmp_path / "started").exists)
    joined.cancel(future)
    _until((tmp_path / "stopped").exists)
    _until(lambda: joined._connected().run_on_scheduler(_keys) == [])


def test_work_stops_when_whoever_asked_for_it_is_killed(cluster: Any, tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from tenure.executors.dask import DaskExecutor\n"
        "from tenure.spec.executor import DaskExecutorConfig\n"
        "from tests.executors import jobs\n"
        "executor = DaskExecutor(DaskExecutorConfig(type='dask', address=sys.argv[1]))\n"
        "executor.submit(jobs.waits, sys.argv[2])\n"
        "time.sleep(60)\n"
    )
    apply = subprocess.Popen(
        [sys.executable, "-c", code, cluster.scheduler_address, str(tmp_path)], env=_env()
    )
    _until((tmp_path / "started").exists)
    apply.kill()
    apply.wait()
    _until((tmp_path / "stopped").exists)


class Elsewhere:
    """A cluster in a process of its own, which can be killed as a whole and started again at the same address."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        code = (
            "import sys, time, distributed\n"
            "if __name__ == '__main__':\n"
            "    cluster = distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False,\n"
            "        host='127.0.0.1', scheduler_port=int(sys.argv[1]), dashboard_address=None, protocol='tcp')\n"
            "    time.sleep(120)\n"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, str(self.port)], env=_env(), stderr=subprocess.DEVNULL
        )
        _until(self._answers)

    def _answers(self) -> bool:
        with socket.socket() as asking:
            return asking.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    made = Elsewhere()
    made.start()
    yield made
    made.kill()


@pytest.mark.parametrize("resets", [0, 1])
def test_work_is_done_when_the_cluster_is_back(
    elsewhere: Elsewhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resets: int
) -> None:
    """Also when the connection breaks once more while it is given what its workers lost."""
    monkeypatch.setattr(module, "_sees", _blind)
    (tmp_path / "fold.txt").write_text("rows")
    executor = DaskExecutor(DaskExecutorConfig(type="dask", address=elsewhere.address))
    reference = executor.share(tmp_path)
    running = executor.submit(jobs.waits_for, str(tmp_path / "go"))
    needing = executor.submit(jobs.reads, (reference, "fold.txt"), needs=reference)
    _until((tmp_path / "go.started").exists)
    executor._connected()._timeout = 60  # this machine may have a lot to do
    send, broken = executor._send, [ConnectionResetError("reset by peer")] * resets

    def breaks(reference: str, folder: Path) -> Any:
        if broken:
            raise broken.pop()
        return send(reference, folder)

    monkeypatch.setattr(executor, "_send", breaks)
    elsewhere.kill()
    elsewhere.start()
    (tmp_path / "go").touch()
    assert running.result(60) == "gone"
    assert needing.result(60)[0] == "rows"
    assert not broken
    executor.close()


def test_a_cluster_that_does_not_come_back_is_said(
    elsewhere: Elsewhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = DaskExecutor(DaskExecutorConfig(type="dask", address=elsewhere.address))
    running = [executor.submit(jobs.waits_for, str(tmp_path / "go")) for _ in range(3)]
    _until((tmp_path / "go.started").exists)
    executor._connected()._timeout = 1
    elsewhere.kill()
    for future in running:
        with pytest.raises(TenureError) as caught:
            future.result(60)
        assert caught.value.summary == "The Dask cluster is gone."
        assert elsewhere.address in caught.value.detail
    for again in (lambda: executor.submit(jobs.doubled, 1).result(30), lambda: executor.share(tmp_path)):
        with pytest.raises(TenureError, match="The Dask cluster is gone"):
            again()
    executor.close()


def test_workers_that_cannot_be_started_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: Any) -> None:
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr(distributed, "LocalCluster", refused)
    executor = DaskExecutor(DaskExecutorConfig(type="dask", workers=3))
    with pytest.raises(TenureError, match="cannot be started") as caught:
        executor.submit(jobs.doubled, 1)
    assert "3 processes of this machine: Nanny failed to start." in caught.value.detail
    executor.close()


def test_nobody_answers_at_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CONNECT_SECONDS", 1)
    nowhere = DaskExecutor(DaskExecutorConfig(type="dask", address="tcp://127.0.0.1:9"))
    with pytest.raises(TenureError) as caught:
        nowhere.submit(jobs.doubled, 1)
    assert caught.value.summary == "The Dask scheduler cannot be reached."
    assert "executor=local" in caught.value.hint


def test_workers_of_another_version_are_refused(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "VERSION", "0.0.0")
    other = DaskExecutor(DaskExecutorConfig(type="dask", address=cluster.scheduler_address))
    with pytest.raises(TenureError, match="another version"):
        other.submit(jobs.doubled, 1)


def _blind(file: str, content: str) -> bool:
    return False


def _keys(dask_scheduler: Any) -> list[str]:
    """What a scheduler remembers: work, what was sent, and events."""
    return [*dask_scheduler.tasks, *dask_scheduler.extensions["events"]._events]


def _env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _until(true: Any) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


# ---- a search ------------------------------------------------------------------------------------------------------

SEARCH: dict[str, Any] = {
    "algorithms": {
        "xgboost": {"search_space": {"n_estimators": 40}},
        "logistic_regression": {},
        "extra_trees": {},
    },
    "limits": {"max_trials": 12, "max_concurrent_trials": 2},
}


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    generator = np.random.default_rng(3)
    a, b = generator.normal(size=400), generator.normal(size=400)
    table = pa.table(
        {
            "a": a,
            "b": [None if i % 9 == 0 else float(v) for i, v in enumerate(b)],
            "c": generator.choice(["u", "v", "w"], 400).tolist(),
            "y": np.where(a + 0.5 * b + generator.normal(size=400) * 0.5 > 0, "yes", "no").tolist(),
        }
    )
    made = Lab(tmp_path, table, "y")
    made.make_features()
    return made


def _came_to(lab: Lab) -> list[tuple[Any, ...]]:
    (kept,) = lab.trials.kept.values()
    return [(trial.number, trial.algorithm, trial.params, trial.scores, trial.status) for trial in kept]


def test_a_search_on_the_cluster_is_the_search_on_this_machine(lab: Lab, executor: DaskExecutor) -> None:
    twin = lab.again()
    twin.executor = executor
    here, there = lab.search(**SEARCH), twin.search(**SEARCH)
    assert _came_to(lab) == _came_to(twin)
    assert here.digest == there.digest
    assert lab.fit().artifacts == twin.fit().artifacts


def test_a_search_survives_a_worker_that_is_killed_midway(lab: Lab, executor: DaskExecutor) -> None:
    twin = lab.again()
    twin.executor = executor
    killed: list[int] = []

    def kill() -> None:
        end = time.monotonic() + 60
        while sum(len(kept) for kept in twin.trials.kept.values()) < 3 and time.monotonic() < end:
            time.sleep(0.01)
        client = executor._client
        assert client is not None
        victim = min(client.run(os.getpid).values())
        os.kill(victim, signal.SIGKILL)
        killed.append(victim)

    executor.submit(jobs.doubled, 1).result(30)
    killer = threading.Thread(target=kill)
    killer.start()
    there = twin.search(**SEARCH)
    killer.join()
    assert len(killed) == 1
    here = lab.search(**SEARCH)
    assert _came_to(lab) == _came_to(twin)
    assert here.digest == there.digest
