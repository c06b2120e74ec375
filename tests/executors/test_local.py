"""The executor of this machine: work side by side, work that is ended, and what it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import wait
from pathlib import Path

import pytest

from tenure.executors.apart import Child
from tenure.executors.executor import Ended, map_in_order
from tenure.executors.local import LocalExecutor


@pytest.fixture
def executor():
    made = LocalExecutor(2)
    yield made
    made.close()


def squared(number, stopping):
    return number * number


def until_stopped(started, stopping):
    started.set()
    while not stopping():
        time.sleep(0.005)
    return "stopped"


def deaf(events, stopping):
    started, go_on = events
    started.set()
    go_on.wait(30)


def meet(barrier, stopping):
    barrier.wait(10)
    return threading.current_thread().name


def test_work_runs_side_by_side(executor):
    barrier = threading.Barrier(2)
    futures = [executor.submit(meet, barrier) for _ in range(2)]
    assert [future.result(10) for future in futures] == ["tenure-work"] * 2


def test_every_argument_comes_back_with_its_result(executor):
    asked = [(number, number) for number in range(20)]
    assert list(map_in_order(executor, squared, asked)) == [(number, number**2) for number in range(20)]


def failing(number, stopping):
    raise ValueError(f"no {number}")


def test_what_work_raises_is_raised_where_it_was_asked_for(executor):
    with pytest.raises(ValueError, match="no 3"):
        executor.submit(failing, 3).result(10)
    with pytest.raises(ValueError, match="no"):
        list(map_in_order(executor, failing, [(1, 1), (2, 2)]))
    assert executor.submit(squared, 3).result(10) == 9


def test_cancelled_work_is_asked_to_stop(executor):
    started = threading.Event()
    future = executor.submit(until_stopped, started)
    assert started.wait(10)
    executor.cancel(future)
    assert future.result(10) == "stopped"


def test_work_that_waits_for_a_worker_never_starts_once_it_is_cancelled():
    executor = LocalExecutor(1)
    started, go_on = threading.Event(), threading.Event()
    first = executor.submit(deaf, (started, go_on))
    assert started.wait(10)
    second = executor.submit(squared, 4)
    executor.cancel(second)
    go_on.set()
    first.result(10)
    assert second.cancelled()
    assert executor.submit(squared, 5).result(10) == 25
    executor.close()


def test_work_that_does_not_listen_no_longer_occupies_a_worker():
    executor = LocalExecutor(1)
    started, go_on = threading.Event(), threading.Event()
    lost = executor.submit(deaf, (started, go_on))
    assert started.wait(10)
    executor.cancel(lost)
    assert executor.submit(squared, 6).result(10) == 36
    assert not lost.done()
    go_on.set()
    executor.close()


def test_a_closed_executor_takes_nothing_more(executor):
    assert executor.submit(squared, 2).result(10) == 4
    executor.close()
    with pytest.raises(RuntimeError, match="closed"):
        executor.submit(squared, 2)


# --- apart ------------------------------------------------------------------------------------------------------------


def whoami(_, stopping):
    return os.getpid()


def forever(_, stopping):
    while True:
        time.sleep(0.1)


def dying(_, stopping):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def here(monkeypatch):
    """This module under a name that a process of its own finds."""
    for function in (whoami, forever, dying, failing):
        monkeypatch.setattr(function, "__module__", "test_local")
    monkeypatch.setitem(sys.modules, "test_local", sys.modules[__name__])
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def test_work_apart_runs_in_another_process_which_is_kept(executor, here):
    one = LocalExecutor(1)
    first = one.submit(whoami, None, apart=True).result(30)
    assert first != os.getpid()
    assert one.submit(whoami, None, apart=True).result(30) == first
    with pytest.raises(ValueError, match="no 7"):
        one.submit(failing, 7, apart=True).result(30)
    one.close()
    for _ in range(100):
        try:
            os.kill(first, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError("the process outlived its executor")


def test_work_apart_is_ended_whatever_it_does(here):
    one = LocalExecutor(1)
    future = one.submit(forever, None, apart=True)
    while not future.running():
        time.sleep(0.01)
    one.cancel(future)
    with pytest.raises(Ended, match="cancelled"):
        future.result(30)
    # The next work has a process again.
    assert one.submit(whoami, None, apart=True).result(30) != os.getpid()
    one.close()


def test_a_process_that_dies_is_a_failure_like_any_other(here):
    one = LocalExecutor(1)
    future = one.submit(dying, None, apart=True)
    wait([future], 30)
    with pytest.raises(Ended, match="code -9"):
        future.result(0)
    one.close()


def test_a_process_ends_when_its_owner_does(here):
    child = Child()
    pid = child.run(whoami, None, lambda: False)
    child._questions.close()
    assert os.waitpid(pid, 0)[0] == pid
    child._process.returncode = 0
    child._answers.close()


def test_two_threads_of_a_fit_do_not_spin_while_they_wait_for_one_another():
    """Where cores are shared, spinning makes a fit with two threads ten times as slow as with one."""
    code = (
        "import os; from tenure.executors.local import LocalExecutor\n"
        "LocalExecutor(1); print(os.environ['OMP_WAIT_POLICY'])"
    )
    for given, expected in ((None, "passive"), ("active", "active")):
        env = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
        if given:
            env["OMP_WAIT_POLICY"] = given
        done = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == expected
