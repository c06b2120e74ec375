"""The contract of an executor.

Work is a function of a module with one argument that can be pickled, and a question whether it should stop. What it
needs beside the argument lies in a folder of files that is written once and never changed (`share`); workers open it
by its reference and map the files, so that large arrays are neither sent nor copied. Everything durable is written by
whoever submits: an executor, its workers and its machines may die at any time, and nothing but time is lost.

The order in which work ends says nothing. Whoever needs results that do not depend on it goes by what was submitted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

Argument = TypeVar("Argument", contravariant=True)
Argument_ = TypeVar("Argument_")
Key = TypeVar("Key")
Result = TypeVar("Result")
Result_ = TypeVar("Result_", covariant=True)

Stopping = Callable[[], bool]
"""Asked by running work now and then; true means: nobody waits for the result any more."""


class Ended(Exception):
    """Whoever did the work was ended, or died, before it was done."""


class Work(Protocol[Argument, Result_]):
    """A function of a module, so that another process finds it by its name."""

    def __call__(self, argument: Argument, stopping: Stopping, /) -> Result_: ...


class Meeting(Protocol):
    """What a piece of work that is done together with others knows of them."""

    @property
    def number(self) -> int:
        """Which of the pieces this is, from 0."""

    @property
    def host(self) -> str:
        """The address of this worker as the others reach it."""

    @property
    def folder(self) -> Path:
        """The folder that was given with this piece."""

    def tell(self, word: str) -> None:
        """Say something to all: once, by one of them."""

    def heard(self, stopping: Stopping) -> str:
        """What was said, as soon as it is. Raises Ended when it is to stop before."""


Together = Callable[[Any, Stopping, Meeting], Any]
"""A function of a module: the argument, whether to stop, and the others."""


class Executor(Protocol):
    """Runs work side by side. Safe to call from several threads."""

    @property
    def workers(self) -> int:
        """How much work runs at the same time."""

    @property
    def cores(self) -> int:
        """How many cores there are for the work of all workers."""

    @property
    def in_process(self) -> bool:
        """Whether work sees the memory of this process. Otherwise what it needs has to be in a shared folder."""

    @property
    def hosts(self) -> int:
        """How many workers have memory of their own: into so many pieces work is cut that they do together."""

    def sees(self, folder: Path) -> bool:
        """Whether every worker reads this folder as it is."""

    def share(self, folder: Path) -> str:
        """Make the finished files of a folder readable for all workers; returns the reference that work opens."""

    def unshare(self, reference: str) -> None:
        """Nobody opens it any more: what was sent to workers is removed there. The folder itself stays."""

    def submit(
        self,
        work: Work[Argument, Result],
        argument: Argument,
        *,
        needs: str | None = None,
        apart: bool = False,
    ) -> Future[Result]:
        """Start work as soon as a worker is free.

        `needs`: the reference of the shared folder that the work opens. `apart`: in a process that can be ended at any
        time, for work that does not ask whether to stop.
        """

    def together(self, work: Together, pieces: Sequence[tuple[Any, Path]], stopping: Stopping) -> list[Any]:
        """Do all pieces at the same time, each by a worker of its own, and return what became of them, in order.

        A piece is an argument and the folder that it alone opens, or one that every worker sees. There are at most
        `hosts`. Raises what the first piece raised that failed, and Ended when a worker is lost or when `stopping`.
        """

    def cancel(self, future: Future[Any]) -> None:
        """Nobody waits for this any more: it does not start, is asked to stop, or is ended where it runs apart."""

    def close(self) -> None:
        """End all work and all workers."""


_locator: ContextVar[Callable[[str], Path | None]] = ContextVar("locator")


@contextmanager
def locate(locator: Callable[[str], Path | None]) -> Iterator[None]:
    """While work runs: how references become folders. For executors whose workers do not see the folder itself."""
    token = _locator.set(locator)
    try:
        yield
    finally:
        _locator.reset(token)


def folder_of(reference: str) -> Path:
    """The folder of a reference from `share`, where work runs."""
    locator = _locator.get(None)
    return (locator(reference) if locator is not None else None) or Path(reference)


def map_in_order(
    executor: Executor,
    work: Work[Argument_, Result],
    arguments: Iterable[tuple[Key, Argument_]],
    *,
    needs: str | None = None,
    ahead: int = 2,
) -> Iterator[tuple[Key, Result]]:
    """The key of each argument with what became of it, in the order of the arguments.

    At most `ahead` times the workers' number is under way, so that there may be more arguments than fit into memory.
    Raises what work raised, after cancelling the rest.
    """
    running: deque[tuple[Key, Future[Result]]] = deque()
    waiting = iter(arguments)
    most = ahead * executor.workers
    try:
        while True:
            for key, argument in islice(waiting, most - len(running)):
                running.append((key, executor.submit(work, argument, needs=needs)))
            if not running:
                return
            key, future = running[0]
            result = future.result()
            running.popleft()
            yield key, result
    finally:
        for _, future in running:
            executor.cancel(future)
