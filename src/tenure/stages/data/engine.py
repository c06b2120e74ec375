"""The engine of one snapshot: a DuckDB database in a scratch folder, and tables in it that may be larger than memory.

A `Table` is a value: columns with their names and logical types, a number of rows, and the name of a view in the
engine. In SQL its columns are called `c0`, `c1`, ... (whatever characters the names of the user have, and whether they
differ in case only), and `n` is a whole number that ascends with the order of the rows. `n` says nothing beyond that:
it may have gaps, and another table of the same rows may number them anew.

Every stored table is kept in the order of its rows, and a view selects, filters and computes but never sorts. DuckDB
keeps that order, so a scan without ORDER BY gives the rows in order and nothing is sorted twice.
"""

from __future__ import annotations

import glob
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tenure.core.drafts import scratch
from tenure.core.errors import Interrupted, StageError
from tenure.ml.quoting import literal, quoted
from tenure.stages.data.memory import VARIABLE, memory_limit

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from tenure.ml.signature import ColumnType

SQL_TYPES: dict[str, str] = {
    "number": "DOUBLE",
    "integer": "BIGINT",
    "string": "VARCHAR",
    "boolean": "BOOLEAN",
    "timestamp": "TIMESTAMP",
}
"""The type in SQL of each logical type; timestamps are UTC without a zone."""

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "preserve_insertion_order": "true",
    # Nothing is fetched from the network, and nothing of the user's other sessions is looked at.
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_persistent_secrets": "false",
    "python_enable_replacements": "false",
}
_FULL = ("No space left", "max_temp_directory_size", "Could not write")
_STOPPED = "stopped while data were read"
_LOOK_SECONDS = 0.2
_QUIET = "SET enable_progress_bar = false"
_UNIT = 8192
# Finding the best way to pack texts takes as long as reading them from CSV, and they are read a few times only.
_PACKING = "SET GLOBAL disabled_compression_methods = 'dict_fsst,fsst,dictionary,zstd'"
_BATCH_ROWS = 1 << 17
_BATCH_BYTES = 1 << 25
_BYTES_PER_THREAD = 128 << 20


class Column(msgspec.Struct, frozen=True):
    """A column of a table: its name, its logical type, and what it is called in SQL."""

    name: str
    type: ColumnType
    sql: str


