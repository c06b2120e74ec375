"""A bucket behind a network and a server on bad days: repeated, or a clear error; never a wrong or torn blob."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from tests.artifacts.faults import (
    Answer,
    Fault,
    Handler,
    Proxy,
    cuts,
    garbles,
    hangs_up,
    hangs_up_afterwards,
    proxy_to,
    refuses,
    says_nothing,
    waits,
)
from tests.artifacts.servers import KEY_ID, SECRET, objects, store_at, unfinished

from tenure.artifacts.s3 import PART_BYTES, S3ArtifactStore
from tenure.core.digest import digest_bytes
from tenure.core.errors import ArtifactDamaged, ArtifactError, ArtifactMissing

pytestmark = pytest.mark.usefixtures("s3_keys")

TOKEN = "c4n4ry-t0k3n"


@pytest.fixture
def proxy(s3_url: str) -> Iterator[Proxy]:
    with proxy_to(s3_url) as proxy:
        yield proxy


@pytest.fixture
def prefix() -> str:
    return uuid4().hex


@pytest.fixture
def store(proxy: Proxy, prefix: str, tmp_path: Path) -> S3ArtifactStore:
    return store_at(proxy.url, prefix, tmp_path / "cache")


@pytest.fixture
def impatient(proxy: Proxy, prefix: str, tmp_path: Path) -> S3ArtifactStore:
    """A store to which a server is silent that needs a second."""
    return store_at(proxy.url, prefix, tmp_path / "cache", silence=0.6)


def big_file(tmp_path: Path) -> Path:
    """More than two parts that do not repeat."""
    path = tmp_path / "big.bin"
    path.write_bytes(os.urandom(2 * PART_BYTES + 12_345))
    return path


@pytest.mark.parametrize(
    "fault",
    [
        refuses(500, "InternalError"),
        refuses(503, "SlowDown"),
        refuses(503),
        refuses(429),
        hangs_up,
        hangs_up_afterwards,
        waits(0.9),
    ],
    ids=["500", "503", "503-mute", "429", "reset", "answer-lost", "slow"],
)
def test_what_passes_is_waited_for(
    proxy: Proxy, impatient: S3ArtifactStore, prefix: str, fault: Fault
) -> None:
    store = impatient
    proxy.fail("PUT", fault, times=2)
    digest = store.put(b"a model")
    assert store.has(digest)
    assert list(objects(proxy.url, prefix)) == [f"{prefix}/{digest[7:9]}/{digest[7:]}"]
    proxy.fail("GET", fault, times=2)
    store._cache.root.rename(store._cache.root.with_name("aside"))
    assert store.get(digest) == b"a model"


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (refuses(500, "InternalError"), "InternalError"),
        (refuses(503), "503"),
        (hangs_up, "the connection breaks off"),
        (says_nothing, "does not answer in time"),
    ],
    ids=["500", "503", "reset", "silent"],
)
def test_what_does_not_pass_is_said_and_nothing_is_stored(
    proxy: Proxy, impatient: S3ArtifactStore, prefix: str, tmp_path: Path, fault: Fault, says: str
) -> None:
    store = impatient
    proxy.fail("PUT", fault)
    with pytest.raises(ArtifactError, match=r"fails|cannot be reached") as caught:
        store.put(b"a model")
    assert says in caught.value.detail
    assert not isinstance(caught.value, ArtifactMissing | ArtifactDamaged)
    assert caught.value.exit_code == 1
    assert caught.value.hint
    proxy.heal()
    assert objects(proxy.url, prefix) == {}
    assert list(store.digests()) == []
    digest = store.put(b"a model")
    proxy.fail("GET", fault)
    again = store_at(proxy.url, prefix, tmp_path / "other", silence=0.6)
    with pytest.raises(ArtifactError) as caught:
        again.get(digest)
    assert says in caught.value.detail
    assert not isinstance(caught.value, ArtifactMissing | ArtifactDamaged)
    assert proxy.url.removeprefix("http://") in caught.value.detail


def test_a_connection_that_breaks_in_the_middle_of_a_blob(
    proxy: Proxy, store: S3ArtifactStore, tmp_path: Path
) -> None:
    digest = store.put_file(big_file(tmp_path))
    for read in ("get", "local"):
        fresh = store_at(proxy.url, store._root.rpartition("/")[2], tmp_path / f"cache-{read}")
        proxy.fail("GET", cuts(3_000_000), times=2)
        found = getattr(fresh, read)(digest)
        assert digest_bytes(found if isinstance(found, bytes) else found.read_bytes()) == digest
        assert [path.name for path in fresh._cache.root.rglob("*.part")] == []


def test_a_connection_that_always_breaks_leaves_no_copy(
    proxy: Proxy, store: S3ArtifactStore, prefix: str, tmp_path: Path
) -> None:
    digest = store.put_file(big_file(tmp_path))
    fresh = store_at(proxy.url, prefix, tmp_path / "fresh")
    proxy.fail("GET", cuts(100))
    for read in (fresh.get, fresh.local, fresh.verify):
        with pytest.raises(ArtifactError, match="cannot be reached") as caught:
            read(digest)
        assert "breaks off" in caught.value.detail
    assert [path for path in fresh._cache.root.rglob("*") if path.is_file()] == []


def test_wrong_bytes_are_never_a_result(
    proxy: Proxy, store: S3ArtifactStore, prefix: str, tmp_path: Path
) -> None:
    digest = store.put(b"0123456789")
    fresh = store_at(proxy.url, prefix, tmp_path / "fresh")
    proxy.fail("GET", garbles)
    for read in (fresh.get, fresh.local, fresh.verify):
        with pytest.raises(ArtifactDamaged, match="damaged") as caught:
            read(digest)
        assert digest in caught.value.detail
    assert [path for path in fresh._cache.root.rglob("*") if path.is_file()] == []
    proxy.heal()
    assert fresh.get(digest) == b"0123456789"


@pytest.mark.parametrize(
    "part", [r"\?uploads", "partNumber=2", "POST .*uploadId="], ids=["begin", "part", "end"]
)
def test_an_upload_in_parts_that_fails_leaves_nothing(
    proxy: Proxy, store: S3ArtifactStore, prefix: str, tmp_path: Path, part: str
) -> None:
    source = big_file(tmp_path)
    proxy.fail(part, refuses(403, "AccessDenied"))
    with pytest.raises(ArtifactError, match="denies access"):
        store.put_file(source)
    proxy.heal()
    assert objects(proxy.url, prefix) == {}
    assert unfinished(proxy.url, prefix) == []
    assert store.verify(store.put_file(source)) is None


def test_parts_are_repeated_one_by_one(proxy: Proxy, store: S3ArtifactStore, tmp_path: Path) -> None:
    proxy.fail("partNumber=1", hangs_up, times=1)
    proxy.fail("partNumber=2", refuses(503, "SlowDown"), times=2)
    proxy.fail("partNumber=3", hangs_up_afterwards, times=1)
    store.verify(store.put_file(big_file(tmp_path)))
    uploads = [request for request in proxy.seen if request.startswith("PUT")]
    assert len(uploads) == 3 + 1 + 2 + 1


@pytest.mark.parametrize(
    "what", [r"\?uploads", "partNumber=", "POST .*uploadId="], ids=["begin", "part", "end"]
)
def test_an_answer_that_is_lost_does_not_fail_an_upload(
    proxy: Proxy, store: S3ArtifactStore, tmp_path: Path, what: str
) -> None:
    proxy.fail(what, hangs_up_afterwards, times=1)
    store.verify(store.put_file(big_file(tmp_path)))


def test_an_upload_whose_end_cannot_be_asked_twice(
    proxy: Proxy, store: S3ArtifactStore, prefix: str, tmp_path: Path
) -> None:
    source = big_file(tmp_path)
    proxy.fail("POST .*uploadId=", hangs_up_afterwards, times=1)
    proxy.fail("POST .*uploadId=", refuses(404, "NoSuchUpload"))
    store.verify(store.put_file(source))
    other = store_at(proxy.url, f"{prefix}/other", tmp_path / "other")
    with pytest.raises(ArtifactError, match="refuses") as caught:
        other.put_file(source)
    assert "NoSuchUpload" in caught.value.detail


def test_no_object_replaces_another_where_the_server_knows_conditions(
    proxy: Proxy, store: S3ArtifactStore
) -> None:
    store.put(b"first")
    proxy.fail("PUT", refuses(501, "NotImplemented"), times=4)
    store.verify(store.put(b"second"))
    store.verify(store.put(b"third"))
    sent = [
        headers.get("if-none-match")
        for request, headers in zip(proxy.seen, proxy.headers, strict=True)
        if request.startswith("PUT")
    ]
    # The second is asked for four times before the server is believed; it is not asked again.
    assert sent == ["*", "*", "*", "*", "*", None, None]


def test_somebody_else_puts_it_at_the_same_moment(proxy: Proxy, store: S3ArtifactStore) -> None:
    data = b"the same model"
    digest = digest_bytes(data)

    def is_first(handler: Handler, ask: Callable[[], Answer]) -> None:
        ask()
        handler.give(ask())

    proxy.fail("PUT", is_first, times=1)
    assert store.put(data) == digest
    assert sum(request.startswith("PUT") for request in proxy.seen) == 1


WORDS = {
    "ExpiredToken": (400, "has expired"),
    "InvalidAccessKeyId": (403, "does not know the access key"),
    "SignatureDoesNotMatch": (403, "does not belong"),
    "InvalidToken": (400, "not valid"),
    "AccessDenied": (403, "s3:PutObject"),
    "RequestTimeTooSkewed": (403, "clock"),
    "NoSuchBucket": (404, "bucket does not exist"),
    "PermanentRedirect": (301, "region"),
    "AuthorizationHeaderMalformed": (400, "region"),
    "QuotaExceeded": (403, "space"),
    "SomethingNew": (400, "SomethingNew"),
}


@pytest.mark.parametrize("code", WORDS)
def test_every_refusal_has_words_and_no_secret(proxy: Proxy, store: S3ArtifactStore, code: str) -> None:
    status, words = WORDS[code]
    told = f"<AWSAccessKeyId>{KEY_ID}</AWSAccessKeyId><Token-0>{TOKEN}</Token-0><Secret>{SECRET}</Secret>"
    proxy.fail("", refuses(status, code, told))
    absent = "sha256:" + "0" * 64
    for ask in (
        lambda: store.put(b"x"),
        lambda: store.get(absent),
        lambda: store.has(absent),
        lambda: list(store.digests()),
    ):
        with pytest.raises(ArtifactError) as caught:
            ask()
        assert words.lower() in str(caught.value).lower()
        shown = _everything_printed(caught.value)
        assert not any(secret in shown for secret in (KEY_ID, SECRET, TOKEN))
        assert not isinstance(caught.value, ArtifactMissing)


def _everything_printed(error: BaseException) -> str:
    """As `-v` prints it."""
    import traceback

    return "".join(traceback.format_exception(error))


def test_a_slow_server_is_waited_for(proxy: Proxy, store: S3ArtifactStore) -> None:
    proxy.fail("", waits(0.3))
    begun = time.monotonic()
    assert store.get(store.put(b"slowly")) == b"slowly"
    assert time.monotonic() - begun > 0.3
