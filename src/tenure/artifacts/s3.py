"""Blobs in a bucket of Amazon S3 or of a server that speaks its protocol: one object per blob, named by digest.

Requests, signatures, retries with growing pauses and uploads in parts are the library's (obstore); what is here is the
contract: names, digests checked on every read, a local cache, and errors without secrets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tenure.artifacts.credentials import credentials_of
from tenure.artifacts.naming import digest_at, place_of
from tenure.artifacts.pieces import PIECE_BYTES, described, pieces_of, unchanged
from tenure.artifacts.s3_client import Patience, endpoint_of, open_client, place_shown, shown
from tenure.artifacts.s3_errors import code_in, explain, may_have_arrived, status_in
from tenure.core.digest import PREFIX, digest_bytes
from tenure.core.errors import ArtifactDamaged, ArtifactError, ArtifactMissing

if TYPE_CHECKING:
    from tenure.artifacts.cache import BlobCache
    from tenure.spec.artifacts import S3Artifacts

PART_BYTES = 8 << 20
"""Larger blobs go up in parts of this size, a few at a time: what one blob takes of memory."""

_PARTS_AT_ONCE = 4
_MOST_PARTS = 9_000


class S3ArtifactStore:
    """An `ArtifactStore` in a bucket.

    An object becomes visible when its upload is complete, never before; an upload that fails is aborted, so that its
    parts do not stay. What is read goes through `cache`. Nothing is ever deleted.
    """

    def __init__(self, config: S3Artifacts, cache: BlobCache, *, patience: Patience | None = None) -> None:
        """Open the store; the server is not asked. Raises ArtifactError when the library or a reference is missing."""
        self._root = place_shown(config)
        self._server = shown(endpoint_of(config))
        self._cache = cache
        self._conditional = True
        self._bucket_seen = False
        self._credentials = credentials_of(config)
        if self._credentials is not None:
            self._credentials()
        self._store = open_client(config, self._credentials, patience or Patience())

    def put(self, data: bytes) -> str:
        """Store bytes and return their digest (see `ArtifactStore.put`)."""
        digest = digest_bytes(data)
        if not self._intact(digest):
            if len(data) > PART_BYTES:
                view = memoryview(data)
                pieces = (
                    bytes(view[start : start + PIECE_BYTES]) for start in range(0, len(data), PIECE_BYTES)
                )
                self._upload_parts(digest, pieces, len(data))
            else:
                self._upload(digest, data)
        self._cache.keep(digest, [data])
        return digest

    def put_file(self, path: Path) -> str:
        """Store a copy of a file and return its digest (see `ArtifactStore.put_file`)."""
        digest, size = described(path)
        if size <= PART_BYTES:
            return self.put(b"".join(pieces_of(path)))
        if not self._intact(digest):
            self._upload_parts(digest, unchanged(path, digest), size)
        self._cache.keep(digest, unchanged(path, digest))
        return digest

    def get(self, digest: str) -> bytes:
        """The verified bytes of a blob."""
        data = self._cache.read(digest)
        if data is None:
            data = b"".join(self._download(digest))
            self._cache.keep(digest, [data])
        return data

    def local(self, digest: str) -> Path:
        """The path of a verified copy. It stays for ten minutes after it was last asked for, at least."""
        return self._cache.find(digest) or self._cache.write(digest, self._download(digest))

    def has(self, digest: str) -> bool:
        """Whether the bucket has an object of that name."""
        return self._size(digest) is not None

    def size(self, digest: str) -> int:
        """Bytes of the blob."""
        size = self._size(digest)
        if size is None:
            raise self._missing(digest)
        return size

    def digests(self) -> Iterator[tuple[str, int]]:
        """Every blob of the bucket below the prefix (see `ArtifactStore.digests`); other objects are passed over."""
        import obstore

        with self._explained("listed"):
            listed = [
                (digest, int(item["size"]))
                for page in obstore.list(self._store, chunk_size=1000)
                for item in page
                if (digest := digest_at(item["path"])) is not None
            ]
        # Amazon lists in order; the protocol's other servers do not promise it.
        yield from sorted(listed)

    def verify(self, digest: str) -> None:
        """Read the object in pieces and check it (see `ArtifactStore.verify`); copies are not asked."""
        for _ in self._download(digest):
            pass

    # ---- inside --------------------------------------------------------------------------------------------------

    def _intact(self, digest: str) -> bool:
        """Whether the whole blob is in the bucket already. Reading it back is what finds a damaged one."""
        if self._size(digest) is None:
            return False
        try:
            self.verify(digest)
        except (ArtifactDamaged, ArtifactMissing):
            return False
        return True

    def _size(self, digest: str) -> int | None:
        """The size of an object; None when the bucket has none of that name."""
        import obstore

        place = place_of(digest)
        try:
            with self._explained("read", digest):
                return int(obstore.head(self._store, place)["size"])
        except ArtifactMissing:
            return None

    def _upload(self, digest: str, data: bytes) -> None:
        """Put a small blob in one request, which replaces no other object where the server knows such a condition."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, GenericError

        place = place_of(digest)
        with self._explained("stored", digest):
            if self._conditional:
                try:
                    obstore.put(self._store, place, data, mode="create")
                    return
                except AlreadyExistsError:
                    # Somebody else has just put it - or it is damaged, and then it has to be replaced.
                    if self._intact(digest):
                        return
                except GenericError as error:
                    if status_in(str(error)) == 501:
                        self._conditional = False  # the server does not know the condition
                    elif not may_have_arrived(str(error)):
                        raise
                    # Perhaps only the answer got lost, so the library did not repeat the request. Without the
                    # condition it does, and the same bytes harm nobody.
            obstore.put(self._store, place, data, mode="overwrite", use_multipart=False)

    def _upload_parts(self, digest: str, pieces: Iterable[bytes], size: int) -> None:
        """Put a large blob in parts. When `pieces` or a request fails, the library aborts the upload."""
        import obstore

        try:
            with self._explained("stored", digest):
                obstore.put(
                    self._store,
                    place_of(digest),
                    iter(pieces),
                    use_multipart=True,
                    chunk_size=max(PART_BYTES, -(-size // _MOST_PARTS)),
                    max_concurrency=_PARTS_AT_ONCE,
                )
        except ArtifactError:
            # When only the answer to the last request got lost, its repetition is refused: the upload is over.
            with suppress(ArtifactError):
                if self._intact(digest):
                    return
            raise

    def _download(self, digest: str) -> Iterator[bytes]:
        """The pieces of a blob. Raises ArtifactDamaged after the last one when they are not what the name promises."""
        import obstore

        hasher = hashlib.sha256()
        place = place_of(digest)
        with self._explained("read", digest):
            for chunk in obstore.get(self._store, place).stream(min_chunk_size=PIECE_BYTES):
                piece = bytes(chunk)
                hasher.update(piece)
                yield piece
        if PREFIX + hasher.hexdigest() != digest:
            raise ArtifactDamaged(
                "An artifact is damaged",
                f"{self._root}/{place} does not contain what its name {digest} promises: the object was replaced, or "
                f"{self._server} sends wrong bytes.",
                "Restore an earlier version of the object, or see what can be rebuilt: tenure state doctor",
            )

    @contextmanager
    def _explained(self, doing: str, digest: str = "") -> Iterator[None]:
        """Turn what the library raises into an ArtifactError. Its text may hold secrets, so it is not chained."""
        from obstore.exceptions import BaseError

        place = f"{self._root}/{place_of(digest)}" if digest else self._root
        try:
            yield
        except FileNotFoundError as error:
            if doing == "read" and code_in(str(error)) in ("", "NoSuchKey") and self._bucket_is_there():
                raise self._missing(digest) from None
            raise explain(error, doing, place, self._server) from None
        except (BaseError, OSError, ValueError) as error:
            problem = self._credentials.problem if self._credentials is not None else None
            mute = doing == "read" and status_in(str(error)) in (400, 401, 403) and not code_in(str(error))
            if problem is None and mute:
                # A request for the size of an object is refused without a word; a listing gives the reason.
                self._bucket_is_there(again=True)
            raise problem or explain(error, doing, place, self._server) from None

    def _bucket_is_there(self, *, again: bool = False) -> bool:
        """Whether the bucket can be listed: an absent bucket has no objects either. Raises ArtifactError if not."""
        import obstore

        if again or not self._bucket_seen:
            with self._explained("listed"):
                next(obstore.list(self._store, chunk_size=1), None)
            self._bucket_seen = True
        return True

    def _missing(self, digest: str) -> ArtifactMissing:
        return ArtifactMissing(
            "An artifact is missing",
            f"{digest} should be in {self._root}/{place_of(digest)}, where {self._server} has nothing.",
            "Restore the object from a backup, or see what can be rebuilt: tenure state doctor",
        )
