"""The consumers in the demo's story: plain HTTP clients, one that asks and one that keeps asking."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Client:
    """A consumer of the model: plain HTTP, one kept-alive connection."""

    port: int
    model: str
    connection: http.client.HTTPConnection | None = None

    def request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], Any]:
        """Status, headers in lower case, decoded body. A broken connection counts as status 0."""
        data = None if body is None else json.dumps(body).encode()
        reused = self.connection is not None
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            self.connection.request(
                method, path, data, {"content-type": "application/json", **(headers or {})}
            )
            answer = self.connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self.connection = None
            # A server may close a connection that was idle; as any client does, ask again on a new one.
            return self.request(method, path, body, headers) if reused else (0, {}, None)
        kind = answer.headers.get("content-type", "")
        return (
            answer.status,
            {k.lower(): v for k, v in answer.headers.items()},
            json.loads(content) if "json" in kind else content,
        )

    def predict(
        self, rows: Sequence[dict[str, Any]], key: str | None = None
    ) -> tuple[int, dict[str, str], Any]:
        """Ask for predictions of some rows."""
        headers = {"x-tenure-key": key} if key else None
        return self.request("POST", f"/models/{self.model}/predict", {"rows": list(rows)}, headers)


@dataclass
class Load:
    """Requests sent in the background while versions change hands: every answer is counted."""

    client: Client
    rows: Sequence[dict[str, Any]]
    statuses: Counter[int] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    stop: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def running(self) -> Iterator[Load]:
        """Send one request after the other until the block ends."""
        thread = threading.Thread(target=self._send, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.stop.set()
            thread.join(timeout=10)

    def _send(self) -> None:
        client = Client(self.client.port, self.client.model)
        for position in range(1_000_000):
            if self.stop.is_set():
                return
            status, headers, _ = client.predict(
                [self.rows[position % len(self.rows)]], key=f"load-{position}"
            )
            self.statuses[status] += 1
            self.versions[headers.get("x-model-version", "?")] += 1

    @property
    def failed(self) -> int:
        """Answers other than 200, broken connections included."""
        return sum(count for status, count in self.statuses.items() if status != 200)
