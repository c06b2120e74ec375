"""A wire between a client and a PostgreSQL server that breaks when a COMMIT passes."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

Break = Literal["question lost", "answer lost", "question late"]
"""What becomes of a COMMIT: it never arrives; it is carried out, and nobody hears of it; it arrives when the client has
long given up and is asking again."""

LATE = 0.4


class Wire:
    """A port of this machine that leads to a server. `commits` counts those that were sent."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.next: list[Break] = []
        self.commits = 0
        self.broken = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port))
                lost = threading.Event()
                threading.Thread(target=self._questions, args=(client, server, lost), daemon=True).start()
                threading.Thread(target=self._answers, args=(server, client, lost), daemon=True).start()

    def _questions(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(65_536):
                if b"COMMIT\0" in data:
                    self.commits += 1
                    if self.next:
                        self.broken += 1
                        self._break(self.next.pop(0), data, client, server, lost)
                        return
                server.sendall(data)
        _end(server)

    def _break(
        self, how: Break, data: bytes, client: socket.socket, server: socket.socket, lost: threading.Event
    ) -> None:
        match how:
            case "question lost":
                _end(server)
                _end(client)
            case "answer lost":
                lost.set()
                server.sendall(data)
                time.sleep(0.05)
                _end(client)
                _end(server)
            case "question late":
                lost.set()
                _end(client)
                time.sleep(LATE)
                server.sendall(data)
                time.sleep(0.05)
                _end(server)

    def _answers(self, server: socket.socket, client: socket.socket, lost: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(65_536):
                if not lost.is_set():
                    client.sendall(data)
        if not lost.is_set():
            _end(client)


@contextmanager
def wire_to(server_port: int) -> Iterator[Wire]:
    """A wire that is taken down at the end."""
    wire = Wire(server_port)
    try:
        yield wire
    finally:
        wire.close()


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
