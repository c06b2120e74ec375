"""Objects that others keep, read by URL: `s3://` with the credentials of `credentials.py`, `http(s)://` without any.

What an object is now is asked for without reading it; its bytes are streamed into a file.
"""

from __future__ import annotations

import fnmatch
import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import msgspec

from tenure.artifacts.credentials import credentials_of
from tenure.artifacts.s3_client import Patience, endpoint_of, open_client, shown
from tenure.artifacts.s3_errors import explain
from tenure.core.digest import digest
from tenure.core.errors import ArtifactError, ArtifactMissing
from tenure.spec.artifacts import S3Artifacts

if TYPE_CHECKING:
    from http.client import HTTPResponse

    from obstore.store import S3Store

SCHEMES = ("s3://", "https://", "http://")
_SILENCE_SECONDS = 30.0
_PATIENCE = Patience(silence_seconds=_SILENCE_SECONDS, retries=4, retry_seconds=60.0)
_MAGIC = frozenset("*?[")
_PIECE = 8 << 20


class RemoteObject(msgspec.Struct, frozen=True):
    """What a server says of an object: `tag` is its ETag, `modified` in seconds since 1970; None if it says nothing."""

    url: str
    size: int | None = None
    tag: str | None = None
    modified: float | None = None

    @property
    def identity(self) -> str | None:
        """Another one for other content, as far as the server tells; None when it tells nothing."""
        if self.tag is None and self.modified is None:
            return None
        return digest([self.url, self.size, self.tag, self.modified])


def is_url(path: str) -> bool:
    """Whether a path leads to a server."""
    return path.startswith(SCHEMES)


def look_up(url: str) -> list[RemoteObject]:
    """What is at a URL, in order of name: one object, or those of a glob (`s3://` only). Nothing is read.

    Raises ArtifactMissing when nothing is there, ArtifactError when the server cannot be asked.
    """
    return _look_up_s3(url) if url.startswith("s3://") else [_look_up_http(url)]


def fetch(found: RemoteObject, file: Path) -> None:
    """Stream an object into a file. Raises ArtifactMissing, ArtifactError."""
    if found.url.startswith("s3://"):
        _fetch_s3(found, file)
    else:
        _fetch_http(found, file)


def _look_up_s3(url: str) -> list[RemoteObject]:
    from obstore.exceptions import BaseError

    bucket, key = _bucket_and_key(url)
    config, store = _opened(bucket)
    fixed = _before_magic(key)
    found = []
    try:
        if fixed == key:
            meta = store.head(key)
            return [_described(bucket, meta)]
        for page in store.list(fixed or None):
            found += [_described(bucket, meta) for meta in page if _matches(meta["path"], key)]
    except FileNotFoundError as error:
        raise _missing(url) from error
    except (BaseError, OSError, ValueError) as error:
        # Not chained: the message of the library may hold what is secret.
        raise explain(error, "read", f"s3://{bucket}", shown(endpoint_of(config))) from None
    if not found:
        raise _missing(url)
    return sorted(found, key=lambda item: item.url)


def _fetch_s3(found: RemoteObject, file: Path) -> None:
    from obstore.exceptions import BaseError

    bucket, key = _bucket_and_key(found.url)
    config, store = _opened(bucket)
    try:
        answer = store.get(key)
        _refuse_changed(found, _described(bucket, answer.meta))
        with file.open("wb") as stream:
            for piece in answer.stream(min_chunk_size=_PIECE):
                stream.write(piece)
    except FileNotFoundError as error:
        raise _missing(found.url) from error
    except (BaseError, ValueError) as error:
        raise explain(error, "read", f"s3://{bucket}", shown(endpoint_of(config))) from None


def _opened(bucket: str) -> tuple[S3Artifacts, S3Store]:
    try:
        config = S3Artifacts(type="s3", bucket=bucket, prefix="")
    except ValueError as error:
        raise ArtifactError(
            "The bucket's name is not valid.",
            f"{bucket!r} is no name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens.",
        ) from error
    return config, open_client(config, credentials_of(config), _PATIENCE)


def _bucket_and_key(url: str) -> tuple[str, str]:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return bucket, key


