"""The files a source names: on this machine or on a server, by a path or a glob; found, and told apart."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import msgspec

from tenure.artifacts.remote import RemoteObject, fetch, is_url, look_up
from tenure.core.digest import digest
from tenure.core.errors import ArtifactError, StageError
from tenure.core.files import Stamp, find, now_ns, settled, stamp
from tenure.stages.data import files
from tenure.stages.data.ledger import Entry, Ledger, stamp_to_keep
from tenure.stages.data.lookup import Where

if TYPE_CHECKING:
    from tenure.ml.signature import ColumnType

_PARTITION = re.compile(r"([^=/]+)=([^/]*)")
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


class Piece(msgspec.Struct, frozen=True):
    """One file of a source: the name it is shown by, its content's identity (None when that is not known before it is
    read), and the file with the stamp it had then, or what the server says of it."""

    name: str
    identity: str | None
    file: Path | None = None
    stamp: Stamp | None = None
    remote: RemoteObject | None = None


def alone(pieces: Sequence[Piece]) -> Path | None:
    """The one file of this machine that the pieces are; it is read as it is, and nothing of it is kept."""
    return pieces[0].file if len(pieces) == 1 else None


def locate(project: Path, pattern: str, ledger: Ledger, where: Where) -> list[Piece]:
    """The files of a source in order of name, at least one. Raises StageError pointing to `where`.

    Files of this machine whose stamp is the one in the ledger are not opened but for a byte.
    """
    if is_url(pattern):
        try:
            return [Piece(found.url, found.identity, remote=found) for found in look_up(pattern)]
        except ArtifactError as error:
            raise _unusable(error, where) from error
    pieces = []
    for file in files.require(project, pattern, where):
        name = files.shown(file, project)
        now = stamp(str(file))
        entry = _entry(file, name, ledger)
        ledger.note(name, entry)
        pieces.append(Piece(name, entry.identity, file, now))
    return pieces


def refuse_changed(piece: Piece, where: Where) -> None:
    """Raises StageError when a file was written to since it was located: what was read is not what is remembered."""
    try:
        same = piece.file is None or stamp(str(piece.file)) == piece.stamp
    except OSError:
        same = False
    if not same:
        raise StageError(
            "a source changed while it was read",
            f"{piece.name} was written to",
            "run the command again",
            path=(*where, "path"),
        )


def local(piece: Piece, copy: Path, where: Where) -> Path:
    """The file of a piece; of one on a server a copy, made at `copy`. Raises StageError."""
    if piece.remote is None:
        assert piece.file is not None
        return piece.file
    try:
        fetch(piece.remote, copy)
    except ArtifactError as error:
        raise _unusable(error, where) from error
    if copy.stat().st_size == 0:
        raise files.empty_file(piece.name, where)
    return copy


def fingerprint(
    project: Path, pattern: str, recorded: Mapping[str, Any] | None, ledger: Ledger, *, count_lines: bool
) -> dict[str, Any]:
    """What the files are now: `{path, size, mtime_ns, stamps?, digest, rows?, files?}`, or `{missing: True, reason}`.

    Of files on this machine, content is hashed only when size or time differ from the recorded ones and from those in
    the ledger. `rows` counts lines after the header, so it is too high for text with line breaks inside quotes. What is
    on a server is not read: its digest is that of what the server says.
    """
    if is_url(pattern):
        return _remote_fingerprint(pattern)
    try:
        found = find(project, pattern)
        if not found:
            return {"missing": True, "reason": f"no file {pattern}"}
        if any(file.is_dir() for file in found):
            return {"missing": True, "reason": f"{pattern} is a folder"}
        if any(not file.is_file() for file in found):
            return {"missing": True, "reason": f"{pattern} is no regular file"}
        stamps = [stamp(str(file)) for file in found]
        now: dict[str, Any] = {
            "path": pattern,
            "size": sum(size for _, _, size, _ in stamps),
            "mtime_ns": max(modified for modified, _, _, _ in stamps),
        }
        names = [files.shown(file, project) for file in found]
        if len(found) > 1:
            now["files"] = len(found)
            now["stamps"] = digest([[name, at[0], at[2]] for name, at in zip(names, stamps, strict=True)])
        if recorded is not None and all(recorded.get(key) == value for key, value in now.items()):
            return dict(recorded)
        entries = [_entry(file, name, ledger) for file, name in zip(found, names, strict=True)]
        now["digest"] = entries[0].identity
        if len(entries) > 1:
            now["digest"] = digest(
                [[name, entry.identity] for name, entry in zip(names, entries, strict=True)]
            )
        if count_lines:
            now["rows"] = sum(
                files.lines(file) if e.lines is None else e.lines
                for file, e in zip(found, entries, strict=True)
            )
    except files.UNREADABLE as error:
        return {"missing": True, "reason": files.unreadable(error)}
    return now


def _remote_fingerprint(pattern: str) -> dict[str, Any]:
    try:
        found = look_up(pattern)
    except ArtifactError as error:
        return {"missing": True, "reason": f"{pattern}: {error.summary.rstrip('.').lower()}"}
    identities = [item.identity for item in found]
    now: dict[str, Any] = {"path": pattern, "digest": None}
    if all(item.size is not None for item in found):
        now["size"] = sum(item.size or 0 for item in found)
    if None not in identities:
        now["digest"] = identities[0] if len(found) == 1 else digest(identities)
    return now | ({"files": len(found)} if len(found) > 1 else {})


def partitions(pieces: Sequence[Piece]) -> dict[str, tuple[ColumnType, list[str | None]]]:
    """The columns that the folders of the pieces name, as in `year=2026/month=3`: type, and the value of each piece.

    Whole numbers, ISO dates and text are told apart; folders that not every piece has are a StageError's matter: the
    value is None there.
    """
    given = [_folders(piece) for piece in pieces]
    names = list(dict.fromkeys(name for one in given for name in one))
    columns: dict[str, tuple[ColumnType, list[str | None]]] = {}
    for name in names:
        values = [one.get(name) for one in given]
        known = [value for value in values if value is not None]
        kind: ColumnType = "string"
        if known and all(re.fullmatch(r"-?[0-9]{1,18}", value) for value in known):
            kind = "integer"
        elif known and all(_is_date(value) for value in known):
            kind = "timestamp"
        columns[name] = (kind, values)
    return columns


def _folders(piece: Piece) -> dict[str, str | None]:
    path = urlsplit(piece.name).path if piece.remote is not None else piece.name
    found = {}
    for folder in path.split("/")[:-1]:
        if match := _PARTITION.fullmatch(folder):
            value = unquote(match[2])
            found[unquote(match[1])] = None if value == _NO_VALUE else value
    return found


def _is_date(text: str) -> bool:
    with suppress(ValueError):
        date.fromisoformat(text)
        return len(text) == 10
    return False


def _entry(file: Path, name: str, ledger: Ledger) -> Entry:
    """What a file of this machine is now; it is read unless its stamp is known."""
    now = stamp(str(file))
    known = ledger.unchanged(name, now)
    if known is not None:
        return known
    identity, lines = (
        _looked_through(str(file), now) if settled([now], now_ns()) else files.look_through(file)
    )
    return Entry(stamp_to_keep(now), identity, lines)


@functools.lru_cache(maxsize=100_000)
def _looked_through(file: str, now: Stamp) -> tuple[str, int | None]:
    """As `files.look_through`, once for each stamp of a file in the life of this process."""
    return files.look_through(Path(file))


def _unusable(error: ArtifactError, where: Where) -> StageError:
    return StageError("a source cannot be read", error.detail or error.summary, error.hint, path=where)
