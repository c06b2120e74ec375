"""Scores of trials by what they were made from: a search that asks for the same again is told, and fits nothing.

A cache beside the state, not part of it: it may be deleted at any time. Anything that cannot be read counts as missing.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tenure.core.decoding import msgpack_decoder
from tenure.core.digest import digest
from tenure.core.version import VERSION
from tenure.stages.training.trying import FoldScore

if TYPE_CHECKING:
    from tenure.stages.training.algorithm import Algorithm

MOST_ENTRIES = 100_000
"""Entries that are kept; those used longest ago make room."""


class Entry(msgspec.Struct, frozen=True):
    """What is known of a trial: the folds that were scored, in order, and the losses of the first by rung."""

    folds: tuple[FoldScore, ...]
    curve: dict[int, float] = {}


def trial_key(rows: str, name: str, algorithm: Algorithm, params: dict[str, Any], seed: int) -> str:
    """The name of everything a score depends on. `rows` names the rows, how they are prepared, and the folds."""
    # Where to look for parameters decides nothing about a trial that has them.
    block = algorithm.model_dump(mode="json", exclude={"search_space"})
    return digest(
        [rows, name, algorithm.VERSION, algorithm.FORM, block, params, seed, _versions(algorithm.PACKAGES)]
    )


def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    # How rows are prepared and folds are cut is a matter of Tenure's own version.
    found = {"tenure": VERSION}
    for name in ("numpy", *packages):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


class TrialCache:
    """Entries in one SQLite file. Without a file nothing is known and nothing is kept."""

    def __init__(self, file: Path | None) -> None:
        self._file = file

    def get(self, key: str) -> Entry | None:
        """What is known of a trial, None when nothing is."""
        if self._file is None or not self._file.exists():
            return None
        with suppress(sqlite3.Error, msgspec.MsgspecError), closing(self._open()) as base:
            found = base.execute("SELECT body FROM trials WHERE key = ?", (key,)).fetchone()
            if found is not None:
                base.execute("UPDATE trials SET used = ? WHERE key = ?", (time.time(), key))
                base.commit()
                return msgpack_decoder(Entry).decode(found[0])
        return None

    def put(self, key: str, entry: Entry) -> None:
        """Keep what became known, unless more is known already."""
        if self._file is None:
            return
        before = self.get(key)
        if before is not None and len(before.folds) >= len(entry.folds):
            return
        with suppress(sqlite3.Error, OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._write(key, entry)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    return  # busy, or the disk is full: it is only a cache
                self._file.unlink(missing_ok=True)
                self._write(key, entry)

    def _write(self, key: str, entry: Entry) -> None:
        with closing(self._open()) as base:
            base.execute(
                "CREATE TABLE IF NOT EXISTS trials (key TEXT PRIMARY KEY, used REAL, body BLOB) WITHOUT ROWID"
            )
            base.execute(
                "INSERT OR REPLACE INTO trials VALUES (?, ?, ?)",
                (key, time.time(), msgspec.msgpack.encode(entry)),
            )
            (count,) = base.execute("SELECT count(*) FROM trials").fetchone()
            if count > MOST_ENTRIES:
                base.execute(
                    "DELETE FROM trials WHERE key IN (SELECT key FROM trials ORDER BY used LIMIT ?)",
                    (MOST_ENTRIES // 10,),
                )
            base.commit()

    def _open(self) -> sqlite3.Connection:
        assert self._file is not None
        base = sqlite3.connect(self._file, timeout=5)
        base.execute("PRAGMA synchronous = OFF")
        return base
