"""A proxy in front of a real S3 server that does to requests what networks and servers do on bad days."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from tests.artifacts.servers import KEY_ID


@dataclass
class Answer:
    """What the real server answered."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


Fault = Callable[["Handler", Callable[[], Answer]], None]
"""Deals with one request; the second argument passes it on to the real server."""


@dataclass
class Proxy:
    """`fail` makes the next requests that match go wrong; `seen` are all requests, `headers` what they came with."""

    url: str = ""
    seen: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    _rules: list[tuple[str, Fault, list[int]]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fail(self, what: str, fault: Fault, times: int = 1_000_000) -> None:
        """Requests whose `METHOD /path?query` matches the expression `what` meet the fault, so many times."""
        self._rules.append((what, fault, [times]))

    def heal(self) -> None:
        self._rules.clear()

    def fault_for(self, request: str) -> Fault | None:
        with self._lock:
            self.seen.append(request)
            for what, fault, left in self._rules:
                if left[0] > 0 and re.search(what, request):
                    left[0] -= 1
                    return fault
        return None


class Handler(BaseHTTPRequestHandler):
    """One request at a time from a client's connection."""

    protocol_version = "HTTP/1.1"
    proxy: Proxy
    upstream: str

    def _deal(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.proxy.headers.append({name.lower(): value for name, value in self.headers.items()})
        fault = self.proxy.fault_for(f"{self.command} {self.path}")
        with suppress(ConnectionError):
            if fault is not None:
                fault(self, lambda: self._ask(body))
            else:
                self.give(self._ask(body))

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _deal

    def _ask(self, body: bytes) -> Answer:
        connection = http.client.HTTPConnection(self.upstream, timeout=30)
        try:
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            return Answer(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def give(self, answer: Answer, limit: int | None = None) -> None:
        """Send an answer, or its head and the first bytes of its body."""
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        length = {name.lower(): value for name, value in answer.headers}.get("content-length")
        self.send_header("Content-Length", length or str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body[:limit])

    def hang_up(self) -> None:
        """Reset the connection."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""

    def finish(self) -> None:
        with suppress(OSError, ValueError):
            super().finish()


def refuses(status: int, code: str = "", extra: str = "") -> Fault:
    """An error of the server, with or without its XML. Like Amazon's, it repeats what it was sent."""
    xml = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no: {KEY_ID}</Message>{extra}</Error>"

    def fault(handler: Handler, ask: Callable[[], Answer]) -> None:
        silent = not code or handler.command == "HEAD"
        handler.give(Answer(status, [("Content-Type", "application/xml")], b"" if silent else xml.encode()))

    return fault


def waits(seconds: float) -> Fault:
    """An answer that comes late."""

    def fault(handler: Handler, ask: Callable[[], Answer]) -> None:
        answer = ask()
        time.sleep(seconds)
        handler.give(answer)

    return fault


def says_nothing(handler: Handler, ask: Callable[[], Answer]) -> None:
    """The server has hung itself up: it takes the request and is silent."""
    time.sleep(0.9)
    handler.hang_up()


def hangs_up(handler: Handler, ask: Callable[[], Answer]) -> None:
    """The connection is reset before the server has heard anything."""
    handler.hang_up()


def hangs_up_afterwards(handler: Handler, ask: Callable[[], Answer]) -> None:
    """The server has done it, and the answer is lost."""
    ask()
    handler.hang_up()


def cuts(after: int) -> Fault:
    """The connection is reset in the middle of the body."""

    def fault(handler: Handler, ask: Callable[[], Answer]) -> None:
        handler.give(ask(), limit=after)
        handler.hang_up()

    return fault


def garbles(handler: Handler, ask: Callable[[], Answer]) -> None:
    """One bit of the body is wrong."""
    answer = ask()
    handler.give(Answer(answer.status, answer.headers, bytes([answer.body[0] ^ 1]) + answer.body[1:]))


@contextmanager
def proxy_to(url: str, certificate: Path | None = None) -> Iterator[Proxy]:
    """A running proxy in front of the server at `url`; with a certificate it speaks TLS."""
    proxy = Proxy()
    kind = type("Bound", (Handler,), {"proxy": proxy, "upstream": urlsplit(url).netloc})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    server.daemon_threads = True
    server.handle_error = lambda request, address: None  # type: ignore[method-assign]
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        proxy.url = proxy.url.replace("http:", "https:")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