@dataclass(frozen=True)
class Table:
    """Rows in the engine; `view` is what it is called in SQL, `stands_on` what it is made of."""

    engine: Engine
    view: str
    columns: tuple[Column, ...]
    rows: int
    stands_on: frozenset[str]

    @property
    def names(self) -> list[str]:
        """The names of the columns in their order."""
        return [column.name for column in self.columns]

    def column(self, name: str) -> Column:
        """The column of that name; KeyError when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def query(self, items: str, rest: str = "") -> list[tuple[Any, ...]]:
        """The rows of `SELECT <items> FROM <this table> <rest>`."""
        return self.engine.query(f"SELECT {items} FROM {self.view} {rest}")

    def select(self, names: Sequence[str]) -> Table:
        """Only these columns, in this order."""
        return self.compute({name: (self.column(name).type, self.column(name).sql) for name in names})

    def replace(self, name: str, kind: ColumnType, sql: str) -> Table:
        """The column `name` with other values: SQL over `c0`, `c1`, ... of this table, giving a `kind`."""
        kept = {column.name: (column.type, column.sql) for column in self.columns}
        return self.compute(kept | {name: (kind, sql)})

    def compute(self, items: Mapping[str, tuple[ColumnType, str]], where: str | None = None) -> Table:
        """A column for each of `items` (name -> logical type and SQL), of the rows for which `where` is true.

        Nothing is stored: the SQL runs whenever the new table is read. Use `stored` where that would be dear.
        """
        columns = _numbered({name: kind for name, (kind, _) in items.items()})
        listed = ", ".join(
            f"CAST({sql} AS {SQL_TYPES[kind]}) AS c{position}"
            for position, (kind, sql) in enumerate(items.values())
        )
        condition = "" if where is None else f" WHERE {where}"
        return self.engine.view(
            columns, f"SELECT n, {listed} FROM {self.view}{condition}", self, where is None
        )

    def filter(self, where: str) -> Table:
        """The rows for which SQL over `c0`, `c1`, ... is true; nothing is stored."""
        return self.compute({column.name: (column.type, column.sql) for column in self.columns}, where)

    def filter_named(self, condition: str) -> Table:
        """The rows for which an expression over the names of the columns is true, as a person writes it.

        The expression is trusted to be one scalar expression (see `ml/expression.references`). Nothing is stored, but
        every row is looked at once: raises duckdb.Error when the expression fails for one.
        """
        prefix = self._free_prefix()
        items = [f"n AS {prefix}n"]
        for column in self.columns:
            items.append(f"{column.sql} AS {prefix}{column.sql}")
            if column.name:
                items.append(f"{column.sql} AS {quoted(column.name)}")
        kept = ", ".join(f"{prefix}{name} AS {name}" for name in ("n", *(c.sql for c in self.columns)))
        named = f"(SELECT {', '.join(items)} FROM {self.view})"
        return self.engine.view(
            self.columns, f"SELECT {kept} FROM {named} WHERE ({condition}\n)", self, every_row=False
        )

    def _free_prefix(self) -> str:
        """A beginning that no name of a column has."""
        prefix = "_"
        while any(column.name.startswith(prefix) for column in self.columns):
            prefix += "_"
        return prefix

    def append(self, name: str, values: pa.Array | pa.ChunkedArray) -> Table:
        """The table with one more column, whose values are given in the order of the rows; stored."""
        import pyarrow as pa

        from tenure.ml.columns import logical_type

        kind = logical_type(values.type)
        assert kind is not None, f"{values.type} is no type of a column"
        assert len(values) == self.rows, f"{len(values)} values for {self.rows} rows"
        items = ", ".join([*(column.sql for column in self.columns), f"more.c AS c{len(self.columns)}"])
        with self.engine.registered("more", pa.table({"c": values})):
            return self.engine.store(
                {column.name: column.type for column in self.columns} | {name: kind},
                f"SELECT {items} FROM {self.view} POSITIONAL JOIN more",
            )

    def labelled(self, name: str, codes: npt.NDArray[np.uint8], labels: Sequence[str]) -> Table:
        """The table with one more column: text `labels[codes[at]]` in row `at`, in the order of the rows.

        Nothing is stored but a bit for each row and each label behind the first: where `n` has the label.
        """
        import numpy as np
        import pyarrow as pa

        assert len(codes) == self.rows, f"{len(codes)} codes for {self.rows} rows"
        items = {column.name: (column.type, column.sql) for column in self.columns}
        found = [code for code in range(1, len(labels)) if np.any(codes == code)]
        if not found:
            return self.compute(items | {name: ("string", literal(labels[0]))})
        ((last,),) = self.query("max(n)")
        bits = {code: np.zeros(last // 8 + 1, dtype=np.uint8) for code in found}
        done = 0
        for numbers in self._numbers():
            here = codes[done : done + len(numbers)]
            for code, flags in bits.items():
                at = numbers[here == code]
                np.bitwise_or.at(flags, at >> 3, (128 >> (at & 7)).astype(np.uint8))
            done += len(numbers)
        held = {f"b{code}": pa.array([flags.tobytes()], pa.binary()) for code, flags in bits.items()}
        with self.engine.registered("more", pa.table(held)):
            written = self.engine.write(
                f"SELECT {', '.join(f'{bit}::BIT AS {bit}' for bit in held)} FROM more"
            )
        cases = " ".join(
            f"WHEN get_bit((SELECT b{code} FROM {written}), n::INTEGER) = 1 THEN {literal(labels[code])}"
            for code in found
        )
        table = self.compute(items | {name: ("string", f"CASE {cases} ELSE {literal(labels[0])} END")})
        return replace(table, stands_on=table.stands_on | {written})

    def _numbers(self) -> Iterator[npt.NDArray[np.int64]]:
        """The numbers `n` of the rows, in order and in batches."""
        cursor = self.engine.cursor()
        try:
            for batch in cursor.sql(f"SELECT n FROM {self.view}").to_arrow_reader(_BATCH_ROWS):
                if self.engine.stopping():
                    raise Interrupted(_STOPPED)
                yield batch.column(0).to_numpy()
        finally:
            cursor.close()

    def stored(self) -> Table:
        """The same rows, kept as they are now."""
        items = ", ".join(column.sql for column in self.columns)
        return self.engine.store(
            {column.name: column.type for column in self.columns}, f"SELECT {items} FROM {self.view}"
        )

    def arrow(self, names: Sequence[str] | None = None, rest: str = "") -> pa.Table:
        """The values of some columns in memory, in canonical Arrow types and in the order of the rows.

        `rest` is what comes behind FROM in SQL, such as a LIMIT. Of a table that may be large ask for little.
        """
        import pyarrow as pa

        return pa.Table.from_batches(list(self.batches(names, rest)), self.schema(names))

    def batches(self, names: Sequence[str] | None = None, rest: str = "") -> Iterator[pa.RecordBatch]:
        """The rows in order, in batches of a bounded size. Where one ends depends on the values alone.

        `rest` is what comes behind FROM in SQL, such as a LIMIT.
        """
        import pyarrow as pa

        wanted = list(self.names if names is None else names)
        columns = [self.column(name) for name in wanted]
        schema = self.schema(wanted)
        items = ", ".join(column.sql for column in columns)
        cursor = self.engine.cursor()
        try:
            reader = cursor.sql(f"SELECT {items} FROM {self.view} {rest}").to_arrow_reader(_UNIT)
            waiting: list[pa.RecordBatch] = []
            held, size = 0, 0
            for unit in _units(reader):
                if self.engine.stopping():
                    raise Interrupted(_STOPPED)
                cells = [unit.column(at).cast(schema.field(at).type) for at in range(len(columns))]
                waiting.append(pa.RecordBatch.from_arrays(cells, schema=schema))
                held, size = held + unit.num_rows, size + _size(cells, unit.num_rows)
                if held + _UNIT > _BATCH_ROWS or size >= _BATCH_BYTES:
                    yield pa.concat_batches(waiting)
                    waiting, held, size = [], 0, 0
            if waiting:
                yield pa.concat_batches(waiting)
        finally:
            cursor.close()

    def schema(self, names: Sequence[str] | None = None) -> pa.Schema:
        """Names and canonical Arrow types of the columns, or of some of them."""
        import pyarrow as pa

        from tenure.ml.signature import ARROW_TYPES

        wanted = self.names if names is None else names
        return pa.schema([(name, ARROW_TYPES[self.column(name).type]) for name in wanted])


class Engine:
    """One database. Everything in it is gone with its folder."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, folder: Path, stopping: Callable[[], bool]
    ) -> None:
        self._connection = connection
        self._made = 0
        self.stopping = stopping
        self.folder = folder
        """A place for files of the moment, gone with the engine."""

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a statement. Raises duckdb.Error."""
        rows: list[tuple[Any, ...]] = self._connection.execute(sql).fetchall()
        return rows

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A second connection to the same database, to read a stream while other statements run."""
        cursor = self._connection.cursor()
        cursor.execute(_QUIET)
        return cursor

    @contextmanager
    def registered(self, name: str, rows: pa.Table | pa.RecordBatchReader) -> Iterator[None]:
        """Arrow data under a name in SQL; a reader can be read once."""
        import pyarrow as pa

        # A reader is read front to back; a table would be read by several threads.
        self._connection.register(name, rows.to_reader() if isinstance(rows, pa.Table) else rows)
        try:
            yield
        finally:
            self._connection.unregister(name)

    def schema(self, sql: str) -> pa.Schema:
        """Names and Arrow types of what a SELECT gives, without running it."""
        schema: pa.Schema = self._connection.sql(f"SELECT * FROM ({sql}) LIMIT 0").to_arrow_table().schema
        return schema

    def view(self, columns: tuple[Column, ...], sql: str, on: Table, every_row: bool) -> Table:
        """A table that is computed when it is read: `sql` gives `n` and the columns by their names in SQL, from `on`,
        in the order of its rows, all or some of them. Raises duckdb.Error."""
        name = self._new_name()
        self.query(f"CREATE VIEW {name} AS {sql}")
        rows = on.rows if every_row else self._count(name)
        return Table(self, name, columns, rows, on.stands_on | {name})

    def store(self, columns: Mapping[str, ColumnType], sql: str) -> Table:
        """Run a SELECT whose items are the columns, in their order and under any name, and keep its rows.

        They are kept in the order in which the SELECT gives them: say ORDER BY after a join or an aggregation. Raises
        duckdb.Error.
        """
        numbered = _numbered(columns)
        items = ", ".join(f"CAST({c.sql} AS {SQL_TYPES[c.type]}) AS {c.sql}" for c in numbered)
        written = self.write(f"SELECT {items} FROM ({sql}) AS made({', '.join(c.sql for c in numbered)})")
        return self.over(written, {c.name: (c.type, c.sql) for c in numbered})

    def write(self, sql: str) -> str:
        """Run a SELECT and keep its rows under a name in SQL, for `over`. Raises duckdb.Error."""
        self._made += 1
        name = f"rows{self._made}"
        self.query(f"CREATE TABLE {name} AS {sql}")
        return name

    def create(self, types: Sequence[str]) -> str:
        """An empty table with columns c0, c1, ... of these types in SQL, under a name, for `extend` and `over`."""
        self._made += 1
        name = f"rows{self._made}"
        columns = ", ".join(f"c{at} {kind}" for at, kind in enumerate(types))
        self.query(f"CREATE TABLE {name} ({columns})")
        return name

    def extend(self, written: str, sql: str) -> None:
        """Put the rows of a SELECT behind those that were written. Raises duckdb.Error."""
        self.query(f"INSERT INTO {written} {sql}")

    def over(self, written: str, items: Mapping[str, tuple[ColumnType, str]]) -> Table:
        """What was written as a table, with a column for each of `items` (name -> logical type and SQL)."""
        columns = _numbered({name: kind for name, (kind, _) in items.items()})
        listed = ", ".join(
            f"{sql} AS {column.sql}" for column, (_, sql) in zip(columns, items.values(), strict=True)
        )
        name = self._new_name()
        # The rows of a table that was written once and in order are numbered in that order by DuckDB itself.
        self.query(f"CREATE VIEW {name} AS SELECT rowid AS n, {listed} FROM {written}")
        return Table(self, name, columns, self._count(written), frozenset({name, written}))

    def over_file(self, file: Path, columns: Sequence[Column], rows: int) -> Table:
        """The rows of a Parquet file that has these columns in this order: read where it lies, not stored again."""
        numbered = _numbered({column.name: column.type for column in columns})
        listed = ", ".join(column.sql for column in numbered)
        scan = f"read_parquet({literal(glob.escape(str(file)))}, hive_partitioning = false)"
        name = self._new_name()
        # Names are given by position: SQL would take some of the user's for one another.
        self.query(
            f"CREATE VIEW {name} AS SELECT file_row_number AS n, {listed} FROM {scan} AS given({listed})"
        )
        return Table(self, name, numbered, rows, frozenset({name}))

    def drop_all_but(self, *kept: Table) -> None:
        """Make room: remove every table that these do not stand on."""
        needed: frozenset[str] = frozenset().union(*(table.stands_on for table in kept))
        for sort, catalogue in (("VIEW", "duckdb_views() WHERE NOT internal"), ("TABLE", "duckdb_tables()")):
            column = f"{sort.lower()}_name"
            for (name,) in self.query(f"SELECT {column} FROM {catalogue}"):
                if name not in needed:
                    self.query(f"DROP {sort} {name}")

    def drop(self, table: Table) -> None:
        """Remove a table that nothing else stands on."""
        views = {name for (name,) in self.query("SELECT view_name FROM duckdb_views() WHERE NOT internal")}
        for name in sorted(table.stands_on, key=lambda name: name not in views):
            self.query(f"DROP {'VIEW' if name in views else 'TABLE'} {name}")

    def _new_name(self) -> str:
        self._made += 1
        return f"t{self._made}"

    def _count(self, name: str) -> int:
        return int(self.query(f"SELECT count(*) FROM {name}")[0][0])


