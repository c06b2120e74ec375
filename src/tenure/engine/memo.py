"""Answers that are remembered: the plans of models with nothing to do, each with everything it depends on.

One file for one question (overrides, with or without a look at the sources) in `.tenure/<env>/cache/`. It may be
deleted at any time; one that is damaged or written by another version counts as absent. A remembered answer is given
only while everything it came from is as it was:

- for all models: the version of the tool and of the libraries it runs with, the text of `conf/`, and the environment
  variables that decided the configuration;
- for each model: the text of its spec, the environment variables it reads, the revision of its recorded state, the
  files its sources led to, and the time - not before the answer was made, and before the next date, age or end of a
  bake time that could make it another one.

Environment variables are kept as salted hashes, never as they are.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import site
import sys
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from tenure.core.decoding import msgpack_decoder
from tenure.core.digest import digest, digest_bytes, short
from tenure.core.files import Look, Stamp, below, look, read_regular, settled, stamp
from tenure.core.version import VERSION
from tenure.engine.workspace import SPEC_SUFFIXES, Workspace
from tenure.plan.change import Change, ModelPlan

MAGIC = b"tenure remembered plans 2\n"
MOST_QUESTIONS = 8
"""How many files an environment keeps; the one that was written longest ago makes room."""

_AT_ONCE = 250
"""How many entries are written at once: a second copy of ten thousand would double the memory."""

_ABANDONED = 3600
"""Seconds after which a file that somebody is writing has no writer any more."""

Names = dict[str, str]


class Question(msgspec.Struct, frozen=True):
    """What was asked, and what every answer depends on. `conf` holds the digest of each file of `conf/`."""

    overrides: tuple[str, ...]
    refresh: bool
    tool: str
    conf: Names

    @property
    def file_name(self) -> str:
        return f"plans-{short(digest([self.overrides, self.refresh]))}.msgpack"


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """The plan of one spec, and what it was made from. `content` is the digest of the spec's text."""

    stamp: Stamp
    content: str
    environment: Names
    looked: tuple[Look, ...]
    revision: str
    since: datetime
    until: datetime | None
    model: str
    owner: str | None
    labels: Names
    downstream: tuple[str, ...]
    fragments: tuple[str, ...]
    remarks: bool
    plan: msgspec.Raw


class _Header(msgspec.Struct, frozen=True):
    question: Question
    environment: str
    state: dict[str, Any]
    salt: bytes
    variables: Names
    removed: tuple[str, ...]


_HEADER = msgpack_decoder(_Header)
_ENTRIES = msgpack_decoder(dict[str, Entry])
_PLAN = msgpack_decoder(tuple[ModelPlan, tuple[int, ...]])
_ENCODER = msgspec.msgpack.Encoder()
_FIELDS = [(one.name, one.default) for one in msgspec.structs.fields(Change)]


@dataclass
class Memo:
    """The remembered answers to one question in one environment.

    `state` says how to open its recorded state; references to secrets are in it as they are written. `removed` names
    the models that the configuration asks to forget.
    """

    question: Question
    environment: str
    state: dict[str, Any]
    variables: Names = field(default_factory=dict)
    salt: bytes = field(default_factory=lambda: os.urandom(16))
    entries: dict[str, Entry] = field(default_factory=dict)
    removed: tuple[str, ...] = ()

    def hashed(self, variables: Sequence[str]) -> Names:
        """The values of environment variables as salted hashes; one that is not set has an empty one."""
        return {name: self._hash(os.environ.get(name)) for name in variables}

    def _hash(self, value: str | None) -> str:
        if value is None:
            return ""
        return hashlib.blake2b(
            value.encode(errors="surrogateescape"), key=self.salt, digest_size=16
        ).hexdigest()


