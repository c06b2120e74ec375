"""Tables whose values are written as text, in types found from all values.

A column is an integer, a number, a boolean or a timestamp only if every value that is there looks like one
(`ml.written`). Columns are called `c0`, `c1`, ... in SQL here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tenure.core.errors import StageError
from tenure.ml.quoting import literal
from tenure.ml.written import GUESSED, Writing, looks_like, read_as, read_fast
from tenure.stages.data.engine import Engine, Table
from tenure.stages.data.loading import Loaded, settle
from tenure.stages.data.lookup import Where

if TYPE_CHECKING:
    from tenure.ml.signature import ColumnType

_FIRST, _SAMPLE = 50, 2000
_TRIED_AT_ONCE = 120
"""Types tried in one query on a sample: planning thousands takes longer than trying them."""
_LOOKED_AT = 100_000
_MOSTLY = 0.9
_MISFIT = "a value does not fit"


def typed(
    engine: Engine,
    scan: str,
    names: Sequence[str],
    types: Mapping[str, ColumnType],
    writing: Writing,
    where: Where,
    *,
    guesses: Mapping[str, Sequence[ColumnType]] | None = None,
) -> Loaded:
    """The rows of `scan` (a table function in SQL that gives text columns c0, c1, ...) in types found from all values.

    The types of a sample are tried on all rows in the pass that reads them; only when a value does not fit, every
    value is looked at before. `guesses` are the types that a column may have besides text, all of them when left out.
    Raises StageError for values that are not of their declared type, duckdb.Error when the text cannot be read.
    """
    import duckdb

    free = {
        n: list(GUESSED if guesses is None else guesses[name])
        for n, name in enumerate(names)
        if name not in types
    }
    sample = engine.write(f"SELECT * FROM {scan} LIMIT {_SAMPLE}")
    # Most types do not survive a few rows, and need not be tried on the others.
    first, _, _ = _possible(engine, f"(SELECT * FROM {sample} LIMIT {_FIRST})", free, writing, _TRIED_AT_ONCE)
    possible, known, rows = _possible(engine, sample, first, writing, _TRIED_AT_ONCE)
    engine.query(f"DROP TABLE {sample}")
    if rows == _SAMPLE:
        # A column without a value in the sample may be anything: it is looked through before it is read.
        unseen = {n: kinds for n, kinds in possible.items() if not known[n]}
        if unseen:
            more, counts, _ = _possible(engine, scan, unseen, writing)
            possible, known = possible | more, known | counts
    kinds = _chosen(names, types, possible, known)
    try:
        return settle(engine, _read(engine, scan, names, kinds, types, writing), kinds)
    except duckdb.InvalidInputException as error:
        if _MISFIT not in str(error):
            raise
    _refuse_misfits(engine, scan, names, types, writing, where)
    possible, known, _ = _possible(engine, scan, possible, writing)
    kinds = _chosen(names, types, possible, known)
    return settle(engine, _read(engine, scan, names, kinds, types, writing), kinds)


def notes_on(table: Table) -> list[str]:
    """What is worth a word about text columns most of whose first values look like numbers, as phrases."""
    texts = [column for column in table.columns if column.type == "string"]
    if not texts:
        return []
    number = r"'\s*[+-]?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?\s*'"
    comma = r"'\s*[+-]?[0-9]+(,[0-9]+)+(\.[0-9]+)?\s*|\s*[+-]?[0-9]+\s*'"
    padded = r"'\s*0[0-9]+\s*'"
    items = ", ".join(
        f"count({c.sql}), count(*) FILTER (regexp_full_match({c.sql}, {number})), "
        f"count(*) FILTER (regexp_full_match({c.sql}, {padded})), "
        f"count(*) FILTER (regexp_full_match({c.sql}, {comma})), count(*) FILTER (contains({c.sql}, ',')), "
        f"min({c.sql}) FILTER (NOT regexp_full_match({c.sql}, {number}))"
        for c in texts
    )
    listed = ", ".join(c.sql for c in texts)
    (found,) = table.engine.query(
        f"SELECT {items} FROM (SELECT {listed} FROM {table.view} LIMIT {_LOOKED_AT})"
    )
    notes = []
    for at, column in enumerate(texts):
        known, numbers, zeros, commas, with_comma, other = found[6 * at : 6 * at + 6]
        if known and commas == known and with_comma:
            notes.append(
                f"{column.name} looks like numbers with a comma, read as text: set decimal or thousands to ','"
            )
        elif not zeros and known > numbers >= _MOSTLY * known:
            notes.append(
                f"{column.name} is text, because {known - numbers} of its first {known} values are no numbers, such as "
                f"{other[:40]!r}: add it to null_values if it stands for a missing value, or declare types"
            )
    return notes


def _possible(
    engine: Engine,
    source: str,
    free: Mapping[int, list[ColumnType]],
    writing: Writing,
    at_once: int | None = None,
) -> tuple[dict[int, list[ColumnType]], dict[int, int], int]:
    """Which of the types in `free` every value of a column looks like, how many values each has, and the rows.

    All in one pass over the rows, or `at_once` types in each.
    """
    possible: dict[int, list[ColumnType]] = {}
    known: dict[int, int] = {}
    rows = 0
    for columns in _parts(free, at_once):
        items = ["count(*)", *(f"count(c{n})" for n in columns)]
        items += [
            f"count(*) FILTER ({looks_like(f'c{n}', kind, writing)})" for n in columns for kind in free[n]
        ]
        found = iter(engine.query(f"SELECT {', '.join(items)} FROM {source}")[0])
        rows = next(found)
        known |= {n: next(found) for n in columns}
        possible |= {n: [kind for kind in free[n] if next(found) == known[n]] for n in columns}
    return possible, known, rows


def _parts(free: Mapping[int, list[ColumnType]], at_once: int | None) -> list[list[int]]:
    """The columns in parts of about so many types; at least one part, which may be empty."""
    parts: list[list[int]] = [[]]
    room = at_once
    for n, kinds in free.items():
        if room is not None:
            if parts[-1] and room < len(kinds):
                parts.append([])
                room = at_once or 0
            room -= len(kinds)
        parts[-1].append(n)
    return parts


def _chosen(
    names: Sequence[str],
    types: Mapping[str, ColumnType],
    possible: Mapping[int, list[ColumnType]],
    known: Mapping[int, int],
) -> dict[str, ColumnType]:
    # No value contradicts any type in a column without values, and text is what it is then.
    found = {names[n]: kinds[0] for n, kinds in possible.items() if kinds and known[n]}
    return {name: types.get(name) or found.get(name, "string") for name in names}


def _read(
    engine: Engine,
    scan: str,
    names: Sequence[str],
    kinds: Mapping[str, ColumnType],
    types: Mapping[str, ColumnType],
    writing: Writing,
) -> str:
    """Every row in the types given. Raises duckdb.InvalidInputException with `_MISFIT` for a value of another."""
    items = []
    for n, name in enumerate(names):
        kind = kinds[name]
        value = read_as(f"c{n}", kind, writing)
        if kind != "string":
            test = looks_like(f"c{n}", kind, writing, declared=name in types)
            ways = [
                *read_fast(f"c{n}", kind, writing),
                f"CASE WHEN {test} THEN {value} END",
                f"error({literal(_MISFIT)})",
            ]
            value = f"CASE WHEN c{n} IS NOT NULL THEN coalesce({', '.join(ways)}) END"
        items.append(f"{value} AS c{n}")
    return engine.write(f"SELECT {', '.join(items)} FROM {scan}")


def _refuse_misfits(
    engine: Engine,
    scan: str,
    names: Sequence[str],
    types: Mapping[str, ColumnType],
    writing: Writing,
    where: Where,
) -> None:
    for n, name in enumerate(names):
        if name not in types or types[name] == "string":
            continue
        misfit = f"c{n} IS NOT NULL AND NOT ({looks_like(f'c{n}', types[name], writing, declared=True)})"
        ((count, example),) = engine.query(f"SELECT count(*), min(c{n}) FROM {scan} WHERE {misfit}")
        if count:
            raise StageError(
                "values of another type than declared",
                f"{count} value(s) of column {name!r} are no {types[name]}, such as {example!r}",
                "change the declared type, or add the text to null_values if it stands for a missing value",
                path=(*where, "types", name),
            )
