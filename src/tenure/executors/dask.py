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
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenure.core.errors import TenureError
from tenure.core.version import VERSION
from tenure.executors.apart import Ended
from tenure.executors.executor import Argument, Result, Work, locate

if TYPE_CHECKING:
    from tenure.spec.executor import DaskExecutorConfig

_CONNECT_SECONDS = 20
_LOOK_SECONDS = 1.0
_SENT = "sent:"
"""What the reference of a folder begins with that not every worker sees."""
_TRIES = 3
_MARK = ".shared"


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
        self._asked: dict[Future[Any], tuple[Any, str]] = {}
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

    def share(self, folder: Path) -> str:
        """The folder itself where every worker sees it; otherwise the name under which they fetch its files."""
        if self._config.address is None:
            return str(folder)
        mark = folder / _MARK
        mark.write_text(secrets.token_hex(16))
        seen = self._connected().run(_sees, str(mark), mark.read_text())
        if all(seen.values()):
            return str(folder)
        reference = f"{_SENT}{mark.read_text()}"
        self._send(reference, folder)
        return reference

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

    def cancel(self, future: Future[Any]) -> None:
        """It does not start, or is asked to stop within a second."""
        with self._lock:
            asked = self._asked.pop(future, None)
        future.cancel()
        if asked is not None:
            remote, name = asked
            _library().Event(name, client=self._client).set()
            remote.cancel()

    def close(self) -> None:
        """Ask running work to stop, forget what was sent, and end the workers that were started here."""
        with self._lock:
            self._closed = True
            left = list(self._asked)
        for future in left:
            self.cancel(future)
        self._sent.clear()  # and the scheduler forgets it
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
            name,
            asked.needs,
            list(files),
            *files.values(),
            key=name,
            pure=False,
        )
        with self._lock:
            self._asked[answer] = remote, name
        remote.add_done_callback(lambda done: self._ended(answer, done, asked, tries))

    def _ended(self, answer: Future[Any], remote: Any, asked: _Asked, tries: int) -> None:
        import distributed

        with self._lock:
            if self._asked.pop(answer, None) is None:
                return  # nobody waits any more
        try:
            value = remote.result()
        except distributed.CancelledError as error:
            # Nobody here cancelled it: the workers that held its files are gone. This side still has them.
            if tries > 1 and asked.needs in self._sent and not self._closed:
                self._send(asked.needs, self._sent[asked.needs].folder)
                self._start(answer, asked, tries - 1)
                return
            _fail(answer, Ended(f"the cluster gave it up: {error}"))
        except distributed.scheduler.KilledWorker:
            _fail(answer, Ended("every worker that got it died"))
        except BaseException as error:  # whoever waits for the result is told, whatever it was
            _fail(answer, error)
        else:
            if not answer.cancelled():
                answer.set_result(value)

    def _send(self, reference: str, folder: Path) -> None:
        """Give the files of a folder to all workers, so that they are there while one worker is."""
        files = {
            str(file.relative_to(folder)): file.read_bytes()
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        }
        self._sent[reference] = _Sent(folder, self._connected().scatter(files, broadcast=True, hash=False))

    # ---- the cluster ---------------------------------------------------------------------------------------------

    def _known(self) -> dict[str, Any]:
        return dict(self._connected().scheduler_info(n_workers=-1)["workers"])

    def _connected(self) -> Any:
        with self._lock:
            if self._closed:
                raise RuntimeError("the executor is closed")
            if self._client is None:
                self._client = self._joined() if self._config.address else self._begun()
            return self._client

    def _begun(self) -> Any:
        """A cluster of processes of this machine, and certificates of the moment, so that nobody else can use it: who
        reaches a scheduler can run anything."""
        distributed = _library()
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
                f"{address}: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
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


def _fail(answer: Future[Any], error: BaseException) -> None:
    if not answer.cancelled():
        answer.set_exception(error)


# ---- what runs on a worker ---------------------------------------------------------------------------------------


def _version() -> str:
    return VERSION


def _sees(file: str, content: str) -> bool:
    try:
        return Path(file).read_text() == content
    except OSError:
        return False


def _run(
    work: Work[Any, Any], argument: Any, name: str, needs: str | None, names: list[str], *contents: bytes
) -> Any:
    looked, said = time.monotonic(), False

    def stopping() -> bool:
        # Asking the scheduler takes a connection and a millisecond, and work may ask after every round.
        nonlocal looked, said
        if not said and time.monotonic() - looked >= _LOOK_SECONDS:
            distributed = _library()
            looked, said = time.monotonic(), distributed.Event(name, client=distributed.get_client()).is_set()
        return said

    if needs is None or not names:
        return work(argument, stopping)
    folder = _written(needs, dict(zip(names, contents, strict=True)))
    with locate(lambda reference: folder if reference == needs else None):
        return work(argument, stopping)


_writing = threading.Lock()


def _written(reference: str, files: dict[str, bytes]) -> Path:
    """The folder with the files of a reference, written now unless this worker has it."""
    import distributed

    folder = Path(distributed.get_worker().local_directory) / reference.removeprefix(_SENT)
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
