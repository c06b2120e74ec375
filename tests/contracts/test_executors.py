"""What every executor promises (executors/executor.py)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.executors import jobs, meetings

from tenure.core.errors import StageError
from tenure.executors.executor import Ended, Executor, map_in_order
from tenure.executors.opening import open_executor
from tenure.spec.executor import DaskExecutorConfig, LocalExecutorConfig


@pytest.fixture(scope="module", params=["local", "dask"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    if request.param == "dask":
        pytest.importorskip("distributed")
        opened = open_executor(DaskExecutorConfig(type="dask", workers=2))
    else:
        opened = open_executor(LocalExecutorConfig(type="local", workers=2))
    yield opened
    opened.close()


def test_it_says_how_much_runs_at_once(executor: Executor) -> None:
    assert executor.workers == 2
    assert executor.cores >= 1


def test_work_gets_its_argument_and_its_result_comes_back(executor: Executor) -> None:
    assert executor.submit(jobs.doubled, 21).result(30) == 42


def test_work_apart_comes_to_the_same(executor: Executor) -> None:
    assert executor.submit(jobs.doubled, 21, apart=True).result(60) == 42


def test_an_error_comes_back_whole(executor: Executor) -> None:
    with pytest.raises(StageError) as caught:
        executor.submit(jobs.refuses, "no reason").result(30)
    assert (caught.value.summary, caught.value.detail, caught.value.hint) == (
        "refused",
        "no reason",
        "do otherwise",
    )


def test_work_opens_what_was_shared(executor: Executor, tmp_path: Path) -> None:
    (tmp_path / "fold.txt").write_text("rows")
    reference = executor.share(tmp_path)
    assert executor.submit(jobs.reads, (reference, "fold.txt"), needs=reference).result(30) == (
        "rows",
        str(tmp_path),
    )


def test_answers_come_in_the_order_of_the_arguments(executor: Executor) -> None:
    asked = ((f"key {number}", number) for number in range(25))
    answers = list(map_in_order(executor, jobs.doubled, asked))
    assert answers == [(f"key {number}", 2 * number) for number in range(25)]


def test_arguments_are_taken_as_they_are_needed(executor: Executor) -> None:
    """There may be more of them than fit into memory."""
    taken: list[int] = []

    def arguments() -> Iterator[tuple[int, int]]:
        for number in range(50):
            taken.append(number)
            yield number, number

    answers = map_in_order(executor, jobs.doubled, arguments())
    next(answers)
    assert len(taken) <= 2 * executor.workers
    answers.close()


def test_what_work_raises_ends_the_answers(executor: Executor) -> None:
    with pytest.raises(StageError, match="refused"):
        list(map_in_order(executor, jobs.refuses, [(1, "no reason"), (2, "nor here")]))


def test_what_was_cancelled_is_asked_to_stop_and_makes_room(executor: Executor, tmp_path: Path) -> None:
    running = [executor.submit(jobs.waits, str(tmp_path)) for _ in range(2)]
    _until(tmp_path / "started")
    for future in running:
        executor.cancel(future)
    assert executor.submit(jobs.doubled, 4).result(30) == 8
    _until(tmp_path / "stopped")


def test_what_waits_behind_other_work_can_be_cancelled(executor: Executor, tmp_path: Path) -> None:
    running = [executor.submit(jobs.waits, str(tmp_path)) for _ in range(3)]
    for future in reversed(running):
        executor.cancel(future)
    assert running[2].cancelled()
    assert executor.submit(jobs.doubled, 4).result(30) == 8


def test_pieces_that_are_done_together_run_at_once_and_hear_each_other(
    executor: Executor, tmp_path: Path
) -> None:
    (tmp_path / "expected").write_text(str(executor.hosts))
    assert executor.sees(tmp_path)
    pieces = [(f"worker {number}", tmp_path) for number in range(executor.hosts)]
    assert executor.together(meetings.greets, pieces, lambda: False) == [
        (name, "hello from worker 0", executor.hosts) for name, _ in pieces
    ]


def test_when_one_of_them_fails_all_are_ended(executor: Executor, tmp_path: Path) -> None:
    pieces = [("no reason", tmp_path)] * executor.hosts
    with pytest.raises(StageError, match="refused"):
        executor.together(meetings.refuses_first, pieces, lambda: False)
    assert executor.submit(jobs.doubled, 4).result(30) == 8


def test_nobody_waits_for_them_any_more(executor: Executor, tmp_path: Path) -> None:
    end = time.monotonic() + 0.5
    with pytest.raises(Ended):
        executor.together(meetings.waits, [(None, tmp_path)] * executor.hosts, lambda: time.monotonic() > end)
    assert executor.submit(jobs.doubled, 4).result(30) == 8


def _until(file: Path) -> None:
    end = time.monotonic() + 20
    while not file.exists():
        assert time.monotonic() < end, f"{file.name} never came"
        time.sleep(0.01)
