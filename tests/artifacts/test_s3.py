"""The bucket as people find it: names, damage, repair, large files, copies, and what is wrong with the set-up."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from uuid import uuid4

import pytest
from tests.artifacts.faults import proxy_to
from tests.artifacts.servers import (
    BUCKET,
    client,
    objects,
    settings,
    store_at,
    unfinished,
)

from tenure.artifacts import s3
from tenure.artifacts.cache import BlobCache
from tenure.artifacts.opening import open_artifacts
from tenure.artifacts.s3 import PART_BYTES, S3ArtifactStore
from tenure.core.digest import PREFIX
from tenure.core.errors import ArtifactDamaged, ArtifactError, ArtifactMissing

pytestmark = pytest.mark.usefixtures("s3_keys")

ABSENT = PREFIX + "0" * 64


@pytest.fixture
def url(s3_url: str) -> str:
    return s3_url


@pytest.fixture
def prefix() -> str:
    return f"team/{uuid4().hex}"


@pytest.fixture
def store(url: str, prefix: str, tmp_path: Path) -> S3ArtifactStore:
    return store_at(url, prefix, tmp_path / "cache")


def key_of(prefix: str, digest: str) -> str:
    digits = digest.removeprefix(PREFIX)
    return f"{prefix}/{digits[:2]}/{digits}"


def replace(url: str, prefix: str, digest: str, data: bytes) -> None:
    client(url).put_object(Bucket=BUCKET, Key=key_of(prefix, digest), Body=data)


def test_a_blob_lies_under_its_digest(url: str, store: S3ArtifactStore, prefix: str) -> None:
    digest = store.put(b"a model")
    assert objects(url, prefix)[key_of(prefix, digest)] == 7


def test_the_prefix_may_be_empty(url: str, tmp_path: Path) -> None:
    store = store_at(url, "", tmp_path / "cache")
    digest = store.put(os.urandom(9))
    assert objects(url, digest[7:9])[key_of("", digest).removeprefix("/")] == 9
    assert (digest, 9) in store.digests()


def test_environments_do_not_see_one_another(url: str, prefix: str, tmp_path: Path) -> None:
    one, other = (store_at(url, f"{prefix}/{name}", tmp_path / name) for name in ("dev", "dev2"))
    digest = one.put(b"of dev")
    assert not other.has(digest)
    assert list(other.digests()) == []


def test_asking_needs_no_copy_and_keeps_none(store: S3ArtifactStore) -> None:
    assert not store.has(ABSENT)
    assert list(store.digests()) == []
    assert not store._cache.root.exists()


@pytest.mark.parametrize("wrong", [b"", b"01234", b"0123456780", b"0123456789+"])
def test_a_replaced_object_is_found_and_repaired(
    url: str, store: S3ArtifactStore, prefix: str, tmp_path: Path, wrong: bytes
) -> None:
    digest = store.put(b"0123456789")
    replace(url, prefix, digest, wrong)
    fresh = store_at(url, prefix, tmp_path / "fresh")
    for read in (fresh.get, fresh.local, fresh.verify, store.verify):
        with pytest.raises(ArtifactDamaged) as caught:
            read(digest)
        assert f"s3://{BUCKET}/{key_of(prefix, digest)}" in caught.value.detail
    assert fresh.put(b"0123456789") == digest
    assert client(url).get_object(Bucket=BUCKET, Key=key_of(prefix, digest))["Body"].read() == b"0123456789"
    store.verify(digest)


def test_a_good_object_is_not_written_again(url: str, store: S3ArtifactStore, prefix: str) -> None:
    digest = store.put(b"once")
    written = client(url).head_object(Bucket=BUCKET, Key=key_of(prefix, digest))["LastModified"]
    client(url).put_object_tagging(
        Bucket=BUCKET, Key=key_of(prefix, digest), Tagging={"TagSet": [{"Key": "kept", "Value": "yes"}]}
    )
    assert store.put(b"once") == digest
    assert client(url).head_object(Bucket=BUCKET, Key=key_of(prefix, digest))["LastModified"] == written
    assert client(url).get_object_tagging(Bucket=BUCKET, Key=key_of(prefix, digest))["TagSet"]


def test_more_blobs_than_one_page_of_a_listing(url: str, store: S3ArtifactStore, prefix: str) -> None:
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    names = [PREFIX + f"{number:04x}" * 16 for number in range(1_200)]
    for name in reversed(names):
        backend.put_object(BUCKET, key_of(prefix, name), b"x")
    backend.put_object(BUCKET, f"{prefix}/README", b"what a person put there")
    backend.put_object(BUCKET, f"{prefix}/zz/{'a' * 64}", b"misplaced")
    assert list(store.digests()) == [(name, 1) for name in names]


def test_a_large_blob_goes_up_in_parts(url: str, store: S3ArtifactStore, prefix: str, tmp_path: Path) -> None:
    data = os.urandom(2 * PART_BYTES + 5)
    source = tmp_path / "source"
    source.write_bytes(data)
    digest = store.put_file(source)
    tag = client(url).head_object(Bucket=BUCKET, Key=key_of(prefix, digest))["ETag"]
    assert tag.strip('"').endswith("-3")
    assert store.local(digest).read_bytes() == data
    replace(url, prefix, digest, data[:-1])
    assert store.put(data) == digest
    store.verify(digest)
    assert unfinished(url, prefix) == []


def test_a_file_that_is_still_written_to_is_refused(
    url: str, store: S3ArtifactStore, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(PART_BYTES + 5))
    look = s3.described

    def look_then_write(path: Path) -> tuple[str, int]:
        found = look(path)
        with path.open("ab") as stream:
            stream.write(b"more")
        return found

    monkeypatch.setattr(s3, "described", look_then_write)
    with pytest.raises(ArtifactError, match="changed while it was stored"):
        store.put_file(source)
    assert list(store.digests()) == []
    assert unfinished(url, prefix) == []


def test_what_was_put_or_read_is_read_again_without_the_server(
    url: str, store: S3ArtifactStore, prefix: str, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"of a file")
    small, file = store.put(b"small"), store.put_file(source)
    reader = store_at(url, prefix, tmp_path / "reader")
    assert (reader.get(small), reader.local(file).read_bytes()) == (b"small", b"of a file")
    for cache in (tmp_path / "cache", tmp_path / "reader"):
        offline = store_at("http://127.0.0.1:9", prefix, cache)
        assert (offline.local(small).read_bytes(), offline.get(file)) == (b"small", b"of a file")


def test_a_damaged_copy_is_fetched_again(store: S3ArtifactStore) -> None:
    digest = store.put(b"0123456789")
    for read in (lambda: store.get(digest), lambda: store.local(digest).read_bytes()):
        path = store.local(digest)
        path.chmod(0o644)
        path.write_bytes(b"012345678x")
        assert read() == b"0123456789"


def test_without_a_place_for_copies_blobs_are_still_read(
    url: str, store: S3ArtifactStore, prefix: str, tmp_path: Path
) -> None:
    digest = store.put(b"a model")
    (tmp_path / "file").write_text("in the way")
    bare = store_at(url, prefix, tmp_path / "file" / "cache")
    assert bare.get(digest) == b"a model"
    assert bare.put(b"another") == store.put(b"another")
    with pytest.raises(ArtifactError, match="copy of an artifact cannot be kept"):
        bare.local(digest)


# ---- the set-up ------------------------------------------------------------------------------------------------------


def test_a_bucket_that_is_not_there(url: str, prefix: str, tmp_path: Path) -> None:
    store = S3ArtifactStore(
        settings(url, prefix).model_copy(update={"bucket": "no-such-bucket"}), BlobCache(tmp_path, 1000)
    )
    for ask in (
        lambda: store.put(b"x"),
        lambda: store.get(ABSENT),
        lambda: store.has(ABSENT),
        lambda: store.size(ABSENT),
        lambda: list(store.digests()),
    ):
        with pytest.raises(ArtifactError, match="bucket does not exist") as caught:
            ask()
        assert not isinstance(caught.value, ArtifactMissing)
        assert "no-such-bucket" in caught.value.detail


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:9", "nothing listens there"),
        ("http://nowhere.invalid.test", "its name leads to no address"),
    ],
)
def test_a_server_that_is_not_there(
    url: str, why: str, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    store = store_at(url, prefix, tmp_path)
    with pytest.raises(ArtifactError, match="cannot be reached") as caught:
        store.put(b"x")
    assert why in caught.value.detail
    assert "tried 4 times" in caught.value.detail


def test_a_server_without_tls(url: str, prefix: str, tmp_path: Path) -> None:
    store = store_at(url.replace("http:", "https:"), prefix, tmp_path)
    with pytest.raises(ArtifactError, match="cannot be reached") as caught:
        store.has(ABSENT)
    assert "does not speak TLS" in caught.value.detail
    assert "http://" in caught.value.hint


def test_a_certificate_of_an_authority_of_ones_own(
    url: str, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, server = certificates(tmp_path)
    with proxy_to(url, server) as proxy:
        with pytest.raises(ArtifactError, match="cannot be reached") as caught:
            store_at(proxy.url, prefix, tmp_path / "cache").put(b"x")
        assert "certificate is not trusted" in caught.value.detail
        assert "AWS_CA_BUNDLE" in caught.value.hint
        monkeypatch.setenv("AWS_CA_BUNDLE", str(authority))
        trusting = store_at(proxy.url, prefix, tmp_path / "cache")
        trusting.verify(trusting.put(b"x"))
    (tmp_path / "empty.pem").write_text("none")
    (tmp_path / "garbage.pem").write_text("-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n")
    for wrong in ("nowhere.pem", "empty.pem", "garbage.pem", "."):
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / wrong))
        with pytest.raises(ArtifactError) as caught:
            store_at(url, prefix, tmp_path / "cache")
        assert "AWS_CA_BUNDLE" in caught.value.detail


def certificates(folder: Path) -> tuple[Path, Path]:
    """The certificate of an authority, and one of 127.0.0.1 with its key that the authority has issued."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now = datetime.now(UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]) for name in ("authority", "server")
    ]
    address = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    pem = []
    for name, key in zip(names, keys, strict=True):
        issued = (
            x509.CertificateBuilder(names[0], name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=name == names[0], path_length=None), critical=True)
            .add_extension(address, critical=False)
            .sign(keys[0], hashes.SHA256())
        )
        pem.append(issued.public_bytes(serialization.Encoding.PEM))
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    authority, server = folder / "authority.pem", folder / "server.pem"
    authority.write_bytes(pem[0])
    server.write_bytes(pem[1] + keys[1].private_bytes(*form))
    return authority, server