def _before_magic(key: str) -> str:
    """The folders in front of the first part of a glob that is not taken literally; all of a key without any."""
    parts = key.split("/")
    for position, part in enumerate(parts):
        if _MAGIC & set(part):
            return "".join(f"{one}/" for one in parts[:position])
    return key


def _matches(key: str, pattern: str) -> bool:
    """As a glob over files does: `*` stays within a folder, `**` is any number of folders."""
    return _parts_match(key.split("/"), pattern.split("/"))


def _parts_match(parts: list[str], patterns: list[str]) -> bool:
    if not patterns:
        return not parts
    if patterns[0] == "**":
        return any(_parts_match(parts[n:], patterns[1:]) for n in range(len(parts) + 1))
    return (
        bool(parts) and fnmatch.fnmatchcase(parts[0], patterns[0]) and _parts_match(parts[1:], patterns[1:])
    )


def _described(bucket: str, meta: object) -> RemoteObject:
    known: dict[str, object] = dict(meta)  # type: ignore[call-overload]
    modified = known["last_modified"]
    tag = known.get("e_tag")
    return RemoteObject(
        f"s3://{bucket}/{known['path']}",
        int(str(known["size"])),
        None if tag is None else str(tag),
        modified.timestamp(),  # type: ignore[attr-defined]
    )


def _look_up_http(url: str) -> RemoteObject:
    if _MAGIC & set(urlsplit(url).path):
        raise ArtifactError(
            "A glob cannot be looked up over HTTP.",
            f"{url}: a web server does not say which files it has.",
            "Name one file, or give each file a source of its own.",
        )
    with _request(url, "HEAD") as answer:
        return _said(url, answer)


def _said(url: str, answer: HTTPResponse) -> RemoteObject:
    """What the headers of an answer say."""
    size = answer.headers.get("Content-Length")
    return RemoteObject(
        url,
        int(size) if size and size.isdigit() else None,
        answer.headers.get("ETag"),
        _moment(answer.headers.get("Last-Modified")),
    )


def _refuse_changed(looked_up: RemoteObject, now: RemoteObject) -> None:
    pairs = ((looked_up.tag, now.tag), (looked_up.modified, now.modified))
    if any(None not in pair and pair[0] != pair[1] for pair in pairs):
        raise ArtifactError(
            "The object changed while it was read.", f"{now.url} was written to.", "Run the command again."
        )


def _moment(text: str | None) -> float | None:
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except ValueError:
        return None


def _fetch_http(found: RemoteObject, file: Path) -> None:
    with _request(found.url, "GET") as answer, file.open("wb") as stream:
        _refuse_changed(found, _said(found.url, answer))
        expected = answer.headers.get("Content-Length")
        try:
            shutil.copyfileobj(answer, stream, _PIECE)
        except (TimeoutError, ConnectionError) as error:
            raise _unreached(found.url, str(error)) from error
        # A connection that is cut off looks like the end of the file.
        if expected and expected.isdigit() and stream.tell() != int(expected):
            raise _unreached(found.url, f"{stream.tell():,} of {int(expected):,} bytes arrived")


def _request(url: str, method: str) -> HTTPResponse:
    import urllib.error
    import urllib.request

    # The scheme is one of `SCHEMES`; what a person typed may hold blanks.
    request = urllib.request.Request(quote(url, safe=":/?&=%@+,;~#"), method=method)
    try:
        answer: HTTPResponse = urllib.request.urlopen(request, timeout=_SILENCE_SECONDS)
    except urllib.error.HTTPError as error:
        with error:
            if error.code in (404, 410):
                raise _missing(url) from error
            raise ArtifactError(
                "The server refuses.",
                f"{url} cannot be read: the server answers {error.code} {error.reason}.",
                "Check the URL; pages behind a login cannot be read.",
            ) from error
    except (OSError, ValueError) as error:
        raise _unreached(url, str(getattr(error, "reason", error))) from error
    return answer


def _missing(url: str) -> ArtifactMissing:
    return ArtifactMissing("Nothing is there.", f"nothing is found at {url!r}", "check the URL")


def _unreached(url: str, reason: str) -> ArtifactError:
    return ArtifactError(
        "The server cannot be reached.",
        f"{url}: {reason}.",
        "Check the network and the URL, then repeat the command.",
    )
