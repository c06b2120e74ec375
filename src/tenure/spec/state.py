"""Where the recorded state lies: the group `state` of the project's configuration."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, field_validator

from tenure.core.effect import Effect
from tenure.spec.base import DurationText, FieldProblem, SecretRef, SpecModel, field
from tenure.spec.secrets import references

_SECRET_PARAMETERS = {"password", "sslpassword", "oauth_client_secret"}


class SqliteState(SpecModel):
    """The recorded state in one SQLite file."""

    type: Literal["sqlite"] = field(Effect.OPERATE, "Keep the state in SQLite.")
    path: str = field(Effect.OPERATE, "The file, relative to the project.", examples=[".tenure/dev/state.db"])


class PostgresState(SpecModel):
    """The recorded state in a PostgreSQL database that a team shares: people, CI and servers on several machines.

    Needs `pip install "tenure[postgres]"`. The first apply creates the schema and its tables.
    """

    type: Literal["postgres"] = field(Effect.OPERATE, "Keep the state in PostgreSQL.")
    url: SecretRef = field(
        Effect.OPERATE,
        "A reference to the URL of the database, `postgresql://user:password@host/database`, which is resolved when a "
        "connection is made. A URL without a password may be written here itself; libpq then looks for the password "
        "where it always does (`PGPASSWORD`, `~/.pgpass`).",
        examples=["${env:TENURE_STATE_URL}", "${file:/run/secrets/state_url}"],
    )
    schema_name: str = field(
        Effect.OPERATE,
        "The PostgreSQL schema that holds the tables. By default it is `tenure_` and the name of the environment; "
        "projects that share a database need schemas of their own.",
        alias="schema",
        pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,62}$",
        examples=["tenure_prod"],
    )
    timeout: DurationText = field(
        Effect.OPERATE,
        "How long a connection that was lost is tried again before a command gives up.",
        "60s",
    )

    @field_validator("url")
    @classmethod
    def _no_password_in_clear(cls, value: str) -> str:
        hint = (
            "Refer to an environment variable or a file: ${env:TENURE_STATE_URL} or ${file:/run/secrets/name}"
        )
        if references(value) == (value,):
            if value.startswith("${env:") and "," in value:
                raise FieldProblem(
                    "the reference has a fallback, and a fallback would be a secret written down", hint=hint
                )
            return value
        if "${" in value:
            raise FieldProblem("a reference stands for the whole URL, not for a part of it", hint=hint)
        try:
            parts = urlsplit(value)
            secret = parts.password is not None or _SECRET_PARAMETERS & parse_qs(parts.query).keys()
        except ValueError:
            raise FieldProblem("it is not a URL", hint=hint) from None
        if secret:
            raise FieldProblem(
                "a password is not written here, where Git and every reader of the project would keep it",
                hint=hint,
            )
        if parts.scheme not in ("postgresql", "postgres"):
            raise FieldProblem(
                "it is neither a reference nor a URL that begins with postgresql://", hint=hint
            )
        return value

    @field_validator("schema_name")
    @classmethod
    def _not_reserved(cls, value: str) -> str:
        if value.lower().startswith("pg_"):
            raise FieldProblem("names that begin with pg_ belong to PostgreSQL", hint="Choose another name.")
        return value


StateConfig = Annotated[SqliteState | PostgresState, Field(discriminator="type")]