@contextmanager
def opened(stopping: Callable[[], bool] = lambda: False) -> Iterator[Engine]:
    """An empty engine, gone in the end. What does not fit into the memory it may take is laid down in its folder.

    Raises StageError when memory or disk does not suffice, Interrupted soon after `stopping` says so.
    """
    import duckdb

    limit = memory_limit()
    with scratch() as folder:
        connection = duckdb.connect(
            str(folder / "engine.duckdb"),
            config=_SETTINGS
            | {
                "memory_limit": f"{limit}B",
                "threads": str(_threads(limit)),
                "temp_directory": str(folder / "spilled"),
            },
        )
        try:
            connection.execute("SET GLOBAL TimeZone = 'UTC'")
            connection.execute(_PACKING)
            connection.execute(_QUIET)
            with _watched(connection, stopping):
                yield Engine(connection, folder, stopping)
        except duckdb.InterruptException as error:
            raise Interrupted(_STOPPED) from error
        except duckdb.OutOfMemoryException as error:
            raise StageError(
                "the memory for data does not suffice",
                f"{limit >> 20} MB are allowed: {str(error).splitlines()[0]}",
                f"allow more with the variable {VARIABLE}, such as {VARIABLE}=2GB",
                path=("data",),
            ) from error
        except duckdb.IOException as error:
            raise StageError(
                "the data cannot be laid down on the disk",
                str(error).splitlines()[0],
                "make room in the folder for temporary files, or set TMPDIR to another one",
                path=("data",),
            ) from error
        finally:
            with suppress(duckdb.Error):
                connection.close()


