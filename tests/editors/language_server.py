"""A small client of a language server: what an editor sends over stdio, and what it is answered."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

WAIT = 60.0
"""Seconds to wait for an answer; the machine may be busy."""


class LanguageServer:
    """A running server and the documents open in it. Positions count from 0, as in the protocol.

    `settings` is what an editor's configuration holds, as nested mappings: `{"yaml": {"schemas": {...}}}`.
    """

    def __init__(self, command: Sequence[str], root: Path, settings: Mapping[str, Any]) -> None:
        self.root = root
        self.settings = settings
        self._answers: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._published: dict[tuple[str, int], list[dict[str, Any]]] = {}
        self._news = threading.Condition()
        self._asked = 0
        self._versions: dict[str, int] = {}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=root
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        self.request(
            "initialize",
            processId=None,
            rootUri=self.root.as_uri(),
            workspaceFolders=[{"uri": self.root.as_uri(), "name": self.root.name}],
            capabilities={
                "workspace": {"configuration": True, "workspaceFolders": True},
                "textDocument": {
                    "completion": {
                        "completionItem": {"documentationFormat": ["markdown"], "snippetSupport": True}
                    },
                    "hover": {"contentFormat": ["markdown"]},
                    "publishDiagnostics": {"versionSupport": True},
                },
            },
        )
        self._notify("initialized")
        self._notify("workspace/didChangeConfiguration", settings=self.settings)
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if self._process.poll() is None:
                self.request("shutdown")
                self._notify("exit")
                self._process.wait(10)
        finally:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()
            self._reader.join(10)

    # ---- what an editor asks -------------------------------------------------------------------------------------

    def open(self, path: Path, text: str | None = None) -> list[dict[str, Any]]:
        """Show the server a file, or what is being typed into it; returns its diagnostics."""
        uri = path.as_uri()
        text = path.read_text(encoding="utf-8") if text is None else text
        version = self._versions[uri] = self._versions.get(uri, 0) + 1
        if version == 1:
            document = {"uri": uri, "languageId": "yaml", "version": version, "text": text}
            self._notify("textDocument/didOpen", textDocument=document)
        else:
            self._notify(
                "textDocument/didChange",
                textDocument={"uri": uri, "version": version},
                contentChanges=[{"text": text}],
            )
        return self._diagnostics(uri, version)

    def complete(self, path: Path, line: int, character: int) -> list[dict[str, Any]]:
        """What may be typed at a place, best first."""
        found = self._at("textDocument/completion", path, line, character)
        items = found["items"] if isinstance(found, dict) else found or []
        return sorted(items, key=lambda item: item.get("sortText", item["label"]))

    def hover(self, path: Path, line: int, character: int) -> str:
        """The Markdown shown over a place; empty when there is none."""
        found = self._at("textDocument/hover", path, line, character)
        return "" if not found else str(found["contents"]["value"])

    # ---- the protocol --------------------------------------------------------------------------------------------

    def request(self, method: str, **params: Any) -> Any:
        """Ask, and wait for the answer. Raises RuntimeError when the server answers with an error or not at all."""
        self._asked += 1
        number = self._asked
        answers = self._answers[number] = queue.Queue(1)
        self._send({"id": number, "method": method, "params": params})
        try:
            answer = answers.get(timeout=WAIT)
        except queue.Empty:
            raise RuntimeError(f"the language server does not answer {method}") from None
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def _at(self, method: str, path: Path, line: int, character: int) -> Any:
        return self.request(
            method,
            textDocument={"uri": path.as_uri()},
            position={"line": line, "character": character},
        )

    def _notify(self, method: str, **params: Any) -> None:
        self._send({"method": method, "params": params})

    def _diagnostics(self, uri: str, version: int) -> list[dict[str, Any]]:
        with self._news:
            if not self._news.wait_for(lambda: (uri, version) in self._published, WAIT):
                raise RuntimeError(f"the language server says nothing about {uri}")
            return self._published[uri, version]

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._process.stdin.flush()

    def _read(self) -> None:
        while (message := self._next()) is not None:
            if "method" in message and "id" in message:
                self._send({"id": message["id"], "result": self._told(message)})
            elif message.get("method") == "textDocument/publishDiagnostics":
                params = message["params"]
                with self._news:
                    version = params.get("version") or self._versions.get(params["uri"], 1)
                    self._published[params["uri"], version] = params["diagnostics"]
                    self._news.notify_all()
            elif "id" in message:
                self._answers.pop(message["id"]).put(message)

    def _next(self) -> dict[str, Any] | None:
        assert self._process.stdout is not None
        length = 0
        while header := self._process.stdout.readline().strip():
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return json.loads(self._process.stdout.read(length)) if length else None

    def _told(self, message: dict[str, Any]) -> Any:
        """The answer to what the server asks its editor: the settings of each section it names."""
        if message["method"] != "workspace/configuration":
            return None
        return [self.settings.get(item["section"]) for item in message["params"]["items"]]
