"""What is remembered of the files of a source, so that only new and changed ones are read.

Below `.tenure/cache/sources` of the project lie a ledger for each source (which file had which stamp and content) and,
by digest, what was made of each file as Parquet. All of it may be deleted at any time: files are then read again.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal
from uuid import uuid4

import msgspec

from tenure.artifacts.cache import BlobCache
from tenure.core.decoding import json_decoder
from tenure.core.digest import digest, digest_file
from tenure.core.drafts import sweep
from tenure.core.errors import ArtifactError
from tenure.core.files import Stamp, now_ns, settled

_FORMAT = 1
_FOLDER = Path(".tenure/cache/sources")
_LIMIT = 20 << 30

Kind = Literal["number", "integer", "string", "boolean", "timestamp"]
"""`ml/signature.ColumnType`, which a plan cannot load."""
_PIECE = 1 << 20


class Parse(msgspec.Struct, frozen=True, array_like=True):
    """What one file became: a blob, its columns (the type is None where there is no value), its rows, the infinities
    that became missing, and the types of columns that no model can use."""

    blob: str
    columns: tuple[tuple[str, Kind | None], ...]
    rows: int
    infinities: dict[str, int] = {}
    unusable: dict[str, str] = {}


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A file: its stamp when it was looked at (None for one on a server), its content, its lines where they were
    counted, and what it became under which types."""

    stamp: Stamp | None
    identity: str
    lines: int | None = None
    parses: dict[str, Parse] = {}


class _Page(msgspec.Struct, frozen=True):
    format: int
    files: dict[str, Entry]


class Ledger:
    """The entries of one source by the name of the file, as they were last saved."""

    def __init__(self, project: Path, source: object) -> None:
        """`source` says where the files are and how they are read: another one has another ledger."""
        root = project / _FOLDER
        self._file = root / "ledgers" / digest(source).removeprefix("sha256:")
        self._blobs = BlobCache(root / "blobs", _LIMIT)
        self._made: dict[str, Entry] = {}

    @functools.cached_property
    def _known(self) -> dict[str, Entry]:
        try:
            page = json_decoder(_Page).decode(self._file.read_bytes())
        except (OSError, msgspec.MsgspecError):
            return {}
        return page.files if page.format == _FORMAT else {}

    def unchanged(self, name: str, stamp: Stamp) -> Entry | None:
        """The entry of a file that still has the stamp it had."""
        entry = self._known.get(name)
        return entry if entry is not None and entry.stamp == stamp else None

    def parsed(self, name: str, identity: str, types: str) -> tuple[Parse, Path] | None:
        """What the content of a file became under some types, and where its copy lies; its digest is checked."""
        entry = self.entry(name)
        if entry is None or entry.identity != identity or types not in entry.parses:
            return None
        parse = entry.parses[types]
        copy = self._blobs.find(parse.blob)
        return None if copy is None else (parse, copy)

    def entry(self, name: str) -> Entry | None:
        """What is known of a file by now."""
        return self._made.get(name) or self._known.get(name)

    def note(self, name: str, entry: Entry) -> None:
        """Remember a file; what it became before is kept while its content is the same."""
        before = self.entry(name)
        parses = before.parses if before is not None and before.identity == entry.identity else {}
        self._made[name] = msgspec.structs.replace(entry, parses=parses | entry.parses)

    def keep(self, file: Path) -> tuple[str, Path]:
        """The digest of a file, and where a copy of it is kept: the file itself where none can be."""
        name = digest_file(file)
        try:
            return name, self._blobs.write(name, _pieces(file))
        except ArtifactError:
            return name, file

    def save(self) -> None:
        """Write down the files that were noted, and no others. Where that cannot be done, they are read again."""
        page = _Page(_FORMAT, self._made)
        draft = self._file.with_name(f".{uuid4().hex}.part")
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            sweep(self._file.parent, ".*.part")
            draft.write_bytes(msgspec.json.encode(page))
            draft.replace(self._file)


def stamp_to_keep(stamp: Stamp) -> Stamp | None:
    """A stamp that every later write will change; None for a file that was written just now."""
    return stamp if settled([stamp], now_ns()) else None


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while piece := stream.read(_PIECE):
            yield piece
