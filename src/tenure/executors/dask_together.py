"""Work that workers of a Dask cluster do together: all pieces run at the same time, or all are given up.

Dask gives work of a lost worker to another, and nobody is there any more who would talk to that one: each piece is
begun once, and whoever would begin it again ends it.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenure.executors.executor import Ended, Stopping, Together, folder_of
from tenure.executors.together import wait_until

_LOOK_SECONDS = 0.2
_COUNT_SECONDS = 2.0
_COME_SECONDS = 60.0
"""How long workers may take to come back, or to start."""
_TURN = "tenure-together"


@dataclass(frozen=True)
class Held:
    """A piece of the work. Its folder lies where every worker sees it, or its files are to be sent to one of them."""

    argument: Any
    folder: Path
    seen: bool


@dataclass(frozen=True)
class Joined:
    """Work for one worker, with the meeting that it finds there."""

    work: Together
    name: str
    number: int
    folder: str | None

    def __call__(self, argument: Any, stopping: Stopping) -> Any:
        """Do it. Raises Ended when it was begun before."""
        distributed = _library()
        begun = distributed.Event(f"{self.name}-{self.number}")
        if begun.is_set():
            raise Ended("the worker that had begun it is gone")
        begun.set()
        folder = folder_of(self.folder or f"{self.name}-{self.number}")
        host = distributed.comm.get_address_host(distributed.get_worker().address)
        try:
            return self.work(argument, stopping, _Meeting(self.name, self.number, host, folder))
        finally:
            if self.folder is None:  # what was sent is for this piece alone
                shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class _Meeting:
    name: str
    number: int
    host: str
    folder: Path

    def tell(self, word: str) -> None:
        _library().Variable(self.name).set(word)

    def heard(self, stopping: Stopping) -> str:
        said = _library().Variable(self.name)
        found: list[str] = []

        def look() -> bool:
            with suppress(TimeoutError):
                found.append(said.get(timeout=1))
            return bool(found)

        wait_until(look, stopping)
        return found[0]


def run(
    client: Any,
    start: Callable[..., Any],
    work: Together,
    pieces: Sequence[Held],
    stopping: Stopping,
) -> list[Any]:
    """What became of each piece, in their order.

    `start` runs work on a worker with the files it needs. Raises what the first piece raised that failed, and Ended
    when a worker is lost or nobody waits any more.
    """
    distributed = _library()
    name = f"tenure-{secrets.token_hex(8)}"
    running: list[Any] = []
    with _turn(client, stopping):
        try:
            wait_until(lambda: _threads(client) >= len(pieces), stopping, _COME_SECONDS)
            homes = sorted(workers_of(client))
            for number, piece in enumerate(pieces):
                home, reference = homes[number % len(homes)], f"{name}-{number}"
                files = {} if piece.seen else _sent(client, piece.folder, reference, home)
                joined = Joined(work, name, number, str(piece.folder) if piece.seen else None)
                running.append(
                    client.submit(
                        start, joined, piece.argument, reference, list(files), *files.values(),
                        key=f"{reference}-work", pure=False, workers=[home], allow_other_workers=True,
                    )
                )  # fmt: skip
                del files
            _wait(client, running, stopping)
            return [future.result() for future in running]
        except distributed.CancelledError as error:
            raise Ended(f"the cluster gave it up: {error}") from error
        except distributed.scheduler.KilledWorker as error:
            raise Ended("a worker died") from error
        finally:
            for future in running:
                future.cancel()
            with suppress(Exception):  # of a cluster that is gone nothing remains
                distributed.Variable(name, client=client).delete()
                for number in range(len(pieces)):
                    distributed.Event(f"{name}-{number}", client=client).clear()


def _wait(client: Any, running: Sequence[Any], stopping: Stopping) -> None:
    """Until all are done. Raises as `run`."""
    counted = time.monotonic()
    while waiting := [future for future in running if future.status != "finished"]:
        failed = [future for future in waiting if future.status != "pending"]
        if failed:
            failed[0].result()
        if stopping():
            raise Ended("nobody waits for it any more")
        if time.monotonic() - counted >= _COUNT_SECONDS:
            counted = time.monotonic()
            if _threads(client) < len(waiting):
                raise Ended("a worker is gone")
        time.sleep(_LOOK_SECONDS)


def _threads(client: Any) -> int:
    """How much the cluster does at a time."""
    return sum(worker["nthreads"] for worker in workers_of(client).values())


def workers_of(client: Any) -> dict[str, dict[str, Any]]:
    """The workers of a cluster, by address.

    The scheduler itself is asked: the client writes down now and then what it hears without the workers, and its
    `scheduler_info` may return that.
    """
    found: dict[str, dict[str, Any]] = client.sync(client.scheduler.identity, n_workers=-1)["workers"]
    return found


@contextmanager
def _turn(client: Any, stopping: Stopping) -> Iterator[None]:
    """One after the other on the whole cluster: two who each have half of the workers would wait for ever."""
    lock = _library().Lock(_TURN, scheduler_rpc=client.scheduler, loop=client.loop)
    wait_until(lambda: bool(lock.acquire(timeout=1)), stopping)
    try:
        yield
    finally:
        with suppress(Exception):  # it is let go of by itself when whoever had it is gone
            lock.release()


def _sent(client: Any, folder: Path, reference: str, home: str) -> dict[str, Any]:
    """The files of a folder on one worker, by name; one at a time, as what is sent is in memory."""
    return {
        str(file.relative_to(folder)): client.scatter(
            {f"{reference}/{file.relative_to(folder)}": file.read_bytes()}, workers=[home]
        ).popitem()[1]
        for file in sorted(path for path in folder.rglob("*") if path.is_file())
    }


def _library() -> Any:
    import distributed

    return distributed
