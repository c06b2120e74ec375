"""Where artifacts lie: the group `artifacts` of the project's configuration."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, field_validator, model_validator

from tenure.core.effect import Effect
from tenure.spec.base import FieldProblem, SecretRef, SizeText, SpecModel, field
from tenure.spec.secrets import references

_LOCAL_NAMES = (".localhost", ".local", ".internal", ".svc", ".test")


class LocalArtifacts(SpecModel):
    """Artifacts in a folder of this machine."""

    type: Literal["local"] = field(Effect.OPERATE, "Keep artifacts in a folder.")
    path: str = field(
        Effect.OPERATE, "The folder, relative to the project.", examples=[".tenure/dev/artifacts"]
    )


class S3Artifacts(SpecModel):
    """Artifacts in a bucket of Amazon S3 or of a server that speaks its protocol, shared by a team.

    Without keys, credentials come from where they usually are: the variables `AWS_ACCESS_KEY_ID` and
    `AWS_SECRET_ACCESS_KEY`, the role of a web identity or a container, `~/.aws/credentials`, the role of the machine.
    """

    type: Literal["s3"] = field(Effect.OPERATE, "Keep artifacts in a bucket.")
    bucket: str = field(
        Effect.OPERATE,
        "The bucket: 3 to 63 lower-case letters, digits, dots and hyphens. It has to exist.",
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        examples=["acme-models"],
    )
    prefix: str = field(
        Effect.OPERATE,
        "What the names of all objects begin with: words of letters, digits, `.`, `_` and `-`, joined by `/`. By "
        "default it is the name of the environment; empty is the top of the bucket.",
        pattern=r"^([A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*)?$",
        examples=["tenure/prod"],
    )
    region: str | None = field(
        Effect.OPERATE,
        "The region of the bucket. By default that of `AWS_REGION`, else us-east-1.",
        None,
        pattern=r"^[a-z0-9-]+$",
        examples=["eu-central-1"],
    )
    endpoint_url: str | None = field(
        Effect.OPERATE,
        "Where the server answers, if it is not Amazon's. `http://` is accepted for servers of a private network.",
        None,
        examples=["https://s3.example.com", "http://127.0.0.1:9000"],
    )
    access_key_id: SecretRef | None = field(
        Effect.OPERATE,
        "A reference to the access key: `${env:NAME}` or `${file:PATH}`.",
        None,
        examples=["${env:ARTIFACTS_KEY_ID}"],
    )
    secret_access_key: SecretRef | None = field(
        Effect.OPERATE,
        "A reference to the secret of the access key.",
        None,
        examples=["${file:/run/secrets/artifacts}"],
    )
    session_token: SecretRef | None = field(
        Effect.OPERATE,
        "A reference to the token of temporary keys.",
        None,
        examples=["${env:ARTIFACTS_TOKEN}"],
    )
    cache_size: SizeText = field(
        Effect.OPERATE,
        "How much of this machine's disk copies of blobs may take. Those used longest ago make room; copies used "
        "within the last ten minutes stay.",
        "10GB",
    )

    @field_validator("access_key_id", "secret_access_key", "session_token")
    @classmethod
    def _only_a_reference(cls, value: str | None) -> str | None:
        if value is None:
            return value
        if references(value) != (value,):
            raise FieldProblem(
                "a secret is not written here, where Git and every reader of the project would keep it",
                hint="Refer to an environment variable or a file: ${env:NAME} or ${file:/run/secrets/name}",
            )
        if value.startswith("${env:") and "," in value:
            raise FieldProblem(
                "the reference has a fallback, and a fallback would be a secret written down",
                hint="Refer to the variable alone: ${env:NAME}",
            )
        return value

    @field_validator("endpoint_url")
    @classmethod
    def _a_server(cls, value: str | None) -> str | None:
        if value is None:
            return value
        hint = "For example: https://s3.example.com or http://127.0.0.1:9000"
        try:
            parts = urlsplit(value)
            port = parts.port
        except ValueError:
            raise FieldProblem("it is not a URL", hint=hint) from None
        if parts.username is not None or parts.password is not None:
            raise FieldProblem(
                "a URL that holds a name or a password would be shown in messages",
                hint="Use access_key_id and secret_access_key, with references.",
            )
        if (
            parts.scheme not in ("https", "http")
            or not parts.hostname
            or port == 0
            or parts.query
            or parts.fragment
        ):
            raise FieldProblem("it is not the http(s) URL of a server", hint=hint)
        if parts.scheme == "http" and not _private(parts):
            raise FieldProblem(
                f"artifacts and session tokens would travel to {parts.hostname} in the clear",
                hint=f"Use https://{parts.netloc}",
            )
        return value.rstrip("/")

    @model_validator(mode="after")
    def _keys_are_complete(self) -> S3Artifacts:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            missing = "access_key_id" if self.access_key_id is None else "secret_access_key"
            raise FieldProblem(
                f"`{missing}` is missing: an access key and its secret are used together",
                hint="Give both, or neither for the usual credentials of the machine.",
            )
        if self.session_token is not None and self.access_key_id is None:
            raise FieldProblem(
                "`session_token` belongs to an access key, and none is given",
                at=("session_token",),
                hint="Give access_key_id and secret_access_key as well, or leave out the token.",
            )
        return self


ArtifactsConfig = Annotated[LocalArtifacts | S3Artifacts, Field(discriminator="type")]


def _private(parts: SplitResult) -> bool:
    """Whether a server is on this machine or in a private network."""
    import ipaddress

    host = parts.hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or "." not in host or host.endswith(_LOCAL_NAMES)
    return address.is_private or address.is_loopback or address.is_link_local