@contextmanager
def confined(
    engine: Engine, files: Sequence[Path], database: Path | None, where: tuple[str | int, ...]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A second engine for a query that a person wrote: it reads these files and this database, and nothing else.

    Raises StageError pointing to `where` when the database cannot be opened.
    """
    import duckdb

    connection = duckdb.connect(
        ":memory:",
        config=_SETTINGS
        | {
            "memory_limit": f"{memory_limit() // 2}B",
            "threads": str(_threads(memory_limit() // 2)),
            "temp_directory": str(engine.folder / "query"),
        },
    )
    try:
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        connection.execute(_QUIET)
        if database is not None:
            try:
                connection.execute(f"ATTACH {literal(str(database))} AS given (READ_ONLY)")
            except duckdb.Error as error:
                raise StageError(
                    "the database cannot be opened",
                    f"{database.name}: {str(error).splitlines()[0]}",
                    "check the file, and that no other program is writing to it",
                    path=where,
                ) from error
            connection.execute("USE given")
        paths = ", ".join(literal(str(file)) for file in files)
        connection.execute(f"SET allowed_paths = [{paths}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection
    finally:
        connection.close()


def not_of_the_data(error: Exception) -> bool:
    """Whether an error of the engine is for `opened` to explain: it ran out of memory or disk, or was stopped."""
    import duckdb

    if isinstance(error, duckdb.OutOfMemoryException | duckdb.InterruptException):
        return True
    return isinstance(error, duckdb.IOException) and any(sign in str(error) for sign in _FULL)


@contextmanager
def _watched(connection: duckdb.DuckDBPyConnection, stopping: Callable[[], bool]) -> Iterator[None]:
    """Interrupt a query that runs when `stopping` says so: a query of minutes asks nobody."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_SECONDS):
            if stopping():
                connection.interrupt()

    watcher = threading.Thread(target=watch, name="tenure-engine", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _threads(limit: int) -> int:
    return max(1, min(os.cpu_count() or 1, limit // _BYTES_PER_THREAD))


def _numbered(columns: Mapping[str, ColumnType]) -> tuple[Column, ...]:
    return tuple(Column(name, kind, f"c{at}") for at, (name, kind) in enumerate(columns.items()))


def _units(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Batches of exactly `_UNIT` rows, but for the last."""
    import pyarrow as pa

    rest: list[pa.RecordBatch] = []
    held = 0
    for batch in reader:
        while held + batch.num_rows >= _UNIT:
            missing = _UNIT - held
            yield pa.concat_batches([*rest, batch.slice(0, missing)]) if rest else batch.slice(0, missing)
            rest, held, batch = [], 0, batch.slice(missing)
        if batch.num_rows:
            rest.append(batch)
            held += batch.num_rows
    if rest:
        yield pa.concat_batches(rest)


def _size(columns: Sequence[pa.Array], rows: int) -> int:
    """About how many bytes the values take; the same for the same values."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = (pc.sum(pc.binary_length(c)).as_py() or 0 for c in columns if pa.types.is_string(c.type))
    return 8 * rows * len(columns) + sum(texts)
