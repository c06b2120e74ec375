"""The server as a process: the port, the signals, the end."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading

import pytest

from tenure.core.errors import TenureError
from tenure.ml.inference_log import read_log
from tenure.server.main import listen

ROW = {"age": 31.5, "visits": 4, "plan": "basic"}
PROGRAM = """
import sys
from pathlib import Path
from tenure.artifacts.folder import FolderArtifactStore
from tenure.server.main import serve
from tenure.state.opening import open_reader
folder = Path(sys.argv[1])
state = open_reader(folder, {"type": "sqlite", "path": "state.db"})
serve(state, FolderArtifactStore(folder / "artifacts"), folder / "predictions",
      port=0, announce=lambda url: print(url, flush=True))
"""


def test_a_port_in_use_is_named_with_a_way_out():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(TenureError) as caught:
            listen("127.0.0.1", port)
    assert caught.value.exit_code == 1
    assert caught.value.summary == "port is in use"
    assert str(port) in caught.value.detail
    assert caught.value.hint == f"tenure serve --port {port + 1}"


def test_a_host_that_does_not_exist_is_named():
    with pytest.raises(TenureError, match=r"nowhere\.invalid"):
        listen("nowhere.invalid", 0)


def test_a_termination_signal_ends_the_server_after_its_requests_with_the_log_written(world, tmp_path):
    world.snapshot()
    world.version(1)
    world.endpoint({1: 100})
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        host = process.stdout.readline().strip().removeprefix("http://")
        body = json.dumps([ROW] * 90).encode()
        begun = threading.Barrier(2)
        status = []

        def ask() -> None:
            connection = http.client.HTTPConnection(host, timeout=30)
            connection.putrequest("POST", "/models/churn/predict")
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body[:10])
            connection.sock.recv(0)
            begun.wait()
            threading.Event().wait(0.3)  # the signal arrives while the body is on its way
            connection.send(body[10:])
            status.append(connection.getresponse().status)
            connection.close()

        thread = threading.Thread(target=ask)
        thread.start()
        begun.wait()
        process.send_signal(signal.SIGTERM)
        thread.join()
        assert process.wait(timeout=30) == 0
        assert status == [200]
    finally:
        process.kill()
        process.stdout.close()
    assert read_log(tmp_path / "predictions" / "churn").table.num_rows == 90
