"""What an object store is opened with: references of the configuration, or what is usual on the machine.

In this order: the references of the configuration; the variables `AWS_*` of the environment; the role of a web
identity or a container; the keys of a profile in `~/.aws/credentials`; the role of the machine. The library finds
roles by itself. Values are read when the store needs them and are kept nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from configparser import ConfigParser, Error
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tenure.core.errors import ArtifactError, StageError
from tenure.spec.secrets import resolve_secrets

if TYPE_CHECKING:
    from obstore.store import S3Credential

    from tenure.spec.artifacts import S3Artifacts

_GOOD_FOR = timedelta(minutes=15)
"""Said to the library, which asks again five minutes before: files with secrets are renewed while a server runs."""

_ROLES = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SKIP_SIGNATURE",
)
_WHERE = "Look at the variables and files that conf/artifacts refers to, or at AWS_* in the environment."


class Credentials:
    """Gives the library credentials whenever it asks. `problem` says why it could not, the last time."""

    def __init__(self, read: Callable[[], tuple[str, str, str | None]]) -> None:
        self._read = read
        self.problem: ArtifactError | None = None

    def __call__(self) -> S3Credential:
        """Credentials for the next requests. Raises ArtifactError, whose message holds none of the values."""
        self.problem = None
        try:
            key, secret, token = self._read()
            key, secret, token = _sound(key), _sound(secret), _sound(token) if token else None
        except StageError as error:
            self.problem = ArtifactError(error.summary, error.detail, error.hint)
            raise self.problem from None
        except ArtifactError as error:
            self.problem = error
            raise
        return {
            "access_key_id": key,
            "secret_access_key": secret,
            "token": token,
            "expires_at": datetime.now(UTC) + _GOOD_FOR,
        }


def credentials_of(config: S3Artifacts) -> Credentials | None:
    """How to get credentials; None leaves it to the library's own chain."""
    if config.access_key_id is not None and config.secret_access_key is not None:
        key, secret, token = config.access_key_id, config.secret_access_key, config.session_token
        return Credentials(
            lambda: (
                resolve_secrets(key),
                resolve_secrets(secret),
                resolve_secrets(token) if token is not None else None,
            )
        )
    if os.environ.get("AWS_ACCESS_KEY_ID"):
        return Credentials(
            lambda: (
                os.environ["AWS_ACCESS_KEY_ID"],
                os.environ.get("AWS_SECRET_ACCESS_KEY", ""),
                os.environ.get("AWS_SESSION_TOKEN"),
            )
        )
    if any(os.environ.get(name) for name in _ROLES):
        return None
    file = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials").expanduser()
    chosen = os.environ.get("AWS_PROFILE")
    if not file.is_file() and chosen is None:
        return None
    profile = chosen or "default"
    # A file without a default profile is not meant for everyone; a profile that was chosen has to be there.
    if chosen is None and _profile(file, profile) is None:
        return None
    return Credentials(lambda: _profile(file, profile) or _no_keys(file, profile))


def _sound(value: str) -> str:
    """A value as a header may carry it. The library ends the process over others, such as a key with a line break."""
    value = value.strip()
    if not value:
        raise ArtifactError(
            "The credentials of the object store are not complete.",
            "The access key, its secret or its token has no value.",
            _WHERE,
        )
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise ArtifactError(
            "The credentials of the object store are malformed.",
            "The access key, its secret or its token has a blank, a line break or another character that none has.",
            _WHERE,
        )
    return value


def _profile(file: Path, name: str) -> tuple[str, str, str | None] | None:
    parser = ConfigParser(interpolation=None)
    try:
        parser.read(file, encoding="utf-8")
        section = parser[name]
        return (
            section["aws_access_key_id"],
            section["aws_secret_access_key"],
            section.get("aws_session_token"),
        )
    except (OSError, KeyError, Error, UnicodeDecodeError):
        return None


def _no_keys(file: Path, profile: str) -> tuple[str, str, str | None]:
    raise ArtifactError(
        "The profile holds no keys.",
        f"AWS_PROFILE is {profile}, and {file} has no keys under that name.",
        "A profile of another kind (single sign-on, a role) has to be turned into keys first:\n"
        f'  eval "$(aws configure export-credentials --profile {profile} --format env)"',
    )
