"""What every artifact store must do, run against each of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.artifacts.servers import store_at

from tenure.artifacts.folder import FolderArtifactStore
from tenure.artifacts.store import ArtifactStore
from tenure.core.errors import ArtifactError, ArtifactMissing


def in_a_folder(tmp_path: Path, request: pytest.FixtureRequest) -> ArtifactStore:
    return FolderArtifactStore(tmp_path / "artifacts")


def in_a_bucket(tmp_path: Path, request: pytest.FixtureRequest) -> ArtifactStore:
    request.getfixturevalue("s3_keys")
    return store_at(request.getfixturevalue("s3_url"), uuid4().hex, tmp_path / "cache")


STORES: dict[str, Callable[[Path, pytest.FixtureRequest], ArtifactStore]] = {
    "folder": in_a_folder,
    "s3": in_a_bucket,
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    return STORES[request.param](tmp_path, request)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(data=st.binary(max_size=200))
def test_bytes_come_back_as_they_were_put(store: ArtifactStore, data: bytes) -> None:
    digest = store.put(data)
    assert digest == "sha256:" + hashlib.sha256(data).hexdigest()
    assert store.get(digest) == data
    assert store.local(digest).read_bytes() == data
    assert store.has(digest)
    assert store.size(digest) == len(data)


def test_a_file_has_the_same_name_as_its_bytes(store: ArtifactStore, tmp_path: Path) -> None:
    source = tmp_path / "big.bin"
    source.write_bytes(bytes(range(256)) * 10_000)
    assert store.put_file(source) == store.put(source.read_bytes())
    assert source.exists()


def test_putting_twice_is_harmless(store: ArtifactStore) -> None:
    assert store.put(b"same") == store.put(b"same")


def test_concurrent_puts_of_the_same_blob(store: ArtifactStore) -> None:
    data = b"x" * 300_000
    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(lambda _: store.put(data), range(16)))
    assert len(names) == 1
    assert store.get(names.pop()) == data


def test_a_missing_blob_is_an_error_with_its_name(store: ArtifactStore) -> None:
    absent = "sha256:" + "0" * 64
    assert not store.has(absent)
    for read in (store.get, store.local, store.size, store.verify):
        with pytest.raises(ArtifactMissing, match="missing") as caught:
            read(absent)
        assert absent in caught.value.detail


@pytest.mark.parametrize("name", ["", "sha256:abc", "../../etc/passwd", "sha256:" + "A" * 64, "0" * 64])
def test_what_is_no_digest_never_reaches_the_file_system(store: ArtifactStore, name: str) -> None:
    with pytest.raises(ArtifactError, match="Not the name"):
        store.get(name)


def test_a_source_that_is_not_there(store: ArtifactStore, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be stored"):
        store.put_file(tmp_path / "nowhere")


def test_every_blob_is_listed_with_its_size(store: ArtifactStore) -> None:
    assert list(store.digests()) == []
    names = {store.put(data): len(data) for data in (b"", b"one", b"two" * 1000)}
    assert list(store.digests()) == sorted(names.items())


def test_a_blob_is_verified_where_it_is_kept(store: ArtifactStore) -> None:
    store.verify(store.put(b"whole"))
    with pytest.raises(ArtifactError, match="missing"):
        store.verify("sha256:" + "0" * 64)
