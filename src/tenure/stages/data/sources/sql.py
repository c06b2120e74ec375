"""Queries to databases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import SecretRef, field
from tenure.stages.data.lookup import refuse_repeated_names
from tenure.stages.data.sources.timed import Timed

if TYPE_CHECKING:
    from sqlalchemy import URL

    from tenure.stages.data.engine import Engine
    from tenure.stages.data.loading import Loaded

_BATCH = 20_000


class Sql(Timed):
    """The rows of one query. What is in the database is known only once the query has run."""

    type: Literal["sql"] = field(Effect.RETRAIN, "Read the rows of a database query.")
    connection: SecretRef = field(
        Effect.RETRAIN,
        "SQLAlchemy URL of the database. Give passwords as references, which are resolved when the query runs and "
        "are written down nowhere.",
        min_length=1,
        examples=[
            "sqlite:///data/shop.db",
            "postgresql+psycopg://reader:${env:DB_PASSWORD}@db.example.com/shop",
        ],
    )
    query: str = field(
        Effect.RETRAIN,
        "One SELECT statement. Its transaction is rolled back in the end. Rows are put into an order of their own, "
        "since a database promises none. Write `\\:` for a colon in front of a letter.",
        min_length=1,
        examples=["SELECT * FROM orders WHERE placed_at < '2026-01-01'"],
    )

    @property
    def looks_at(self) -> tuple[str, ...]:
        """Nothing: what the database holds is not known before the query runs."""
        return ()

    def fingerprint(self, project: Path, recorded: Mapping[str, Any] | None) -> dict[str, Any]:
        """Unknown without running the query."""
        return {"digest": None}

    def load(self, project: Path, where: tuple[str | int, ...], engine: Engine) -> Loaded:
        """All rows of the query, sorted by all of their columns from left to right; a server streams them."""
        import sqlalchemy
        from sqlalchemy.exc import SQLAlchemyError

        from tenure.stages.data.accumulating import Accumulated
        from tenure.stages.data.loading import sorted_rows

        rows = Accumulated(engine)
        database = sqlalchemy.create_engine(self._url(project, where), poolclass=sqlalchemy.pool.NullPool)
        try:
            with database.connect().execution_options(
                stream_results=True, max_row_buffer=_BATCH
            ) as connection:
                result = connection.execute(sqlalchemy.text(self.query))
                if not result.returns_rows:
                    raise StageError(
                        "the query returns no rows",
                        "it is not a SELECT statement; what it did has been rolled back",
                        path=(*where, "query"),
                    )
                names = list(result.keys())
                refuse_repeated_names(names, "the query", "name them apart with AS", (*where, "query"))
                for batch in result.partitions(_BATCH):
                    rows.add(dict(zip(names, zip(*batch, strict=True), strict=True)))
        except SQLAlchemyError as error:
            # The driver's own words: SQLAlchemy's add the statement, and for some errors its parameters.
            reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            raise StageError(
                "the query failed", reason, "check the connection and the query", path=(*where, "query")
            ) from error
        finally:
            database.dispose()
        return sorted_rows(rows.done(names))

    def _url(self, project: Path, where: tuple[str | int, ...]) -> URL:
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError

        from tenure.spec.secrets import resolve_secrets

        place = (*where, "connection")
        try:
            resolved = resolve_secrets(self.connection)
        except StageError as error:
            raise StageError(error.summary, error.detail, error.hint, path=place) from error
        try:
            url = make_url(resolved)
            url.get_dialect().import_dbapi()
        except ArgumentError as error:
            if isinstance(error, NoSuchModuleError):
                raise _no_driver(str(error), place) from error
            # Not chained: the message of the cause holds the URL with its password.
            raise StageError(
                "the connection is not a database URL",
                "it cannot be read as dialect://user:password@host/database",
                "for a SQLite file write sqlite:///path/to/file.db",
                path=place,
            ) from None
        except ImportError as error:
            raise _no_driver(str(error), place) from error
        if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
            file = project / url.database
            if not file.is_file():
                # Opening it would create an empty database in its place.
                raise StageError(
                    "the database file is missing",
                    # As it is written in the spec: what its references stand for may be secret.
                    f"there is no SQLite database behind {self.connection!r}, looked up from the project folder",
                    "check the path behind sqlite:///",
                    path=place,
                )
            url = url.set(database=str(file))
        return url


def _no_driver(reason: str, place: tuple[str | int, ...]) -> StageError:
    return StageError(
        "the driver of the database is not installed",
        reason,
        "install the package of the driver into tenure's environment",
        path=place,
    )
