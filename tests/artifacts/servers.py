"""A real S3 server on this machine for tests: moto's, in a thread, with a bucket."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tenure.artifacts.cache import BlobCache
from tenure.artifacts.s3 import S3ArtifactStore
from tenure.artifacts.s3_client import Patience
from tenure.spec.artifacts import S3Artifacts

BUCKET = "models"
KEY_ID, SECRET = "AKIAC4N4RYC4N4RY0000", "c4n4ry/s3cr3t+k3y"


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """The address of a server that runs as long as the tests."""
    with s3_server() as url:
        yield url


@pytest.fixture
def s3_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys of the tests in the environment, and none of the machine's own."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("TEST_KEY_ID", KEY_ID)
    monkeypatch.setenv("TEST_SECRET", SECRET)


@contextmanager
def s3_server() -> Iterator[str]:
    """The address of a running server that knows the bucket."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        _, port = server.get_host_and_port()
        url = f"http://127.0.0.1:{port}"
        client(url).create_bucket(Bucket=BUCKET)
        yield url
    finally:
        server.stop()


def client(url: str) -> Any:
    """Another library's view of the server, to look at what ours has left there."""
    import boto3

    return boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y"
    )


def settings(url: str, prefix: str, **changes: Any) -> S3Artifacts:
    """The configuration of a store below `prefix`; its keys are in the variables that `s3_keys` sets."""
    given = {"access_key_id": "${env:TEST_KEY_ID}", "secret_access_key": "${env:TEST_SECRET}"} | changes
    return S3Artifacts(
        **{"type": "s3", "bucket": BUCKET, "endpoint_url": url, "region": "us-east-1", "prefix": prefix}
        | given
    )


def store_at(
    url: str, prefix: str, cache: Path, *, limit: int = 100_000_000, silence: float = 20.0, **changes: Any
) -> S3ArtifactStore:
    """A store that tries four times at short intervals, and each time waits `silence` seconds for the server."""
    patience = Patience(silence_seconds=silence, retries=3, retry_seconds=60.0, longest_pause_seconds=0.2)
    return S3ArtifactStore(settings(url, prefix, **changes), BlobCache(cache, limit), patience=patience)


def objects(url: str, prefix: str) -> dict[str, int]:
    """The objects whose names begin with `prefix`, at most a thousand, with their sizes."""
    found = client(url).list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return {item["Key"]: item["Size"] for item in found}


def unfinished(url: str, prefix: str) -> list[str]:
    """The names of uploads in parts below `prefix` that were neither completed nor aborted."""
    found = client(url).list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
    return [item["Key"] for item in found if item["Key"].startswith(prefix)]
