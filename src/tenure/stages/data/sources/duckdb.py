"""Queries by DuckDB over files of the project."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import model_validator

from tenure.artifacts.remote import is_url
from tenure.core.digest import digest
from tenure.core.effect import Effect
from tenure.core.errors import StageError
from tenure.spec.base import FieldProblem, field
from tenure.stages.data import files, pieces
from tenure.stages.data.ledger import Ledger
from tenure.stages.data.lookup import Where, refuse_repeated_names
from tenure.stages.data.sources.timed import Timed

if TYPE_CHECKING:
    import duckdb

    from tenure.stages.data.engine import Engine
    from tenure.stages.data.loading import Loaded

_READERS = {
    ".csv": "read_csv",
    ".tsv": "read_csv",
    ".txt": "read_csv",
    ".json": "read_json",
    ".jsonl": "read_json",
    ".ndjson": "read_json",
    ".parquet": "read_parquet",
}
_DATABASE = "database"


class Duckdb(Timed):
    """The rows of one query over files, each under a name of its own, or over a database file of DuckDB. The query
    reaches no other file, and changes none.
    """

    type: Literal["duckdb"] = field(Effect.RETRAIN, "Read the rows of a query by DuckDB.")
    query: str = field(
        Effect.RETRAIN,
        "One SELECT statement. Rows are put into an order of their own, since a query promises none.",
        min_length=1,
        examples=["SELECT station, day, max(temp) AS warmest FROM measured GROUP BY ALL"],
    )
    files: dict[str, str] = field(
        Effect.RETRAIN,
        "The files the query may read: the name it calls them by, and a path or glob from the project folder to CSV, "
        "JSON or Parquet files, packed with gzip or not.",
        dict,
        examples=[{"measured": "data/measured-*.parquet"}],
    )
    database: str | None = field(
        Effect.RETRAIN,
        "A database file of DuckDB, opened for reading only; its tables are known under their names.",
        None,
        min_length=1,
        examples=["data/shop.duckdb"],
    )

    @model_validator(mode="after")
    def _reads_something(self) -> Self:
        if not self.files and self.database is None:
            raise FieldProblem(
                "the query has nothing to read", at=("type",), hint="give files, database or both"
            )
        for name, path in self.files.items():
            if is_url(path):
                raise FieldProblem(
                    "a query reads files of this machine",
                    at=("files", name),
                    hint="read what is on a server with a source of type csv, json or parquet",
                )
            if _reader(path) is None:
                raise FieldProblem(
                    f"{path!r} does not say how it is read",
                    at=("files", name),
                    hint=f"its name ends in one of {', '.join(_READERS)}, or in one of these and .gz",
                )
        return self

    @property
    def looks_at(self) -> tuple[str, ...]:
        """The files and the database."""
        return (*self.files.values(), *((self.database,) if self.database else ()))

    def fingerprint(self, project: Path, recorded: Mapping[str, Any] | None) -> dict[str, Any]:
        """What each of the files is now."""
        before = {} if recorded is None else recorded.get("files", {})
        named = dict(self.files) | ({_DATABASE: self.database} if self.database else {})
        found = {
            name: pieces.fingerprint(
                project, path, before.get(name), Ledger(project, path), count_lines=False
            )
            for name, path in named.items()
        }
        for one in found.values():
            if one.get("missing"):
                return one
        return {"digest": digest({name: one["digest"] for name, one in found.items()}), "files": found}

    def load(self, project: Path, where: Where, engine: Engine) -> Loaded:
        """All rows of the query, sorted by all of their columns from left to right."""
        import duckdb

        from tenure.stages.data.engine import confined, not_of_the_data
        from tenure.stages.data.loading import load_arrow, sorted_rows

        found = {
            name: files.require(project, path, (*where, "files", name)) for name, path in self.files.items()
        }
        database = None
        if self.database is not None:
            (database,) = files.require(project, self.database, (*where, "database"))
        place = (*where, "query")
        reachable = [file for one in found.values() for file in one]
        with confined(engine, reachable, database, (*where, "database")) as connection:
            try:
                for name, paths in found.items():
                    _name(connection, name, paths, _reader(self.files[name]))
                statements = connection.extract_statements(self.query)
                if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                    raise StageError(
                        "the query is not one SELECT statement",
                        f"it has {len(statements)} statement(s)"
                        + (f", the first of type {statements[0].type.name}" if statements else ""),
                        "write one SELECT; WITH in front of it is fine",
                        path=place,
                    )
                rows = connection.sql(self.query)
                refuse_repeated_names(rows.columns, "the query", "name them apart with AS", place)
                return sorted_rows(load_arrow(engine, rows.to_arrow_reader(8192)))
            except duckdb.Error as error:
                if not_of_the_data(error):
                    raise
                reason = " ".join(line.strip() for line in str(error).splitlines()[:3] if line.strip())
                raise StageError(
                    "the query failed", reason, "check the query and the names of the files", path=place
                ) from error


def _reader(path: str) -> str | None:
    return _READERS.get(Path(path.removesuffix(".gz")).suffix.lower())


def _name(connection: duckdb.DuckDBPyConnection, name: str, found: list[Path], reader: str | None) -> None:
    from tenure.ml.quoting import quoted
    from tenure.stages.data.gathering import paths

    connection.execute(f"CREATE TEMP VIEW {quoted(name)} AS SELECT * FROM {reader}({paths(found)})")
