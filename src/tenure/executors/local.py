"""Executor `local`: threads of this process, and processes for work that has to be ended from outside.

Threads start at once and share all memory, and the libraries that fit models let go of the interpreter while they do;
a process has to load those libraries first, which takes seconds. So work runs in threads unless it is to be `apart`.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenure.executors.cores import usable_cores, wait_without_spinning
from tenure.executors.executor import Argument, Result, Stopping, Together, Work
from tenure.executors.together import Alone, Turn

if TYPE_CHECKING:
    from tenure.executors.apart import Child


@dataclass(eq=False)
class _Job:
    """Work with its argument, the future of its result, and whether anybody still waits for it."""

    work: Work[Any, Any]
    argument: Any
    apart: bool
    future: Future[Any] = field(default_factory=Future)
    cancelled: threading.Event = field(default_factory=threading.Event)


@dataclass(eq=False)
class _Worker:
    """A thread, what it does now, and whether another one has taken its place."""

    job: _Job | None = None
    left: bool = False


class LocalExecutor:
    """Runs work in `workers` threads, by default one for each core this process may use.

    The threads are daemons. One whose work was cancelled is left behind, since nobody knows whether that work will ever
    ask if it should stop, and another thread takes its place.
    """

    in_process = True
    hosts = 1

    def __init__(self, workers: int | None = None) -> None:
        wait_without_spinning()
        self._turn = Turn()
        self.cores = usable_cores()
        self.workers = workers or self.cores
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._workers: set[_Worker] = set()
        self._closed = False

    def sees(self, folder: Path) -> bool:
        """Of course."""
        return True

    def share(self, folder: Path) -> str:
        """The folder itself."""
        return str(folder)

    def unshare(self, reference: str) -> None:
        """Nothing was sent."""

    def submit(
        self,
        work: Work[Argument, Result],
        argument: Argument,
        *,
        needs: str | None = None,
        apart: bool = False,
    ) -> Future[Result]:
        """Start work as soon as a thread is free."""
        job = _Job(work, argument, apart)
        with self._lock:
            if self._closed:
                raise RuntimeError("the executor is closed")
            if len(self._workers) < self.workers:
                self._start()
        self._jobs.put(job)
        return job.future

    def together(self, work: Together, pieces: Sequence[tuple[Any, Path]], stopping: Stopping) -> list[Any]:
        """One piece, by whoever asks: the memory of this machine is shared by all who work."""
        self._turn.take(stopping)
        try:
            return [work(argument, stopping, Alone(folder)) for argument, folder in pieces]
        finally:
            self._turn.leave()

    def cancel(self, future: Future[Any]) -> None:
        """It does not start, is asked to stop, or is ended where it runs apart. It no longer occupies a worker."""
        if future.cancel():
            return
        with self._lock:
            for worker in list(self._workers):
                if worker.job is not None and worker.job.future is future and not future.done():
                    worker.job.cancelled.set()
                    worker.left = True
                    self._workers.discard(worker)
                    if not self._closed:
                        self._start()

    def close(self) -> None:
        """Ask running work to stop. Threads end after it, and their processes with them."""
        with self._lock:
            self._closed = True
            for worker in self._workers:
                if worker.job is not None:
                    worker.job.cancelled.set()
                self._jobs.put(None)
            self._workers.clear()

    def _start(self) -> None:
        worker = _Worker()
        self._workers.add(worker)
        threading.Thread(target=self._take, args=(worker,), name="tenure-work", daemon=True).start()

    def _take(self, worker: _Worker) -> None:
        """Job after job, until there are no more or another thread has taken over."""
        child: Child | None = None
        try:
            while not worker.left:
                job = self._jobs.get()
                if job is None:
                    return
                with self._lock:
                    worker.job = job
                if not job.future.set_running_or_notify_cancel():
                    continue
                try:
                    if job.apart:
                        from tenure.executors.apart import Child

                        child = child or Child()
                        result = child.run(job.work, job.argument, job.cancelled.is_set)
                    else:
                        result = job.work(job.argument, job.cancelled.is_set)
                except BaseException as error:  # whoever waits for the result is told, whatever it was
                    if child is not None and not child.alive:
                        child = None
                    job.future.set_exception(error)
                else:
                    job.future.set_result(result)
                finally:
                    with self._lock:
                        worker.job = None
        finally:
            if child is not None:
                child.end()
