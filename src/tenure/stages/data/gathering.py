"""Several files as one table: each is parsed by itself and once, what it became is kept, and only then they are joined.

So that a file parsed alone means the same as among the others, a column has one type over all files: whole numbers and
numbers are numbers, and anything else that differs is text. A file whose values were taken for something else is then
parsed again for that column.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from tenure.core.digest import digest
from tenure.core.errors import StageError
from tenure.ml.quoting import literal
from tenure.stages.data.engine import SQL_TYPES, Engine
from tenure.stages.data.ledger import Entry, Ledger, Parse
from tenure.stages.data.loading import Loaded, no_model_can_use
from tenure.stages.data.lookup import Where
from tenure.stages.data.pieces import Piece, local, partitions, refuse_changed

if TYPE_CHECKING:
    from tenure.ml.signature import ColumnType

_AS_IT_IS = "as it is"

Read = Callable[[Path, str, Mapping[str, "ColumnType"]], Loaded]
"""Parses one file, shown under a name, with types that columns must have."""


class Parsed(NamedTuple):
    """One file in canonical types, as Parquet with columns c0, c1, ..."""

    name: str
    parse: Parse
    copy: Path


def gather(
    engine: Engine,
    pieces: Sequence[Piece],
    ledger: Ledger,
    read: Read,
    where: Where,
    *,
    folders: bool,
    same_columns: bool,
    mixed_is_text: bool,
) -> Loaded:
    """All rows of the pieces in order. `folders` makes columns of folders such as `year=2026`.

    With `same_columns` every piece has the columns of the first, otherwise a column that a piece lacks is missing
    there. Raises StageError when that does not hold, and for types that differ unless `mixed_is_text`.
    """
    with TemporaryDirectory(dir=engine.folder) as name:
        folder = Path(name)
        parsed = [_parsed(engine, piece, ledger, read, {}, folder, where) for piece in pieces]
        if same_columns:
            _refuse_other_columns(parsed, where)
        kinds = _unified(parsed, where, mixed_is_text)
        for position, piece in enumerate(pieces):
            wrong = {
                column: kinds[column]
                for column, kind in parsed[position].parse.columns
                if column in kinds
                and kind not in (None, kinds[column])
                and (kind, kinds[column]) != ("integer", "number")
            }
            if wrong:
                parsed[position] = _parsed(engine, piece, ledger, read, wrong, folder, where)
        ledger.save()
        return _joined(engine, parsed, kinds, pieces if folders else (), where)


def append_folders(
    columns: Mapping[str, ColumnType], pieces: Sequence[Piece], where: Where
) -> dict[str, tuple[ColumnType, list[str | None]]]:
    """The columns that the folders of the pieces name. Raises StageError when a file has one of them as well."""
    found = partitions(pieces)
    if not found:
        raise StageError(
            "the folders name no column",
            f"{pieces[0].name} lies in no folder such as year=2026",
            "remove partitions, or widen the glob: data/year=*/*.parquet",
            path=(*where, "partitions"),
        )
    taken = [name for name in found if name in columns]
    if taken:
        raise StageError(
            "a column name is taken",
            f"{', '.join(taken)} is named by a folder, and the files have a column of that name",
            "set partitions: false to use the column of the files",
            path=(*where, "partitions"),
        )
    return found


def constant(kind: ColumnType, value: str | None) -> str:
    """A value of a partition in SQL."""
    return f"CAST({'NULL' if value is None else literal(value)} AS {SQL_TYPES[kind]})"


def paths(files: Sequence[Path]) -> str:
    """Files as a list in SQL, in which nothing is taken for a glob."""
    return "[" + ", ".join(literal(glob.escape(str(file))) for file in files) + "]"


def fetched(engine: Engine, pieces: Sequence[Piece], ledger: Ledger, where: Where) -> list[Path]:
    """The files of the pieces as they are; of those on a server copies, fetched unless the ledger has them."""
    files = []
    for position, piece in enumerate(pieces):
        if piece.remote is None:
            files.append(local(piece, Path(), where))
        elif piece.identity and (known := ledger.parsed(piece.name, piece.identity, _AS_IT_IS)):
            ledger.note(piece.name, Entry(None, piece.identity))
            files.append(known[1])
        else:
            raw = engine.folder / f"fetched-{position}"
            blob, copy = ledger.keep(local(piece, raw, where))
            if copy != raw:
                raw.unlink()
            if piece.identity is not None:
                ledger.note(piece.name, Entry(None, piece.identity, None, {_AS_IT_IS: Parse(blob, (), 0)}))
            files.append(copy)
    return files


def _parsed(
    engine: Engine,
    piece: Piece,
    ledger: Ledger,
    read: Read,
    types: Mapping[str, ColumnType],
    folder: Path,
    where: Where,
) -> Parsed:
    """What a piece became under some types: remembered, or read now."""
    key = digest(dict(types))
    if piece.identity is not None and (found := ledger.parsed(piece.name, piece.identity, key)):
        parse, copy = found
        if piece.remote is not None:
            ledger.note(piece.name, Entry(None, piece.identity))
        return Parsed(piece.name, parse, copy)
    raw = folder / ("raw" + "".join(Path(piece.name).suffixes[-2:]))
    loaded = read(local(piece, raw, where), piece.name, types)
    raw.unlink(missing_ok=True)
    refuse_changed(piece, where)
    table = loaded.table
    (counts,) = table.query(", ".join(f"count({column.sql})" for column in table.columns))
    file = folder / f"{digest([piece.name, key]).removeprefix('sha256:')}.parquet"
    items = ", ".join(column.sql for column in table.columns)
    engine.query(
        f"COPY (SELECT {items} FROM {table.view}) TO {literal(str(file))} (FORMAT parquet, COMPRESSION zstd)"
    )
    engine.drop(table)
    blob, copy = ledger.keep(file)
    if copy != file:
        file.unlink()
    columns = tuple(
        (column.name, column.type if count or column.name in types else None)
        for column, count in zip(table.columns, counts, strict=True)
    )
    parse = Parse(blob, columns, table.rows, dict(loaded.infinities), dict(loaded.unusable))
    if piece.identity is not None:
        entry = ledger.entry(piece.name) or Entry(None, piece.identity)
        ledger.note(piece.name, Entry(entry.stamp, piece.identity, entry.lines, {key: parse}))
    return Parsed(piece.name, parse, copy)


def _refuse_other_columns(parsed: Sequence[Parsed], where: Where) -> None:
    first = [name for name, _ in parsed[0].parse.columns]
    for one in parsed:
        names = [name for name, _ in one.parse.columns]
        if names != first:
            raise StageError(
                "the files of a source have different headers",
                f"{one.name} has the columns {', '.join(names)}; {parsed[0].name} has {', '.join(first)}",
                "narrow the glob, or give the files the same header",
                path=(*where, "path"),
            )


def _unified(parsed: Sequence[Parsed], where: Where, mixed_is_text: bool) -> dict[str, ColumnType]:
    """The one type of each column, in the order in which the columns appear."""
    found: dict[str, dict[ColumnType, str]] = {}
    unusable = {name for one in parsed for name in one.parse.unusable}
    for one in parsed:
        for name, kind in one.parse.columns:
            if name in unusable:
                continue
            kinds = found.setdefault(name, {})
            if kind is not None:
                kinds.setdefault(kind, one.name)
    unified: dict[str, ColumnType] = {}
    for name, kinds in found.items():
        if len(kinds) > 1 and set(kinds) != {"integer", "number"}:
            if not mixed_is_text:
                listed = ", ".join(f"{kind} in {file}" for kind, file in kinds.items())
                raise StageError(
                    "values of several types in a column",
                    f"column {name!r} is {listed}",
                    f"set types: {{{name}: string}} for the source to read it as text",
                    path=(*where, "types"),
                )
            unified[name] = "string"
        elif len(kinds) == 2:
            unified[name] = "number"
        else:
            unified[name] = next(iter(kinds), "string")
    return unified


def _joined(
    engine: Engine,
    parsed: Sequence[Parsed],
    kinds: Mapping[str, ColumnType],
    pieces: Sequence[Piece],
    where: Where,
) -> Loaded:
    columns = dict(kinds)
    unusable = {name: kind for one in parsed for name, kind in one.parse.unusable.items()}
    if not columns:
        raise no_model_can_use(unusable)
    folders = append_folders(columns, pieces, where) if pieces else {}
    columns |= {name: kind for name, (kind, _) in folders.items()}
    written = engine.create([SQL_TYPES[kind] for kind in columns.values()])
    for positions in _alike(parsed, folders):
        at = {name: f"c{n}" for n, (name, _) in enumerate(parsed[positions[0]].parse.columns)}
        items = [f"CAST({at.get(name, 'NULL')} AS {SQL_TYPES[kind]})" for name, kind in kinds.items()]
        items += [constant(kind, values[positions[0]]) for kind, values in folders.values()]
        copies = paths([parsed[position].copy for position in positions])
        engine.extend(
            written, f"SELECT {', '.join(items)} FROM read_parquet({copies}, hive_partitioning = false)"
        )
    infinities: dict[str, int] = {}
    for one in parsed:
        for name, count in one.parse.infinities.items():
            infinities[name] = infinities.get(name, 0) + count
    table = engine.over(written, {n: (k, f"c{at}") for at, (n, k) in enumerate(columns.items())})
    return Loaded(table, unusable, infinities)


def _alike(
    parsed: Sequence[Parsed], folders: Mapping[str, tuple[ColumnType, list[str | None]]]
) -> Iterator[list[int]]:
    """Positions of neighbours with the same columns in the same folders, which are read by one statement."""
    for _, group in groupby(
        range(len(parsed)),
        lambda at: (parsed[at].parse.columns, tuple(values[at] for _, values in folders.values())),
    ):
        yield list(group)
