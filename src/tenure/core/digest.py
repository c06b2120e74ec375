"""Digests: the only place where hashing is defined.

A digest is `sha256:` and 64 hexadecimal digits over canonical JSON (sorted keys, no blanks, shortest
round-trip floats) or over bytes. `HASH_VERSION` enters every value digest, so that a later rule can be told apart.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HASH_VERSION = 1
PREFIX = "sha256:"
_CHUNK = 1 << 20
_AS_THEY_ARE = frozenset((str, int, bool, type(None)))
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical(value: Any) -> bytes:
    """Canonical JSON of a JSON-able value. Raises ValueError for NaN and infinities, TypeError for anything else."""
    return _ENCODER.encode(_plain(value)).encode()


def digest(value: Any) -> str:
    """Digest of a JSON-able value; equal values have equal digests whatever their key order."""
    return PREFIX + hashlib.sha256(b"tenure:%d:" % HASH_VERSION + canonical(value)).hexdigest()


def digest_of_parts(parts: Mapping[str, bytes]) -> str:
    """Digest of a mapping whose values are at hand as `canonical` bytes; the same as `digest` of the mapping."""
    body = b",".join(canonical(key) + b":" + parts[key] for key in sorted(parts))
    return PREFIX + hashlib.sha256(b"tenure:%d:{" % HASH_VERSION + body + b"}").hexdigest()


def digest_bytes(data: bytes) -> str:
    """Digest of bytes as they are: the name of a blob."""
    return PREFIX + hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> str:
    """Digest of a file's bytes, read in pieces."""
    hasher = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            hasher.update(chunk)
    return PREFIX + hasher.hexdigest()


def short(value: str) -> str:
    """The first eight digits, for people."""
    return value.removeprefix(PREFIX)[:8]


def _plain(value: Any) -> Any:
    """1.0 and 1 are the same number in YAML and JSON, so they must not differ in a digest."""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {str(key): item if type(item) in _AS_THEY_ARE else _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [item if type(item) in _AS_THEY_ARE else _plain(item) for item in value]
    return value
