"""Connections to PostgreSQL: from a reference to a URL to a session, without a word that gives the password away."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tenure.core.errors import StageError, StateError
from tenure.spec.secrets import resolve_secrets
from tenure.state.postgres_errors import explain, never_connected

Connection = psycopg.Connection[tuple[Any, ...]]

_CONNECTING: Mapping[str, Any] = {
    "fallback_application_name": "tenure",
    "client_encoding": "UTF8",
    "connect_timeout": 10,
    # A server that went away without a word is noticed within half a minute instead of two hours.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


class Connector:
    """Makes connections. `url` may be a reference, which is resolved for each of them: a password may change."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.place = "PostgreSQL"
        self._connected = False

    def connect(self) -> Connection:
        """A new connection, which begins transactions only when told to. Raises Lost and StateError."""
        parameters = self._parameters()
        host = parameters.get("host") or parameters.get("hostaddr") or "the local socket"
        port = f":{parameters['port']}" if "port" in parameters else ""
        self.place = f"PostgreSQL at {host}{port}, database {parameters.get('dbname', '(default)')}"
        try:
            connection = psycopg.connect(
                **{**_CONNECTING, **parameters}, autocommit=True, prepare_threshold=None
            )
        except psycopg.Error as error:
            if self._connected:
                raise explain(error, self.place) from error
            raise never_connected(error, self.place, self.url) from error
        self._connected = True
        return connection

    def _parameters(self) -> dict[str, Any]:
        try:
            url = resolve_secrets(self.url)
        except StageError as error:
            detail = error.detail.replace("the spec refers", "state.url refers")
            raise StateError("The state cannot be opened", detail, error.hint) from error
        try:
            parameters = conninfo_to_dict(re.sub(r"^postgres(ql)?\+\w+://", "postgresql://", url.strip()))
        except psycopg.Error:
            parameters = {}
        if not parameters or "@" in str(parameters.get("host", "")):
            # Neither chained nor quoted: the text holds the password.
            raise StateError(
                "The state cannot be opened",
                f"What {self.url} stands for is not the URL of a PostgreSQL database.",
                "Write it as postgresql://user:password@host:5432/database, with special characters of the password"
                " percent-encoded (@ is %40).",
            )
        return parameters
