"""One row, one request, one connection kept open: the model server next to a server that only echoes."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import heading, line, timed
from benchmarks.project import ROW, apply, make_project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

REQUESTS = 2000
BODY = json.dumps({"rows": [ROW]}).encode()


@contextlib.contextmanager
def serving(command: Sequence[str]) -> Iterator[int]:
    """Run `command` with a free port appended; yields the port once something listens there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([*command, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"no server came up: {' '.join(command)} {port}")
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


def posting(port: int, path: str) -> Callable[[], None]:
    """A function that posts the row once over a connection that stays open, and insists on a 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def post() -> None:
        connection.request("POST", path, body=BODY, headers={"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200:
            sys.exit(f"POST {path} answered {response.status}: {answer.decode(errors='replace')}")

    return post


def run() -> None:
    """Both servers up at the same time, one client, first the floor and then the model."""
    with tempfile.TemporaryDirectory(prefix="tenure-bench-") as folder:
        name = make_project(Path(folder))
        apply(Path(folder))
        echo = [sys.executable, "-m", "uvicorn", "benchmarks.echo:app", "--no-access-log", "--port"]
        with serving(echo) as floor_port, serving(["tenure", "-C", folder, "serve", "--port"]) as port:
            heading(f"server: one row over HTTP, {REQUESTS} requests one after the other")
            floor = timed(posting(floor_port, "/"), repeat=REQUESTS, warm_up=50)
            line("bare uvicorn, echo", floor)
            predict = posting(port, f"/models/{name}/predict")
            line("tenure serve, predict", timed(predict, repeat=REQUESTS, warm_up=50), floor)
