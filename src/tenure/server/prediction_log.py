"""The prediction log of the server: a bounded queue and a thread that writes Parquet segments behind the requests."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from tenure.ml.inference_log import write_segment
from tenure.ml.logged_rows import log_table
from tenure.ml.predictions import Predictions
from tenure.ml.signature import Signature, rows_to_table
from tenure.stages.deployment.batch import sampled

_LOG = logging.getLogger("tenure.server")


class Entry(msgspec.Struct, frozen=True, eq=False):
    """The rows of one answered request. `settings` is the `log` block of the endpoint that answered it.

    It names the version and does not hold it: what waits to be written must not keep a replaced version in memory.
    """

    model: str
    version: int
    signature: Signature
    timestamp: str | None
    arm: str
    rows: Sequence[Mapping[str, Any]]
    ids: Sequence[str]
    predictions: Predictions
    received_at: datetime
    settings: Mapping[str, Any]


class PredictionLog:
    """Takes entries without ever waiting, and writes them in segments.

    A full queue drops and counts. A segment that cannot be written is kept and tried again as long as the queue has
    room for it. Rows are written after `flush_seconds` or when `flush_rows` wait, and on `close`.
    """

    def __init__(
        self, folder: Path, *, max_rows: int = 100_000, flush_rows: int = 5_000, flush_seconds: float = 2.0
    ) -> None:
        self.written = 0
        self.dropped = 0
        self.errors = 0
        self._folder = folder
        self._max_rows = max_rows
        self._flush_rows = flush_rows
        self._flush_seconds = flush_seconds
        self._entries: deque[Entry] = deque()
        self._queued = 0
        self._unwritten: list[tuple[Path, pa.Table]] = []
        self._unwritten_rows = 0
        self._wake = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="tenure-prediction-log", daemon=True)
        self._thread.start()

    @property
    def queued(self) -> int:
        """Rows that wait to be written."""
        return self._queued + self._unwritten_rows

    def add(self, entry: Entry) -> None:
        """Hand over the rows of a request; returns at once, whatever the disk does."""
        settings = entry.settings
        if not settings.get("enabled", True) or not entry.ids:
            return
        with self._wake:
            if self.queued + len(entry.ids) > self._max_rows:
                self.dropped += len(entry.ids)
                return
            self._entries.append(entry)
            self._queued += len(entry.ids)
            if self._queued >= self._flush_rows:
                self._wake.notify()

    def flush(self) -> None:
        """Write what waits now, in the calling thread."""
        self._write(self._take())

    def close(self, timeout: float = 30.0) -> None:
        """Write what waits and stop. Rows that cannot be written even then count as dropped."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(timeout)
        if self._unwritten:
            _LOG.error("%d predictions could not be written to the log", self._unwritten_rows)
            self.dropped += self._unwritten_rows
            self._unwritten, self._unwritten_rows = [], 0

    def _run(self) -> None:
        while True:
            with self._wake:
                deadline = time.monotonic() + self._flush_seconds
                while not self._closing and self._queued < self._flush_rows:
                    if not self._wake.wait(max(0.0, deadline - time.monotonic())):
                        break
                closing = self._closing
            self.flush()
            if closing:
                return

    def _take(self) -> list[Entry]:
        with self._wake:
            entries = list(self._entries)
            self._entries.clear()
            return entries

    def _write(self, entries: list[Entry]) -> None:
        groups: dict[tuple[str, int, int, int], list[Entry]] = {}
        for entry in entries:
            # Entries of one version under one set of settings fit into one table; `id` is safe, the entries hold both.
            key = (entry.model, entry.version, id(entry.signature), id(entry.settings))
            groups.setdefault(key, []).append(entry)
        pending, self._unwritten = self._unwritten, []
        for group in groups.values():
            try:
                table = _table(group)
            # One odd request must not cost the others their log.
            except Exception:
                _LOG.exception("%s: predictions cannot be logged", group[0].model)
                self.errors += 1
                self.dropped += sum(len(entry.ids) for entry in group)
                continue
            if table.num_rows:
                pending.append((self._folder / group[0].model, table))
        kept = 0
        for folder, table in pending:
            try:
                write_segment(folder, table)
                self.written += table.num_rows
            except OSError as error:
                self.errors += 1
                _LOG.error("%s: the prediction log cannot be written: %s", folder.name, error)
                self._unwritten.append((folder, table))
                kept += table.num_rows
        with self._wake:
            self._queued -= sum(len(entry.ids) for entry in entries)
            self._unwritten_rows = kept


def _table(entries: list[Entry]) -> pa.Table:
    """The sampled rows of one version's requests as one table."""
    first = entries[0]
    signature, settings = first.signature, first.settings
    rows = [row for entry in entries for row in entry.rows]
    ids = [name for entry in entries for name in entry.ids]
    inputs = rows_to_table(signature, rows)
    probabilities = None
    if first.predictions.probabilities is not None:
        probabilities = np.concatenate([entry.predictions.probabilities for entry in entries])
    predictions = Predictions(
        np.concatenate([entry.predictions.labels for entry in entries]),
        probabilities,
        first.predictions.classes,
    )
    name = settings.get("id_column")
    table = log_table(
        signature,
        inputs,
        predictions,
        ids=ids,
        received_at=[entry.received_at for entry in entries for _ in entry.ids],
        version=first.version,
        arm=[entry.arm for entry in entries for _ in entry.ids],
        timestamp=_timestamps(first.timestamp, inputs, rows),
        id_column=(name, _identities(rows, name)) if name else None,
        redact=settings.get("redact", ()),
    )
    return table.filter(pa.array([sampled(name, settings.get("sample", 1.0)) for name in ids]))


def _timestamps(name: str | None, inputs: pa.Table, rows: Sequence[Mapping[str, Any]]) -> Any:
    """The rows' own times: the input column, or the field that came along; text only, everything else is no time."""
    if name is None:
        return None
    if name in inputs.column_names:
        return inputs.column(name)
    values = [row.get(name) for row in rows]
    return pa.array([value if isinstance(value, str) else None for value in values], pa.string())


def _identities(rows: Sequence[Mapping[str, Any]], name: str) -> pa.Array:
    """Ids as text; 7 and 7.0 are one id, as they are for the labels."""

    def text(value: Any) -> str | None:
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, float) and value.is_integer():
            return str(int(value))
        return str(value)

    return pa.array([text(row.get(name)) for row in rows], pa.string())


def now() -> datetime:
    """When a request arrived."""
    return datetime.now(UTC)