@dataclass
class Present:
    """How things are now (since `began` of the real clock), to hold remembered answers against."""

    root: Path
    now: datetime
    began: int
    files: Mapping[str, Stamp | None]
    revisions: Mapping[str, str]
    _looks: dict[str, Look | None] = field(default_factory=dict)

    def valid(self, memo: Memo, file: str) -> Entry | None:
        """The entry of a spec if everything it came from is as it was, with the stamp the spec has now."""
        entry = memo.entries.get(file)
        if (
            entry is None
            or self.revisions.get(entry.model) != entry.revision
            or entry.since > self.now
            or (entry.until is not None and self.now >= entry.until)
            or (entry.environment and memo.hashed(tuple(entry.environment)) != entry.environment)
            or any(self._look(one.pattern) != one for one in entry.looked)
        ):
            return None
        present = self.files[file]
        if present == entry.stamp:
            return entry
        # Touched, or checked out anew: what counts is what it says.
        with contextlib.suppress(OSError):
            if present is not None and digest_bytes(read_regular(self.root / file)) == entry.content:
                trusted = settled([present], self.began)
                return msgspec.structs.replace(entry, stamp=present) if trusted else entry
        return None

    def _look(self, pattern: str) -> Look | None:
        if pattern not in self._looks:
            try:
                self._looks[pattern] = look(str(self.root), pattern)
            except OSError:
                self._looks[pattern] = None
        return self._looks[pattern]


def question_of(root: Path, overrides: Sequence[str], refresh: bool) -> Question:
    """A question as it is asked now. Raises OSError when `conf/` cannot be read."""
    folder = root / "conf"
    conf = {name: digest_bytes(read_regular(folder / name)) for name, _ in sorted(_conf_files(root))}
    return Question(tuple(overrides), refresh, tool(), conf)


def conf_is_settled(root: Path, since_ns: int) -> bool:
    """Whether `conf/` has surely not been written since a moment of the real clock (ns)."""
    stamps = [one for _, one in _conf_files(root)]
    with contextlib.suppress(OSError):
        stamps.append(stamp(str(root / "conf")))
    return settled((one for one in stamps if one is not None), since_ns)


def recall(root: Path, question: Question) -> Memo | None:
    """What is remembered about a question, in whichever environment it is about; None when nothing is."""
    for path in _candidates(root, question.file_name):
        with contextlib.suppress(OSError, ValueError, msgspec.MsgspecError):
            memo = _read(path)
            if memo.question == question and memo.hashed(tuple(memo.variables)) == memo.variables:
                return memo
    return None


def unreadable(root: Path, environment: str) -> list[Path]:
    """Files of the cache of an environment that hold no answers, or those of another version."""
    found = []
    for path in sorted(Workspace(root, environment).cache.glob("plans-*.msgpack")):
        try:
            _read(path)
        except (OSError, ValueError, msgspec.MsgspecError):
            found.append(path)
    return found


def unified(plan: ModelPlan) -> ModelPlan:
    """The same plan, where a value that stays as it is, is one value instead of two equal ones."""
    changes = tuple(
        msgspec.structs.replace(change, after=change.before) if _stays(change) else change
        for change in plan.changes
    )
    return msgspec.structs.replace(plan, changes=changes)


def _stays(change: Change) -> bool:
    """Whether `after` is `before` to the last bit (1 and 1.0 are equal, but not the same)."""
    if change.after is None or change.after is change.before:
        return False
    return _ENCODER.encode(change.after) == _ENCODER.encode(change.before)


def packed(plan: ModelPlan) -> msgspec.Raw:
    """A plan as an entry keeps it: without defaults, and without the `after` of a change that is its `before`."""
    fields = msgspec.structs.asdict(plan)
    fields["changes"] = [
        {
            name: value
            for name, default in _FIELDS
            if (value := getattr(change, name)) is not default and value != default
        }
        for change in plan.changes
    ]
    same = [
        number
        for number, change in enumerate(plan.changes)
        if change.after is change.before and change.after is not None
    ]
    for number in same:
        del fields["changes"][number]["after"]
    return msgspec.Raw(_ENCODER.encode([fields, same]))


