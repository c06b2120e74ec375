"""Following the state: a thread that loads new versions beside the old ones and then swaps the routing table."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tenure.core.digest import digest
from tenure.core.errors import StageError, TenureError
from tenure.ml.predictor_files import FILES
from tenure.ml.signature import InputColumn, rows_to_table
from tenure.server.routing import Endpoint, LiveVersion, Table, endpoint_of, moved_away
from tenure.stages.deployment.versions import load_version

if TYPE_CHECKING:
    from tenure.artifacts.store import ArtifactStore
    from tenure.ml.predictor import Predictor
    from tenure.state.record import ModelState, Record
    from tenure.state.store import StateReader

_LOG = logging.getLogger("tenure.server")
_ENDPOINT = "deployment/endpoint"
_RETRY_SECONDS = 5.0
"""How long a version that could not be loaded is left alone: its blob may be restored meanwhile."""


class Follower:
    """Keeps `table` equal to what the state records.

    A new version is loaded and has predicted once before any request can reach it. When that fails, the model is served
    as before and the reason is kept in its endpoint. Requests read `table` once and are not disturbed by a swap.
    """

    def __init__(
        self,
        reader: StateReader,
        artifacts: ArtifactStore,
        *,
        poll_seconds: float = 0.3,
        on_swap: Callable[[Table], None] = lambda table: None,
    ) -> None:
        self.table = Table()
        self.error: str | None = None
        self.swaps = 0
        self.loaded: weakref.WeakSet[LiveVersion] = weakref.WeakSet()
        self._reader = reader
        self._artifacts = artifacts
        self._poll_seconds = poll_seconds
        self._on_swap = on_swap
        self._retry_at = 0.0
        self._stopping = threading.Event()
        self._first = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tenure-follow", daemon=True)

    def start(self, timeout: float | None = None) -> None:
        """Start following and wait until the state has been read once."""
        self._thread.start()
        self._first.wait(timeout)

    def stop(self) -> None:
        """Stop following; the table stays as it is."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=30)

    def _run(self) -> None:
        while True:
            try:
                self.poll()
                self.error = None
            # Whatever is wrong with the state, the versions that are loaded go on serving.
            except Exception as error:
                if self.error != str(error):
                    _LOG.exception("the state cannot be followed: %s", error)
                self.error = str(error)
            self._first.set()
            if self._stopping.wait(self._poll_seconds):
                return

    def poll(self) -> None:
        """Look at the state once and swap the table if it moved."""
        serial = self._reader.routes_serial()
        failed = any(endpoint.problem for endpoint in self.table.endpoints.values())
        if serial == self.table.serial and not (failed and time.monotonic() >= self._retry_at):
            return
        states = self._reader.read_many()
        endpoints = {}
        for model, state in states.items():
            record = state.records.get(_ENDPOINT)
            if record is not None and record.value["target"] == "http":
                endpoints[model] = self._follow(model, state, record)
            elif record is None and state.tombstone is not None and state.tombstone.moved:
                endpoints[model] = moved_away(model, state.tombstone.successor)
        self._retry_at = time.monotonic() + _RETRY_SECONDS
        self.table = Table(serial, endpoints, ready=True)
        self.swaps += 1
        self._on_swap(self.table)

    def _follow(self, model: str, state: ModelState, record: Record) -> Endpoint:
        """The endpoint as recorded, or the present one and why it stays."""
        present = self.table.endpoints.get(model)
        if present is not None and present.digest == record.digest and self._current(present, state):
            return replace(present, problem=None) if present.problem else present
        try:
            versions = self._versions(model, state, record, present)
            return endpoint_of(model, record.digest, record.value, versions)
        # A version nobody can load must not take down the one that serves.
        except Exception as error:
            reason = str(error) if isinstance(error, TenureError) else f"{type(error).__name__}: {error}"
            _LOG.error("%s: the recorded endpoint cannot be served: %s", model, reason)
            if present is not None:
                return replace(present, problem=reason)
            return Endpoint(model, problem=reason)

    def _current(self, present: Endpoint, state: ModelState) -> bool:
        """Whether the loaded versions are still those that are registered under their numbers."""
        return all(
            version.number in state.versions and version.key == _key(state.versions[version.number].artifacts)
            for _, version, _ in present.splits
        )

    def _versions(
        self, model: str, state: ModelState, record: Record, present: Endpoint | None
    ) -> dict[int, LiveVersion]:
        known = {version.key: version for _, version, _ in present.splits} if present else {}
        snapshot = state.records.get("data/snapshot")
        timestamp = snapshot.value.get("timestamp") if snapshot else None
        extra = (timestamp, record.value["log"].get("id_column"))
        versions = {}
        for route in record.value["routes"]:
            number = route["version"]
            registered = state.versions.get(number)
            if registered is None:
                raise LookupError(f"version {number} has a route but is not registered")
            key = _key(registered.artifacts)
            held = known.get(key)
            if held is not None and held.number == number and held.timestamp == timestamp:
                predictor = held.predictor
            else:
                _LOG.info("%s: loading version %d", model, number)
                predictor = load_version(self._artifacts, registered)
                _warm(predictor)
            versions[number] = LiveVersion(model, number, key, predictor, extra)
            self.loaded.add(versions[number])
        return versions


def _warm(predictor: Predictor) -> None:
    """Predict one plausible row, so that lazy imports and caches do not fall on the first caller."""
    row = {column.name: _plausible(column) for column in predictor.signature.inputs}
    # A derived column may not be computable from a made-up row; that says nothing about real ones.
    with suppress(StageError):
        predictor.predict(rows_to_table(predictor.signature, [row]))


def _plausible(column: InputColumn) -> Any:
    match column.type:
        case "string":
            return column.categories[0] if column.categories else ""
        case "boolean":
            return False
        case "timestamp":
            return column.minimum or "2000-01-01"
        case _:
            return column.minimum or 0


def _key(artifacts: Mapping[str, str]) -> str:
    """Names the files of a predictor; the card and other documents may change without a reload."""
    return digest({name: artifacts.get(name, "") for name in FILES})