def test_a_machine_without_any_credentials(
    url: str, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    store = store_at(url, prefix, tmp_path, access_key_id=None, secret_access_key=None)
    with pytest.raises(ArtifactError, match="no credentials") as caught:
        store.put(b"x")
    assert "AWS_ACCESS_KEY_ID" in caught.value.hint


def test_the_keys_of_the_environment(
    url: str, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    with proxy_to(url) as proxy:
        store = store_at(proxy.url, prefix, tmp_path, access_key_id=None, secret_access_key=None)
        digest = store.put(b"x")
        assert "AKIAENVIRONMENT" in proxy.headers[-1]["authorization"]
    elsewhere = settings(url, prefix, access_key_id=None, secret_access_key=None, endpoint_url=None)
    assert S3ArtifactStore(elsewhere, BlobCache(tmp_path, 1000)).has(digest)


def test_a_secret_that_is_not_set(
    url: str, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEST_SECRET")
    with pytest.raises(ArtifactError) as caught:
        store_at(url, prefix, tmp_path)
    assert "TEST_SECRET" in caught.value.detail


def test_a_library_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "obstore"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(ArtifactError, match="not installed") as caught:
        open_artifacts(tmp_path, settings("http://127.0.0.1:9", "x"), tmp_path)
    assert caught.value.hint == 'pip install "tenure[s3]"'
