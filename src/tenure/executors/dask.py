"""Executor `dask`: workers of a Dask cluster, on this machine or behind the address of a scheduler.

Dask runs work again when the worker that had it dies, and work depends on its argument alone, so that a lost worker
costs time and nothing else. Files that work needs are mapped where workers see the same folder; other workers fetch
them once.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenure.core.errors import TenureError
from tenure.core.version import VERSION
from tenure.executors.executor import Argument, Ended, Result, Stopping, Together, Work, locate

if TYPE_CHECKING:
    from tenure.spec.executor import DaskExecutorConfig

_CONNECT_SECONDS = 20
_SENT = "sent:"
"""What the reference of a folder begins with that not every worker sees."""
_SENT_AT_ONCE = 64 * 1024 * 1024
"""Bytes."""
_LOST = ("cancelled", "lost", "error")
_TRIES = 3
_LOOK_SECONDS = 0.05
_MARK = ".shared-"


class DaskExecutor:
    """Runs work on a cluster: that of `address`, or one of processes of this machine that ends with the executor.

    The cluster is connected to, or started, when it is first needed. Raises TenureError when there is none.
    """

    in_process = False

    def __init__(self, config: DaskExecutorConfig) -> None:
        self._config = config
        self._lock = threading.RLock()
        self._client: Any = None
        self._cluster: Any = None
        self._sent: dict[str, _Sent] = {}
        self._asked: dict[Future[Any], Any] = {}
        self._closed = False

    @property
    def workers(self) -> int:
        """How many there are now; without an address, how many will be started."""
        if self._config.address is None:
            return self._config.workers or _cores()
        return max(1, len(self._known()))

    @property
    def cores(self) -> int:
        """The threads of all workers; those of this machine have all its cores between them."""
        if self._config.address is None:
            return _cores()
        threads: int = sum(worker["nthreads"] for worker in self._known().values())
        return max(1, threads)

    @property
    def hosts(self) -> int:
        """All workers."""
        return self.workers

    def sees(self, folder: Path) -> bool:
        """Whether a mark that is written into the folder is found by all."""
        if self._config.address is None:
            return True
        content = secrets.token_hex(16)
        mark = folder / f"{_MARK}{content}"  # several may ask about one folder at the same time
        mark.write_text(content)
        try:
            # A worker that dies while it is asked says nothing.
            seen = self._connected().run(_sees, str(mark), content, on_error="ignore")
        except OSError as error:
            raise self._lost(error) from error
        finally:
            mark.unlink(missing_ok=True)
        return bool(seen) and all(seen.values())

    def share(self, folder: Path) -> str:
        """The folder itself where every worker sees it; otherwise the name under which they fetch its files."""
        if self.sees(folder):
            return str(folder)
        try:
            reference = f"{_SENT}{secrets.token_hex(16)}"
            self._sent[reference] = _Sent(folder, self._send(reference, folder))
        except OSError as error:
            raise self._lost(error) from error
        return reference

    def unshare(self, reference: str) -> None:
        """The cluster forgets what was sent, and workers remove their copies."""
        if self._sent.pop(reference, None) is None or self._closed:
            return
        # What cannot be reached any more has nothing to remove, or removes it when it ends.
        with suppress(Exception):
            self._client.run(_removed, reference, wait=False, on_error="ignore")

    def submit(
        self,
        work: Work[Argument, Result],
        argument: Argument,
        *,
        needs: str | None = None,
        apart: bool = False,
    ) -> Future[Result]:
        """Start work as soon as a worker is free. Every worker is a process, so all work is apart."""
        answer: Future[Result] = Future()
        self._start(answer, _Asked(work, argument, needs))
        return answer

    def together(self, work: Together, pieces: Sequence[tuple[Any, Path]], stopping: Stopping) -> list[Any]:
        """A worker for each piece, one such work at a time on the whole cluster."""
        from tenure.executors.dask_together import Held, run

        seen = {folder: self.sees(folder) for folder in {folder for _, folder in pieces}}
        held = [Held(argument, folder, seen[folder]) for argument, folder in pieces]
        try:
            return run(self._connected(), _run, work, held, stopping)
        except OSError as error:
            raise self._lost(error) from error

    def cancel(self, future: Future[Any]) -> None:
        """It does not start, or is asked to stop."""
        with self._lock:
            remote = self._asked.pop(future, None)
        future.cancel()
        if remote is not None:
            remote.cancel()

    def close(self) -> None:
        """Ask running work to stop, forget what was sent, and end the workers that were started here."""
        for reference in list(self._sent):
            self.unshare(reference)
        with self._lock:
            self._closed = True
            left = list(self._asked)
        for future in left:
            self.cancel(future)
        if self._client is not None:
            self._client.close(timeout=5)
            self._client = None
        if self._cluster is not None:
            self._cluster.close(timeout=10)
            self._cluster = None

    # ---- work ----------------------------------------------------------------------------------------------------

    def _start(self, answer: Future[Any], asked: _Asked, tries: int = _TRIES) -> None:
        name = f"tenure-{secrets.token_hex(8)}"
        client = self._connected()
        sent = self._sent.get(asked.needs) if asked.needs else None
        files = {} if sent is None else sent.held
        # Dask brings what is asked for by futures to the worker before the work starts.
        remote = client.submit(
            _run,
            asked.work,
            asked.argument,
            asked.needs,
            list(files),
            *files.values(),
            key=name,
            pure=False,
        )
        with self._lock:
            self._asked[answer] = remote
        remote.add_done_callback(lambda done: self._ended(answer, done, asked, tries))

    def _ended(self, answer: Future[Any], remote: Any, asked: _Asked, tries: int) -> None:
        import distributed

        with self._lock:
            if self._asked.pop(answer, None) is None:
                return  # nobody waits any more
        try:
            value = remote.result()
        except distributed.CancelledError as error:
            self._again(answer, asked, tries - 1, error)
        except distributed.scheduler.KilledWorker:
            _fail(answer, Ended("every worker that got it died"))
        except BaseException as error:  # whoever waits for the result is told, whatever it was
            _fail(answer, error)
        else:
            with suppress(InvalidStateError):  # nobody waits since just now
                answer.set_result(value)

    def _again(self, answer: Future[Any], asked: _Asked, tries: int, error: BaseException) -> None:
        """Nobody here cancelled it: the workers that held its files are gone, or the scheduler was away for a while.
        This side has everything it takes."""
        while tries > 0 and not self._closed and not answer.cancelled():
            try:
                self._joined_again()
                sent = self._sent.get(asked.needs) if asked.needs else None
                if asked.needs and sent and any(held.status in _LOST for held in sent.held.values()):
                    self._sent[asked.needs] = _Sent(sent.folder, self._send(asked.needs, sent.folder))
                self._start(answer, asked, tries)
            except TenureError as lost:
                _fail(answer, lost)
            except OSError as lost:  # it went away once more
                error, tries = lost, tries - 1
                continue
            except Exception as lost:  # or whoever waits would wait for ever
                _fail(answer, self._lost(lost))
            return
        _fail(answer, self._lost(error))

    def _joined_again(self) -> None:
        """Wait while the client looks for its scheduler. It gives up by itself."""
        while self._connected().status == "connecting":
            time.sleep(_LOOK_SECONDS)

    def _send(self, reference: str, folder: Path) -> dict[str, Any]:
        """Give the files of a folder to all workers, so that they are there while one worker is. Some at a time: what
        is sent is in memory."""
        client = self._connected()
        held: dict[str, Any] = {}
        files: dict[str, bytes] = {}
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            # Keys are those of the whole cluster, which others use at the same time.
            files[f"{reference}/{file.relative_to(folder)}"] = file.read_bytes()
            if sum(map(len, files.values())) >= _SENT_AT_ONCE:
                held |= client.scatter(files, broadcast=True)
                files = {}
        if files:
            held |= client.scatter(files, broadcast=True)
        return {key.removeprefix(f"{reference}/"): future for key, future in held.items()}

    def _lost(self, error: BaseException | str) -> TenureError:
        said = error if isinstance(error, str) else _said(error)
        return TenureError(
            "The Dask cluster is gone.",
            f"{self._config.address or 'The one of this machine'}: {said}",
            "What has ended is kept. When the cluster is there again: tenure apply",
        )

    # ---- the cluster ---------------------------------------------------------------------------------------------

    def _known(self) -> dict[str, Any]:
        from tenure.executors.dask_together import workers_of

        try:
            return workers_of(self._connected())
        except OSError as error:
            raise self._lost(error) from error

    def _connected(self) -> Any:
        with self._lock:
            if self._closed:
                raise RuntimeError("the executor is closed")
            if self._client is None:
                self._client = self._joined() if self._config.address else self._begun()
            if self._client.status == "closed":
                raise self._lost("no scheduler answered any more")
            return self._client

    def _begun(self) -> Any:
        """A cluster of processes of this machine, and certificates of the moment, so that nobody else can use it: who
        reaches a scheduler can run anything."""
        distributed = _library()
        try:
            self._cluster = distributed.LocalCluster(
                security=distributed.Security.temporary(),
                n_workers=self.workers,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                # What goes wrong with work is said by whoever waits for it.
                silence_logs=logging.CRITICAL,
                # Folds are mapped from files, and are no memory that a worker could lay down.
                memory_limit=None,
            )
        except (OSError, RuntimeError, TimeoutError) as error:
            raise TenureError(
                "The Dask workers cannot be started.",
                f"{self.workers} processes of this machine: {_said(error)}",
                "Start fewer: +executor.workers=1, or work in threads: executor=local",
            ) from error
        # A worker that dies while it starts is not started again by what watches it, but by this.
        self._cluster.adapt(minimum=self.workers, maximum=self.workers, interval="1s")
        return distributed.Client(self._cluster, set_as_default=False)

    def _joined(self) -> Any:
        distributed = _library()
        address, tls = self._config.address, self._config.tls
        security = None
        if tls is not None:
            security = distributed.Security(
                require_encryption=True, tls_ca_file=tls.ca, tls_client_cert=tls.cert, tls_client_key=tls.key
            )
        try:
            client = distributed.Client(
                address, timeout=_CONNECT_SECONDS, security=security, set_as_default=False
            )
        except (OSError, TimeoutError, ValueError, RuntimeError) as error:
            raise TenureError(
                "The Dask scheduler cannot be reached.",
                f"{address}: {_said(error)}",
                "Check executor.address, or work on this machine: executor=local",
            ) from error
        try:
            client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
            versions = client.run(_version)
        except TimeoutError as error:
            client.close()
            raise TenureError(
                "The Dask scheduler has no workers.",
                f"None joined {address} within {_CONNECT_SECONDS} seconds.",
                f"Start one: dask worker {address}",
            ) from error
        except ImportError as error:
            client.close()
            raise TenureError(
                "The Dask workers cannot run Tenure.",
                f"A worker of {address} says: {error}",
                f"Install it where the workers run: pip install 'tenure[dask]=={VERSION}'",
            ) from error
        strange = sorted({version for version in versions.values() if version != VERSION})
        if strange:
            client.close()
            raise TenureError(
                "The Dask workers have another version of Tenure.",
                f"Here it is {VERSION}, on workers of {address} {', '.join(strange)}.",
                "Install the same version everywhere.",
            )
        return client


@dataclass(frozen=True)
class _Asked:
    """Work, its argument, and the reference of what it opens."""

    work: Work[Any, Any]
    argument: Any
    needs: str | None


@dataclass(frozen=True)
class _Sent:
    """A folder of this side, and the contents of its files on the cluster, by name."""

    folder: Path
    held: dict[str, Any]


def _library() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise TenureError(
            "Dask is not installed.",
            "The executor dask needs a package that is an extra.",
            "pip install 'tenure[dask]'",
        ) from error
    return distributed


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _said(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _fail(answer: Future[Any], error: BaseException) -> None:
    with suppress(InvalidStateError):  # nobody waits since just now
        answer.set_exception(error)


# ---- what runs on a worker ---------------------------------------------------------------------------------------


def _version() -> str:
    return VERSION


def _sees(file: str, content: str) -> bool:
    try:
        return Path(file).read_text() == content
    except OSError:
        return False


def _run(work: Work[Any, Any], argument: Any, needs: str | None, names: list[str], *contents: bytes) -> Any:
    import distributed

    worker = distributed.get_worker()
    key = worker.get_current_task()

    said = False

    def cancelled() -> bool:
        # The scheduler has told this worker when nobody waits any more: because the work was cancelled, or because
        # whoever asked for it is gone.
        known = worker.state.tasks.get(key)
        return known is None or known.state == "cancelled"

    def stopping() -> bool:
        nonlocal said
        said = said or cancelled()
        return said

    def done() -> Any:
        nonlocal said
        while True:
            said = False
            value = work(argument, stopping)
            # Work that was taken from this worker may have been given back to it before it stopped.
            if not said or cancelled():
                return value

    if needs is None or not names:
        return done()
    folder = _written(needs, dict(zip(names, contents, strict=True)))
    with locate(lambda reference: folder if reference == needs else None):
        return done()


_writing = threading.Lock()


def _written(reference: str, files: dict[str, bytes]) -> Path:
    """The folder with the files of a reference, written now unless this worker has it."""
    import distributed

    folder = _copy(distributed.get_worker(), reference)
    with _writing:
        if not folder.exists():
            draft = folder.with_name(f"{folder.name}.tmp")
            shutil.rmtree(draft, ignore_errors=True)
            for name, content in files.items():
                file = draft / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            draft.rename(folder)
    return folder


async def _removed(reference: str, dask_worker: Any) -> None:
    import asyncio

    def remove() -> None:
        with _writing:
            shutil.rmtree(_copy(dask_worker, reference), ignore_errors=True)

    await asyncio.to_thread(remove)  # the loop of a worker that waits is a worker that looks dead


def _copy(worker: Any, reference: str) -> Path:
    return Path(worker.local_directory) / reference.removeprefix(_SENT)