def plan_in(entry: Entry) -> ModelPlan:
    """The remembered plan."""
    plan, same = _PLAN.decode(entry.plan)
    for number in same:
        change = plan.changes[number]
        # Nobody has seen this value yet, and reading the same twice would take half of the time.
        msgspec.structs.force_setattr(change, "after", change.before)
    return plan


def keep(root: Path, memo: Memo) -> None:
    """Write a memo in one piece. Where nothing may be written nothing is, and nobody needs to know."""
    folder = Workspace(root, memo.environment).cache
    path = folder / memo.question.file_name
    part = path.with_name(f"{path.name}.{os.urandom(8).hex()}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(MAGIC + bytes(4))
            check = 0
            for piece in _pieces(memo):
                check = zlib.crc32(piece, check)
                file.write(piece)
            file.seek(len(MAGIC))
            file.write(check.to_bytes(4, "big"))
        part.replace(path)
        _make_room(folder)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()


def _pieces(memo: Memo) -> Iterator[bytes]:
    """What a file holds after its mark and its checksum: the header, then the entries; each piece after its length."""
    header = _Header(memo.question, memo.environment, memo.state, memo.salt, memo.variables, memo.removed)
    yield _framed(_ENCODER.encode(header))
    entries = list(memo.entries.items())
    for start in range(0, len(entries), _AT_ONCE):
        yield _framed(_ENCODER.encode(dict(entries[start : start + _AT_ONCE])))


def _framed(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content


def _make_room(folder: Path) -> None:
    """Remove what was written longest ago, and what writers left that were killed."""
    written = sorted(folder.glob("plans-*.msgpack"), key=lambda path: path.stat().st_mtime_ns)
    for path in written[:-MOST_QUESTIONS]:
        path.unlink(missing_ok=True)
    for path in folder.glob("plans-*.part"):
        if time.time() - path.stat().st_mtime > _ABANDONED:
            path.unlink(missing_ok=True)


def tool() -> str:
    """What computes plans: this version of Tenure, file by file, the interpreter, and where its libraries lie.

    Installing, updating or removing a library changes its folder's time.
    """
    own = sorted(below(str(Path(__file__).parents[1]), (".py",)))
    folders = {
        path
        for path in (*site.getsitepackages(), site.getusersitepackages(), *sys.path)
        if "-packages" in path
    }
    libraries = []
    for path in sorted(folders):
        with contextlib.suppress(OSError):
            libraries.append([path, Path(path).stat().st_mtime_ns])
    return digest([VERSION, sys.version, sys.prefix, own, libraries])


def _read(path: Path) -> Memo:
    content = path.read_bytes()
    start = len(MAGIC) + 4
    body = memoryview(content)[start:]
    if not content.startswith(MAGIC) or zlib.crc32(body) != int.from_bytes(content[start - 4 : start], "big"):
        raise ValueError(f"{path} holds something else")
    pieces = _unframed(body)
    header = _HEADER.decode(next(pieces, b""))
    memo = Memo(
        question=header.question,
        environment=header.environment,
        state=header.state,
        variables=header.variables,
        salt=header.salt,
        removed=header.removed,
    )
    for piece in pieces:
        memo.entries.update(_ENTRIES.decode(piece))
    return memo


def _unframed(body: memoryview) -> Iterator[memoryview]:
    start = 0
    while start < len(body):
        end = start + 4 + int.from_bytes(body[start : start + 4], "big")
        yield body[start + 4 : end]
        start = end


def _candidates(root: Path, name: str) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        for folder in sorted((root / ".tenure").iterdir()):
            path = Workspace(root, folder.name).cache / name
            if path.is_file():
                yield path


def _conf_files(root: Path) -> Iterator[tuple[str, Stamp | None]]:
    return below(str(root / "conf"), SPEC_SUFFIXES)
