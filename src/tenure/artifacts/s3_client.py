"""Opening the library's client of a bucket: where the server is, whom to trust, how long to wait."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tenure.artifacts.s3_errors import explain
from tenure.core.errors import ArtifactError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config, S3Store

    from tenure.artifacts.credentials import Credentials
    from tenure.spec.artifacts import S3Artifacts

_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


@dataclass(frozen=True)
class Patience:
    """How long a server may be silent, and how often and how long a failed request is repeated."""

    silence_seconds: float = 60.0
    retries: int = 10
    retry_seconds: float = 120.0
    longest_pause_seconds: float = 5.0


def endpoint_of(config: S3Artifacts) -> str | None:
    """The URL of the server, as configured or as the environment says; None for Amazon's own."""
    usual = next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), None)
    return config.endpoint_url or usual


def shown(endpoint: str | None) -> str:
    """A server as messages name it."""
    return urlsplit(endpoint).netloc.rpartition("@")[2] if endpoint else "Amazon S3"


def place_shown(config: S3Artifacts) -> str:
    """Where the blobs of a store lie, as messages name it: `s3://bucket/prefix`."""
    return "/".join(part for part in (f"s3://{config.bucket}", config.prefix) if part)


def open_client(config: S3Artifacts, credentials: Credentials | None, patience: Patience) -> S3Store:
    """The client of a bucket; the server is not asked. Raises ArtifactError: no library, or a wrong setting."""
    try:
        from obstore.exceptions import BaseError
        from obstore.store import S3Store
    except ModuleNotFoundError as error:
        raise ArtifactError(
            "The library for object stores is not installed.",
            f"Artifacts are kept in {place_shown(config)}, which needs {error.name}.",
            'pip install "tenure[s3]"',
        ) from error

    endpoint = endpoint_of(config)
    bucket: S3Config = {}
    if config.region is not None:
        bucket["region"] = config.region
    if endpoint is not None:
        bucket["endpoint"] = endpoint
    client: ClientConfig = {
        "allow_http": endpoint is not None and endpoint.startswith("http://"),
        "connect_timeout": timedelta(seconds=min(5.0, patience.silence_seconds)),
        "read_timeout": timedelta(seconds=patience.silence_seconds),
        # A large blob on a slow line takes its time; what counts is that bytes keep coming.
        "timeout": timedelta(hours=6),
    }
    if authorities := os.environ.get("AWS_CA_BUNDLE"):
        client["root_certificate"] = _certificates(Path(authorities))
    try:
        return S3Store(
            config.bucket,
            prefix=config.prefix or None,
            config=bucket,
            client_options=client,
            retry_config={
                "max_retries": patience.retries,
                "retry_timeout": timedelta(seconds=patience.retry_seconds),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=100),
                    "max_backoff": timedelta(seconds=patience.longest_pause_seconds),
                    "base": 2,
                },
            },
            credential_provider=credentials,
        )
    except (BaseError, OSError, ValueError) as error:
        # Not chained: the message may repeat the value of a variable.
        raise explain(error, "opened", place_shown(config), shown(endpoint)) from None


def _certificates(file: Path) -> bytes:
    """Whom to trust besides the authorities of the system, from where Amazon's own tools take it."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise ArtifactError(
            "The certificates for the object store cannot be read.",
            f"AWS_CA_BUNDLE names {file}: {error.strerror}.",
            "Correct the path, or unset the variable.",
        ) from error
