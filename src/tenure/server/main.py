"""Running the server: listen, follow, and end without losing a request or a logged prediction."""

from __future__ import annotations

import contextlib
import errno
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from tenure.core.errors import TenureError
from tenure.server.app import Server
from tenure.server.follow import Follower
from tenure.server.prediction_log import PredictionLog
from tenure.server.routing import Table

if TYPE_CHECKING:
    from tenure.artifacts.store import ArtifactStore
    from tenure.state.store import StateReader

_DRAIN_SECONDS = 30
"""How long requests in work may take after a termination signal."""


class Running:
    """A server that listens in a thread of its own: for tests, demonstrations and notebooks."""

    def __init__(self, server: uvicorn.Server, listener: socket.socket, app: Server) -> None:
        host, port = listener.getsockname()[:2]
        self.url = f"http://{host}:{port}"
        self.app = app
        self._server = server
        self._listener = listener
        self._thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="tenure-serve"
        )
        self._thread.start()

    def stop(self) -> None:
        """Finish the requests in work, write the log, stop listening."""
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()


def serve(
    reader: StateReader,
    artifacts: ArtifactStore,
    predictions: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    poll_seconds: float = 0.3,
    announce: Callable[[str], None] = lambda url: None,
    on_swap: Callable[[Table], None] = lambda table: None,
) -> None:
    """Serve every released model of a state until SIGTERM or SIGINT; `announce` is told the URL once it answers.

    `predictions` is the folder of the prediction logs. Requests in work are finished and the log is written before
    this returns. Raises TenureError when the port cannot be had.
    """
    listener = listen(host, port)
    app = _application(reader, artifacts, predictions, poll_seconds, on_swap)
    server = _Graceful(app, lambda: announce(_url(listener)))
    try:
        with server.signals():
            server.run(sockets=[listener])
    finally:
        # Done already, unless a second Ctrl-C made the server leave at once.
        app.close()
        listener.close()


def start(
    reader: StateReader,
    artifacts: ArtifactStore,
    predictions: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    poll_seconds: float = 0.05,
    on_swap: Callable[[Table], None] = lambda table: None,
) -> Running:
    """Serve in a thread; port 0 takes a free one. Raises TenureError when the port cannot be had."""
    listener = listen(host, port)
    app = _application(reader, artifacts, predictions, poll_seconds, on_swap)
    return Running(_Graceful(app), listener, app)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises TenureError naming the port and the way out."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise TenureError(
            "host is not known", f"{host}: {error.strerror or error}", "tenure serve --host 127.0.0.1"
        ) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError as error:
        listener.close()
        match error.errno:
            case errno.EADDRINUSE:
                detail = f"Something listens on {host}:{port} already."
                raise TenureError("port is in use", detail, f"tenure serve --port {port + 1}") from error
            case errno.EACCES:
                detail = f"Port {port} may only be used by the system's administrator."
                raise TenureError("port is not allowed", detail, "tenure serve --port 8080") from error
            case _:
                detail = f"{host}:{port}: {error.strerror or error}"
                raise TenureError("port cannot be used", detail, "tenure serve --host 127.0.0.1") from error
    return listener


def _application(
    reader: StateReader,
    artifacts: ArtifactStore,
    predictions: Path,
    poll_seconds: float,
    on_swap: Callable[[Table], None],
) -> Server:
    follower = Follower(reader, artifacts, poll_seconds=poll_seconds, on_swap=on_swap)
    return Server(follower, PredictionLog(predictions))


class _Graceful(uvicorn.Server):
    """Ends with exit code 0 on a termination signal, from the first moment on.

    uvicorn listens to signals only while it serves, and raises them again when it has ended.
    """

    def __init__(self, app: Server, announce: Callable[[], None] = lambda: None) -> None:
        self._announce = announce
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="on",
                timeout_graceful_shutdown=_DRAIN_SECONDS,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, and say so."""
        await super().startup(sockets)
        self._announce()

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """Take SIGINT and SIGTERM as the wish to end gracefully."""
        before = {
            number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: `signals` is in force already."""
        yield


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
