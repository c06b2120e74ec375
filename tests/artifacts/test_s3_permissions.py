"""A server that checks signatures and permissions: what is documented is enough, and each of it is needed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from tests.artifacts.servers import store_at

from tenure.artifacts.s3 import PART_BYTES, S3ArtifactStore
from tenure.artifacts.s3_errors import PERMISSIONS
from tenure.core.errors import ArtifactError, ArtifactMissing

ALL = ("s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload")
ABSENT = "sha256:" + "0" * 64

pytestmark = pytest.mark.usefixtures("s3_keys")


@contextmanager
def checking() -> Iterator[None]:
    """The server refuses what is not signed by a user who may do it. The switch is one for the whole process."""
    from moto import settings
    from moto.core.responses import ActionAuthenticatorMixin

    before = settings.INITIAL_NO_AUTH_ACTION_COUNT
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0.0
    ActionAuthenticatorMixin.request_count = 0
    try:
        yield
    finally:
        settings.INITIAL_NO_AUTH_ACTION_COUNT = before


@pytest.fixture
def prefix() -> str:
    return uuid4().hex


@pytest.fixture
def store_of(
    s3_url: str, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., S3ArtifactStore]:
    """Opens the store as a user who may do what is given."""
    import boto3

    iam = boto3.client(
        "iam", endpoint_url=s3_url, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y"
    )

    def opened(*actions: str) -> S3ArtifactStore:
        name = f"user-{uuid4().hex[:8]}"
        iam.create_user(UserName=name)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        rule = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [rule]})
        iam.put_user_policy(UserName=name, PolicyName="artifacts", PolicyDocument=document)
        monkeypatch.setenv("TEST_KEY_ID", key["AccessKeyId"])
        monkeypatch.setenv("TEST_SECRET", key["SecretAccessKey"])
        return store_at(s3_url, prefix, tmp_path / name)

    return opened


def test_the_documented_permissions_are_enough(
    store_of: Callable[..., S3ArtifactStore], tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(PART_BYTES + 1))
    store = store_of(*ALL)
    assert all(action in PERMISSIONS for action in ALL)
    with checking():
        digests = sorted([store.put(b"small"), store.put_file(source)])
        assert [name for name, _ in store.digests()] == digests
        assert not store.has(ABSENT)
        for digest in digests:
            store.verify(digest)


def test_a_server_only_reads(store_of: Callable[..., S3ArtifactStore]) -> None:
    digest = store_of(*ALL).put(b"a model")
    reader = store_of("s3:ListBucket", "s3:GetObject")
    with checking():
        assert reader.get(digest) == b"a model"
        with pytest.raises(ArtifactMissing):
            reader.get(ABSENT)
        with pytest.raises(ArtifactError, match="denies access"):
            reader.put(b"another")


@pytest.mark.parametrize("missing", ALL[:3])
def test_what_a_permission_is_needed_for(store_of: Callable[..., S3ArtifactStore], missing: str) -> None:
    store = store_of(*(action for action in ALL if action != missing))
    with checking():
        with pytest.raises(ArtifactError, match="denies access") as caught:
            store.put(b"a model")
        assert missing in caught.value.hint
        if missing != "s3:PutObject":
            with pytest.raises(ArtifactError, match="denies access"):
                store.get(ABSENT)


def test_signatures_are_what_the_server_expects(
    s3_url: str,
    prefix: str,
    tmp_path: Path,
    store_of: Callable[..., S3ArtifactStore],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store_of(*ALL)
    with checking():
        for name, value, answer in (
            ("TEST_SECRET", "w0rng-s3cr3t", "SignatureDoesNotMatch"),
            ("TEST_KEY_ID", "AKIANOBODY", "InvalidAccessKeyId"),
        ):
            monkeypatch.setenv(name, value)
            with pytest.raises(ArtifactError, match="does not accept the credentials") as caught:
                store_at(s3_url, prefix, tmp_path).put(b"x")
            assert answer in caught.value.detail
            assert value not in str(caught.value)
